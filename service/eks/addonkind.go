package eks

import (
	"context"
	"slices"
	"strings"

	"minato.dev/minato"
)

// AddonKind is an add-on that there is, for clusters to have.
type AddonKind struct {
	Name, Type, Publisher, Owner string
	Namespace                    string // where it is installed unless asked otherwise
	AnyNamespace                 bool   // whether it can be installed elsewhere
	// ServiceAccount is the one that an IAM role can be given to, empty for none, and Policies are the ARNs of AWS's that such a role needs.
	ServiceAccount string
	Policies       []string
	Schema         string // of its configuration values: JSON Schema
	Versions       []AddonVersion
}

// AddonVersion is a version of an add-on. Those of a kind are newest first.
type AddonVersion struct {
	Version string
	// Build is the Kubernetes minor that must be built on this server for the version to be there; empty where it needs none.
	Build         string
	Compatible    []AddonCompatibility
	Architectures []string
	ComputeTypes  []string
}

// AddonCompatibility is that an add-on version runs on clusters of a minor.
type AddonCompatibility struct {
	Minor   string
	Default bool // it is the version that such a cluster gets when none is asked for
}

// on is whether the version runs on clusters of a minor, and whether it is the default one there.
func (v AddonVersion) on(minor string) (runs, isDefault bool) {
	i := slices.IndexFunc(v.Compatible, func(c AddonCompatibility) bool { return c.Minor == minor })
	return i >= 0, i >= 0 && v.Compatible[i].Default
}

// addonKinds are the add-ons that there are on this server: with the versions that are built, for the minors that are built.
func (s *Service) addonKinds() []AddonKind {
	built := s.BuiltMinors()
	kinds := slices.Clone(s.Addons)
	for i := range kinds {
		k := &kinds[i]
		k.Versions = slices.DeleteFunc(slices.Clone(k.Versions), func(v AddonVersion) bool {
			return v.Build != "" && !slices.Contains(built, v.Build)
		})
		for j := range k.Versions {
			v := &k.Versions[j]
			v.Compatible = slices.DeleteFunc(slices.Clone(v.Compatible), func(c AddonCompatibility) bool { return !slices.Contains(built, c.Minor) })
		}
	}
	return kinds
}

// addonKind finds an add-on that there is.
func (s *Service) addonKind(name string) (AddonKind, error) {
	kinds := s.addonKinds()
	names := make([]string, len(kinds))
	for i, k := range kinds {
		if k.Name == name {
			return k, nil
		}
		names[i] = k.Name
	}
	return AddonKind{}, minato.Errorf(minato.Invalid, "Addon %s specified is not supported: this server has %s", shorten(name), strings.Join(names, ", "))
}

// choose is the version that is asked for, which must run on clusters of a minor; the default one where none is.
func (k AddonKind) choose(version, minor string) (string, error) {
	var there []string
	for _, v := range k.Versions {
		runs, isDefault := v.on(minor)
		if runs && v.Version == version || isDefault && version == "" {
			return v.Version, nil
		}
		if runs {
			there = append(there, v.Version)
		}
	}
	return "", minato.Errorf(minato.Invalid, "Addon version specified is not supported: %s has %s for Kubernetes %s, not %q",
		k.Name, strings.Join(there, ", "), minor, shorten(version))
}

// AddonFilter is which add-ons and versions are asked for. Empty fields ask for all.
type AddonFilter struct {
	KubernetesVersion, Name   string
	Types, Publishers, Owners []string
}

func (f AddonFilter) takes(k AddonKind) bool {
	in := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	return (f.Name == "" || f.Name == k.Name) && in(f.Types, k.Type) && in(f.Publishers, k.Publisher) && in(f.Owners, k.Owner)
}

// DescribeAddonVersions lists the add-ons that there are, by name, with their versions, newest first.
func (s *Service) DescribeAddonVersions(ctx context.Context, c Caller, f AddonFilter, page PageRequest) ([]AddonKind, string, error) {
	if err := s.authorize(ctx, c, "eks:DescribeAddonVersions", accountARN(c.Scope)); err != nil {
		return nil, "", err
	}
	found := []AddonKind{}
	for _, k := range s.addonKinds() {
		if !f.takes(k) {
			continue
		}
		k.Versions = slices.DeleteFunc(k.Versions, func(v AddonVersion) bool {
			runs, _ := v.on(f.KubernetesVersion)
			return f.KubernetesVersion != "" && !runs
		})
		if f.KubernetesVersion != "" {
			for i := range k.Versions {
				v := &k.Versions[i]
				v.Compatible = slices.DeleteFunc(v.Compatible, func(c AddonCompatibility) bool { return c.Minor != f.KubernetesVersion })
			}
		}
		if len(k.Versions) > 0 {
			found = append(found, k)
		}
	}
	return pageOf(found, "addons", page, func(k AddonKind) string { return k.Name })
}

// DescribeAddonConfiguration finds the kind of a version of an add-on: the schema of its configuration values, and the role that it needs.
func (s *Service) DescribeAddonConfiguration(ctx context.Context, c Caller, name, version string) (AddonKind, error) {
	if err := s.authorize(ctx, c, "eks:DescribeAddonConfiguration", accountARN(c.Scope)); err != nil {
		return AddonKind{}, err
	}
	k, err := s.addonKind(name)
	if err != nil {
		return AddonKind{}, err
	}
	if !slices.ContainsFunc(k.Versions, func(v AddonVersion) bool { return v.Version == version }) {
		return AddonKind{}, minato.Errorf(minato.Invalid, "Addon version specified is not supported: %s has no version %q, see DescribeAddonVersions", name, shorten(version)).With("addonName", name)
	}
	return k, nil
}
