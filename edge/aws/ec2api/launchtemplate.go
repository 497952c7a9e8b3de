package ec2api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) launchTemplates() []query.Operation {
	return []query.Operation{
		query.Op("CreateLaunchTemplate", h.createLaunchTemplate),
		query.Op("CreateLaunchTemplateVersion", h.createLaunchTemplateVersion),
		query.Op("DeleteLaunchTemplate", h.deleteLaunchTemplate),
		query.Op("DeleteLaunchTemplateVersions", h.deleteLaunchTemplateVersions),
		query.Op("DescribeLaunchTemplateVersions", h.describeLaunchTemplateVersions),
		query.Op("DescribeLaunchTemplates", h.describeLaunchTemplates),
		query.Op("ModifyLaunchTemplate", h.modifyLaunchTemplate),
	}
}

// templateInput is what operations on one launch template take.
type templateInput struct {
	dryRun
	LaunchTemplateID   string `query:"LaunchTemplateId"`
	LaunchTemplateName string
}

func (in templateInput) name() ec2.TemplateName {
	return ec2.TemplateName{ID: in.LaunchTemplateID, Name: in.LaunchTemplateName}
}

type createLaunchTemplateInput struct {
	dryRun
	LaunchTemplateName string
	VersionDescription string
	LaunchTemplateData *instanceSpec
	TagSpecification   []tagSpecification
}

type launchTemplateOutput struct {
	LaunchTemplate launchTemplate `query:"launchTemplate"`
}

type launchTemplate struct {
	ID             string    `query:"launchTemplateId"`
	Name           string    `query:"launchTemplateName"`
	CreateTime     time.Time `query:"createTime"`
	CreatedBy      string    `query:"createdBy"`
	DefaultVersion int64     `query:"defaultVersionNumber"`
	LatestVersion  int64     `query:"latestVersionNumber"`
	Tags           []tag     `query:"tagSet"`
}

func newLaunchTemplate(t ec2.LaunchTemplate) launchTemplate {
	return launchTemplate{t.ID, t.Name, t.CreatedAt, t.CreatedBy, t.Default, t.Latest, newTags(t.Tags)}
}

func (h handlers) createLaunchTemplate(ctx context.Context, in *createLaunchTemplateInput) (*launchTemplateOutput, error) {
	if in.LaunchTemplateData == nil {
		return nil, missing("LaunchTemplateData")
	}
	data, err := in.LaunchTemplateData.spec()
	if err != nil {
		return nil, err
	}
	tags, err := newTagsFor(in.TagSpecification, "launch-template")
	if err != nil {
		return nil, err
	}
	t, err := h.service.CreateLaunchTemplate(ctx, in.caller(ctx), ec2.NewLaunchTemplate{
		Name: in.LaunchTemplateName, Description: in.VersionDescription, Data: data, Tags: tags,
	})
	return &launchTemplateOutput{newLaunchTemplate(t)}, err
}

type createLaunchTemplateVersionInput struct {
	templateInput
	SourceVersion      string
	VersionDescription string
	LaunchTemplateData *instanceSpec
}

type createLaunchTemplateVersionOutput struct {
	Version templateVersion `query:"launchTemplateVersion"`
}

func (h handlers) createLaunchTemplateVersion(ctx context.Context, in *createLaunchTemplateVersionInput) (*createLaunchTemplateVersionOutput, error) {
	if in.LaunchTemplateData == nil && in.SourceVersion == "" {
		return nil, missing("LaunchTemplateData")
	}
	n := ec2.NewTemplateVersion{Template: in.name(), Source: in.SourceVersion, Description: in.VersionDescription}
	if in.LaunchTemplateData != nil {
		data, err := in.LaunchTemplateData.spec()
		if err != nil {
			return nil, err
		}
		n.Data = data
	}
	t, v, err := h.service.CreateLaunchTemplateVersion(ctx, in.caller(ctx), n)
	return &createLaunchTemplateVersionOutput{newTemplateVersion(t, v)}, err
}

func (h handlers) deleteLaunchTemplate(ctx context.Context, in *templateInput) (*launchTemplateOutput, error) {
	t, err := h.service.DeleteLaunchTemplate(ctx, in.caller(ctx), in.name())
	return &launchTemplateOutput{newLaunchTemplate(t)}, err
}

type modifyLaunchTemplateInput struct {
	templateInput
	SetDefaultVersion string
}

func (h handlers) modifyLaunchTemplate(ctx context.Context, in *modifyLaunchTemplateInput) (*launchTemplateOutput, error) {
	t, err := h.service.SetDefaultTemplateVersion(ctx, in.caller(ctx), in.name(), in.SetDefaultVersion)
	return &launchTemplateOutput{newLaunchTemplate(t)}, err
}

type describeLaunchTemplatesInput struct {
	describeInput
	LaunchTemplateID   []string `query:"LaunchTemplateId"`
	LaunchTemplateName []string
}

type describeLaunchTemplatesOutput struct {
	Templates []launchTemplate `query:"launchTemplates"`
	NextToken string           `query:"nextToken"`
}

func (h handlers) describeLaunchTemplates(ctx context.Context, in *describeLaunchTemplatesInput) (*describeLaunchTemplatesOutput, error) {
	page, err := h.service.DescribeLaunchTemplates(ctx, caller(ctx), in.asked(in.LaunchTemplateID), in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	return &describeLaunchTemplatesOutput{each(page.Items, newLaunchTemplate), page.NextToken}, nil
}

type describeLaunchTemplateVersionsInput struct {
	templateInput
	LaunchTemplateVersion  []string
	MinVersion, MaxVersion string
}

type describeLaunchTemplateVersionsOutput struct {
	Versions []templateVersion `query:"launchTemplateVersionSet"`
}

func (h handlers) describeLaunchTemplateVersions(ctx context.Context, in *describeLaunchTemplateVersionsInput) (*describeLaunchTemplateVersionsOutput, error) {
	r := ec2.VersionRange{Versions: in.LaunchTemplateVersion, Min: in.MinVersion, Max: in.MaxVersion}
	templates, versions, err := h.service.DescribeTemplateVersions(ctx, in.caller(ctx), in.name(), r)
	out := &describeLaunchTemplateVersionsOutput{Versions: []templateVersion{}}
	for i, v := range versions {
		out.Versions = append(out.Versions, newTemplateVersion(templates[i], v))
	}
	return out, err
}

type deleteLaunchTemplateVersionsInput struct {
	templateInput
	LaunchTemplateVersion []string
}

type deleteLaunchTemplateVersionsOutput struct {
	Deleted []deletedVersion `query:"successfullyDeletedLaunchTemplateVersionSet"`
	Failed  []deletedVersion `query:"unsuccessfullyDeletedLaunchTemplateVersionSet"`
}

type deletedVersion struct {
	ID     string         `query:"launchTemplateId"`
	Name   string         `query:"launchTemplateName"`
	Number int64          `query:"versionNumber"`
	Error  *responseError `query:"responseError"`
}

type responseError struct {
	Code    string `query:"code"`
	Message string `query:"message"`
}

func (h handlers) deleteLaunchTemplateVersions(ctx context.Context, in *deleteLaunchTemplateVersionsInput) (*deleteLaunchTemplateVersionsOutput, error) {
	t, gone, failed, err := h.service.DeleteTemplateVersions(ctx, in.caller(ctx), in.name(), in.LaunchTemplateVersion)
	if err != nil {
		return nil, err
	}
	out := &deleteLaunchTemplateVersionsOutput{Deleted: []deletedVersion{}, Failed: []deletedVersion{}}
	for _, number := range gone {
		out.Deleted = append(out.Deleted, deletedVersion{ID: t.ID, Name: t.Name, Number: number})
	}
	for version, err := range failed {
		number, _ := strconv.ParseInt(version, 10, 64) // 0 for what is no number
		code := "unexpectedError"
		if minato.Is(err, minato.NotFound) {
			code = "launchTemplateVersionDoesNotExist"
		}
		out.Failed = append(out.Failed, deletedVersion{t.ID, t.Name, number, &responseError{code, err.Error()}})
	}
	slices.SortFunc(out.Failed, func(x, y deletedVersion) int { return strings.Compare(x.Error.Message, y.Error.Message) })
	return out, nil
}
