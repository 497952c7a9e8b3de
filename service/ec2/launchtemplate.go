package ec2

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// LaunchTemplate is a named row of versions of what to launch.
type LaunchTemplate struct {
	Scope     minato.Scope `json:"scope"`
	ID        string       `json:"id"` // "lt-0…"
	Name      string       `json:"name"`
	CreatedAt time.Time    `json:"createdAt"`
	CreatedBy string       `json:"createdBy"`
	Default   int64        `json:"default"` // version
	Latest    int64        `json:"latest"`  // version; also counts those that have been deleted
	Tags      minato.Tags  `json:"tags,omitempty"`
}

// TemplateVersion is one version of a launch template.
type TemplateVersion struct {
	TemplateID  string       `json:"templateId"`
	Number      int64        `json:"number"`
	Description string       `json:"description,omitempty"`
	CreatedAt   time.Time    `json:"createdAt"`
	CreatedBy   string       `json:"createdBy"`
	Data        InstanceSpec `json:"data"`
}

// Where launch templates lie: versions + template/number, names + name.
const (
	launchTemplatesPrefix     = "/minato/ec2/launch-templates/"
	launchTemplateVersions    = "/minato/ec2/launch-template-versions/"
	launchTemplateNamesPrefix = "/minato/ec2/launch-template-names/"
)

// LaunchTemplates is the collection of launch templates.
func LaunchTemplates(s store.Store) *store.Collection[LaunchTemplate] {
	return store.NewCollection[LaunchTemplate](s, launchTemplatesPrefix)
}

func (s *Service) templates() *store.Collection[LaunchTemplate] { return LaunchTemplates(s.Store) }

func (s *Service) templateVersions() *store.Collection[TemplateVersion] {
	return store.NewCollection[TemplateVersion](s.Store, launchTemplateVersions)
}

// templateNames hold the id of the template that has a name.
func (s *Service) templateNames() *store.Collection[string] {
	return store.NewCollection[string](s.Store, launchTemplateNamesPrefix)
}

func versionID(scope minato.Scope, template string, number int64) string {
	return store.ID(scope.Account, string(scope.Region), template, fmt.Sprintf("%010d", number)) // in the order of numbers
}

// maxTemplateVersions is how many versions a template may have (EC2 endpoints and quotas).
const maxTemplateVersions = 10000

var templateName = regexp.MustCompile(`^[a-zA-Z0-9()./_\-]{3,128}$`)

// NewLaunchTemplate is what a launch template begins with.
type NewLaunchTemplate struct {
	Name        string
	Description string // of its first version
	Data        InstanceSpec
	Tags        minato.Tags
}

// CreateLaunchTemplate makes a launch template and its first version.
func (s *Service) CreateLaunchTemplate(ctx context.Context, c Caller, n NewLaunchTemplate) (LaunchTemplate, error) {
	if err := s.allowCreate(ctx, c, "ec2:CreateLaunchTemplate", templateKind.resource, n.Tags); err != nil {
		return LaunchTemplate{}, err
	}
	if !templateName.MatchString(n.Name) {
		return LaunchTemplate{}, minato.Errorf(minato.Invalid, "Launch template name '%s' is malformed: want 3 to 128 of a-z, A-Z, 0-9 and ( ) . / _ -", n.Name).
			Because("InvalidLaunchTemplateName.MalformedException")
	}
	if err := n.Data.check(); err != nil {
		return LaunchTemplate{}, err
	}
	t := LaunchTemplate{
		Scope: c.Scope, ID: newID("lt"), Name: n.Name, CreatedAt: s.Now().UTC(), CreatedBy: c.Credential.Principal.ARN.String(),
		Default: 1, Latest: 1, Tags: n.Tags,
	}
	_, err := s.Store.Commit(ctx,
		s.templateNames().CreateOp(recordID(c.Scope, t.Name), t.ID),
		s.templates().CreateOp(recordID(c.Scope, t.ID), t),
		s.templateVersions().CreateOp(versionID(c.Scope, t.ID, 1), TemplateVersion{t.ID, 1, n.Description, t.CreatedAt, t.CreatedBy, n.Data}),
	)
	if errors.Is(err, store.ErrExists) {
		err = minato.Errorf(minato.AlreadyExists, "Launch template name already in use.").Because("InvalidLaunchTemplateName.AlreadyExistsException")
	}
	return t, err
}

// TemplateName names a launch template by one of the two.
type TemplateName struct{ ID, Name string }

// NewTemplateVersion is a version to be made of a launch template.
type NewTemplateVersion struct {
	Template    TemplateName
	Source      string // the version whose data holds where Data says nothing; empty for none
	Description string
	Data        InstanceSpec
}

// CreateLaunchTemplateVersion makes the next version of a launch template.
func (s *Service) CreateLaunchTemplateVersion(ctx context.Context, c Caller, n NewTemplateVersion) (LaunchTemplate, TemplateVersion, error) {
	t, err := s.findTemplate(ctx, c, "ec2:CreateLaunchTemplateVersion", n.Template)
	if err != nil {
		return LaunchTemplate{}, TemplateVersion{}, err
	}
	if n.Source != "" {
		source, err := s.templateVersion(ctx, t.Value, n.Source)
		if err != nil {
			return LaunchTemplate{}, TemplateVersion{}, err
		}
		n.Data = n.Data.Over(source.Data)
	}
	if err := n.Data.check(); err != nil {
		return LaunchTemplate{}, TemplateVersion{}, err
	}
	v := TemplateVersion{t.Value.ID, 0, n.Description, s.Now().UTC(), c.Credential.Principal.ARN.String(), n.Data}
	err = s.commit(ctx, func() ([]store.Op, error) {
		t, err = need(ctx, s, &templateKind, c.Scope, t.Value.ID)
		if err != nil {
			return nil, err
		}
		if t.Value.Latest >= maxTemplateVersions {
			return nil, minato.Errorf(minato.LimitExceeded, "Launch template %s has had %d versions, and can have no more", t.Value.ID, maxTemplateVersions).
				Because("VersionLimitExceeded")
		}
		t.Value.Latest++
		v.Number = t.Value.Latest
		return []store.Op{s.templates().UpdateOp(t), s.templateVersions().CreateOp(versionID(c.Scope, v.TemplateID, v.Number), v)}, nil
	})
	return t.Value, v, err
}

// SetDefaultTemplateVersion says which version of a launch template is taken when none is named.
func (s *Service) SetDefaultTemplateVersion(ctx context.Context, c Caller, name TemplateName, version string) (LaunchTemplate, error) {
	t, err := s.findTemplate(ctx, c, "ec2:ModifyLaunchTemplate", name)
	if err != nil {
		return LaunchTemplate{}, err
	}
	if version == "" {
		return t.Value, missingParameter("SetDefaultVersion")
	}
	err = s.commit(ctx, func() ([]store.Op, error) {
		if t, err = need(ctx, s, &templateKind, c.Scope, t.Value.ID); err != nil {
			return nil, err
		}
		v, err := s.templateVersion(ctx, t.Value, version)
		t.Value.Default = v.Number
		return []store.Op{s.templates().UpdateOp(t), existsVersion(s, c.Scope, v)}, err
	})
	return t.Value, err
}

func existsVersion(s *Service, scope minato.Scope, v TemplateVersion) store.Op {
	return store.Check(s.templateVersions().Key(versionID(scope, v.TemplateID, v.Number)), store.AnyRevision)
}

// DeleteLaunchTemplate removes a launch template with all its versions.
func (s *Service) DeleteLaunchTemplate(ctx context.Context, c Caller, name TemplateName) (LaunchTemplate, error) {
	t, err := s.findTemplate(ctx, c, "ec2:DeleteLaunchTemplate", name)
	if err != nil {
		return LaunchTemplate{}, err
	}
	versions, err := s.versionsOf(ctx, t.Value)
	if err != nil {
		return LaunchTemplate{}, err
	}
	ops := []store.Op{
		store.Delete(s.templates().Key(recordID(c.Scope, t.Value.ID)), store.AnyRevision),
		store.Delete(s.templateNames().Key(recordID(c.Scope, t.Value.Name)), store.AnyRevision),
	}
	if _, err := s.Store.Commit(ctx, ops...); ignoreNotFound(err) != nil {
		return LaunchTemplate{}, err
	}
	for _, v := range versions { // nobody can reach them any more
		err := s.templateVersions().Delete(ctx, versionID(c.Scope, v.TemplateID, v.Number), store.AnyRevision)
		if ignoreNotFound(err) != nil {
			return LaunchTemplate{}, err
		}
	}
	return t.Value, nil
}

// DeleteTemplateVersions removes versions of a launch template. Those that could not be removed come with the reason.
func (s *Service) DeleteTemplateVersions(ctx context.Context, c Caller, name TemplateName, versions []string) (LaunchTemplate, []int64, map[string]error, error) {
	t, err := s.findTemplate(ctx, c, "ec2:DeleteLaunchTemplateVersions", name)
	if err != nil {
		return LaunchTemplate{}, nil, nil, err
	}
	if len(versions) == 0 {
		return t.Value, nil, nil, missingParameter("LaunchTemplateVersion")
	}
	var gone []int64
	failed := map[string]error{}
	for _, version := range versions {
		number, err := s.deleteTemplateVersion(ctx, t.Value, version)
		switch {
		case minato.KindOf(err) == minato.Internal:
			return t.Value, nil, nil, err
		case err != nil:
			failed[version] = err
		default:
			gone = append(gone, number)
		}
	}
	return t.Value, gone, failed, nil
}

func (s *Service) deleteTemplateVersion(ctx context.Context, t LaunchTemplate, version string) (int64, error) {
	number, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return 0, invalid("Launch template version '%s' is invalid: want a number", version)
	}
	return number, s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &templateKind, t.Scope, t.ID)
		if err != nil {
			return nil, err
		}
		if item.Value.Default == number {
			return nil, minato.Errorf(minato.WrongState, "Cannot delete the default launch template version %d.", number).Because("unexpectedError")
		}
		v, err := s.templateVersion(ctx, item.Value, version)
		return []store.Op{
			store.Check(s.templates().Key(item.ID), item.Revision),
			store.Delete(s.templateVersions().Key(versionID(t.Scope, t.ID, v.Number)), store.AnyRevision),
		}, err
	})
}
