package ec2

import (
	"context"
	"errors"
	"strconv"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// TemplateVersion reads a version of a launch template for another service: a number, $Default or $Latest; empty is $Default.
func (s *Service) TemplateVersion(ctx context.Context, scope minato.Scope, name TemplateName, version string) (LaunchTemplate, TemplateVersion, error) {
	t, err := s.template(ctx, scope, name)
	if err != nil {
		return LaunchTemplate{}, TemplateVersion{}, err
	}
	v, err := s.templateVersion(ctx, t.Value, version)
	return t.Value, v, err
}

// DescribeLaunchTemplates lists launch templates. Names work like ids.
func (s *Service) DescribeLaunchTemplates(ctx context.Context, c Caller, d Describe, names []string) (Page[LaunchTemplate], error) {
	return describe(ctx, s, c, "ec2:DescribeLaunchTemplates", d, &templateKind, func() ([]LaunchTemplate, error) {
		if len(names) == 0 {
			return list(ctx, s, s.templates(), c.Scope)
		}
		var found []LaunchTemplate
		for _, name := range names {
			t, err := s.template(ctx, c.Scope, TemplateName{Name: name})
			if err != nil {
				return nil, err
			}
			found = append(found, t.Value)
		}
		return found, nil
	})
}

// VersionRange says which versions of a launch template to describe: those named, or those from Min to Max; nothing is all.
type VersionRange struct {
	Versions []string
	Min, Max string
}

// DescribeTemplateVersions lists versions of a launch template, the newest first, or as named. Without a template it wants
// $Default or $Latest, and gives those of all templates.
func (s *Service) DescribeTemplateVersions(ctx context.Context, c Caller, name TemplateName, r VersionRange) ([]LaunchTemplate, []TemplateVersion, error) {
	if err := s.authorize(ctx, c, "ec2:DescribeLaunchTemplateVersions"); err != nil {
		return nil, nil, err
	}
	if c.DryRun {
		return nil, nil, errDryRun()
	}
	if name == (TemplateName{}) {
		return s.versionsOfAll(ctx, c.Scope, r)
	}
	t, err := s.template(ctx, c.Scope, name)
	if err != nil {
		return nil, nil, err
	}
	versions, err := s.selectVersions(ctx, t.Value, r)
	templates := make([]LaunchTemplate, len(versions))
	for i := range templates {
		templates[i] = t.Value
	}
	return templates, versions, err
}

func (s *Service) versionsOfAll(ctx context.Context, scope minato.Scope, r VersionRange) ([]LaunchTemplate, []TemplateVersion, error) {
	if len(r.Versions) == 0 {
		return nil, nil, missingParameter("LaunchTemplateId or LaunchTemplateName")
	}
	for _, v := range r.Versions {
		if v != latestVersion && v != defaultVersion {
			return nil, nil, invalid("Without a launch template want the versions %s and %s, not '%s'", latestVersion, defaultVersion, v)
		}
	}
	all, err := list(ctx, s, s.templates(), scope)
	if err != nil {
		return nil, nil, err
	}
	var templates []LaunchTemplate
	var versions []TemplateVersion
	for _, t := range all {
		for _, which := range r.Versions {
			v, err := s.templateVersion(ctx, t, which)
			if minato.Is(err, minato.NotFound) { // it has gone since
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			templates, versions = append(templates, t), append(versions, v)
		}
	}
	return templates, versions, nil
}

func (s *Service) selectVersions(ctx context.Context, t LaunchTemplate, r VersionRange) ([]TemplateVersion, error) {
	if len(r.Versions) > 0 {
		var versions []TemplateVersion
		for _, which := range r.Versions {
			v, err := s.templateVersion(ctx, t, which)
			if err != nil {
				return nil, err
			}
			versions = append(versions, v)
		}
		return versions, nil
	}
	first, last := int64(1), t.Latest
	for text, bound := range map[string]*int64{r.Min: &first, r.Max: &last} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, invalid("Launch template version '%s' is invalid: want a number", text)
		}
		*bound = n
	}
	all, err := s.versionsOf(ctx, t)
	var versions []TemplateVersion
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Number >= first && all[i].Number <= last {
			versions = append(versions, all[i])
		}
	}
	return versions, err
}

// findTemplate reads a template that an action is on and asks whether the caller may do it.
func (s *Service) findTemplate(ctx context.Context, c Caller, action string, name TemplateName) (store.Item[LaunchTemplate], error) {
	t, err := s.template(ctx, c.Scope, name)
	if err != nil {
		if denied := s.permitted(ctx, c, action, target{arn: resourceARN(c.Scope, templateKind.resource, "*")}); denied != nil {
			return t, denied
		}
		return t, err
	}
	return t, s.allow(ctx, c, action, templateKind.target(c.Scope, t.Value))
}

// template finds a launch template by its id or name.
func (s *Service) template(ctx context.Context, scope minato.Scope, name TemplateName) (store.Item[LaunchTemplate], error) {
	var none store.Item[LaunchTemplate]
	switch {
	case name.ID == "" && name.Name == "":
		return none, missingParameter("LaunchTemplateId or LaunchTemplateName")
	case name.ID != "" && name.Name != "":
		return none, minato.Errorf(minato.Invalid, "Give LaunchTemplateId or LaunchTemplateName, not both").Because("InvalidParameterCombination")
	case name.ID != "":
		return need(ctx, s, &templateKind, scope, name.ID)
	}
	id, ok, err := get(ctx, s.templateNames(), scope, name.Name)
	if err != nil {
		return none, err
	}
	missing := minato.Errorf(minato.NotFound, "The specified launch template, with template name %s, does not exist.", name.Name).
		Because("InvalidLaunchTemplateName.NotFoundException")
	if !ok {
		return none, missing
	}
	t, ok, err := get(ctx, s.templates(), scope, id.Value)
	if err == nil && !ok {
		err = missing
	}
	return t, err
}

// The versions of a launch template that have a name.
const (
	latestVersion  = "$Latest"
	defaultVersion = "$Default"
)

func (s *Service) templateVersion(ctx context.Context, t LaunchTemplate, version string) (TemplateVersion, error) {
	var number int64
	switch version {
	case latestVersion:
		return s.latest(ctx, t)
	case "", defaultVersion:
		number = t.Default
	default:
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return TemplateVersion{}, invalid("Launch template version '%s' is invalid: want a number, $Latest or $Default", version)
		}
		number = n
	}
	item, err := s.templateVersions().Get(ctx, versionID(t.Scope, t.ID, number))
	if errors.Is(err, store.ErrNotFound) {
		return TemplateVersion{}, minato.Errorf(minato.NotFound, "Could not find launch template version %d for launch template %s", number, t.ID).
			Because("InvalidLaunchTemplateId.VersionNotFound")
	}
	return item.Value, err
}

// latest is the newest version that has not been deleted.
func (s *Service) latest(ctx context.Context, t LaunchTemplate) (TemplateVersion, error) {
	versions, err := s.versionsOf(ctx, t)
	if err != nil {
		return TemplateVersion{}, err
	}
	if len(versions) == 0 {
		return TemplateVersion{}, templateKind.missing(t.ID)
	}
	return versions[len(versions)-1], nil
}

// versionsOf are all versions of a template, the oldest first.
func (s *Service) versionsOf(ctx context.Context, t LaunchTemplate) ([]TemplateVersion, error) {
	page, err := s.templateVersions().List(ctx, recordID(t.Scope, t.ID)+"/", "", 0)
	if err != nil {
		return nil, readError(s.templateVersions().Prefix(), err)
	}
	versions := make([]TemplateVersion, len(page.Items))
	for i, item := range page.Items {
		versions[i] = item.Value
	}
	return versions, nil
}
