package eks

import (
	"context"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/kube"
)

// builtVersions are the minors that this server can run, newest first.
func (s *Service) builtVersions() []kube.Version {
	built := s.BuiltMinors()
	var vs []kube.Version
	for _, v := range slices.Backward(kube.Versions()) {
		if slices.Contains(built, v.Minor) {
			vs = append(vs, v)
		}
	}
	return vs
}

// offered is whether new clusters may use a version that is built.
func (s *Service) offered(v kube.Version) bool {
	return s.AllowUnsupported || v.SupportAt(s.Now()) != kube.Unsupported
}

// defaultVersion is what a cluster gets that asks for no version: among the built minors in standard support the one that the
// table prefers, else the newest of them, else the newest in extended support. There may be none.
func (s *Service) defaultVersion() (kube.Version, bool) {
	built := s.builtVersions()
	for _, fits := range []func(kube.Version) bool{
		func(v kube.Version) bool { return v.Default && v.SupportAt(s.Now()) == kube.StandardSupport },
		func(v kube.Version) bool { return v.SupportAt(s.Now()) == kube.StandardSupport },
		func(v kube.Version) bool { return v.SupportAt(s.Now()) == kube.ExtendedSupport },
	} {
		if i := slices.IndexFunc(built, fits); i >= 0 {
			return built[i], true
		}
	}
	return kube.Version{}, false
}

// chooseVersion checks the version of a new cluster, or takes the default when none is given.
func (s *Service) chooseVersion(minor string) (string, error) {
	if minor == "" {
		v, ok := s.defaultVersion()
		if !ok {
			return "", minato.Errorf(minato.Invalid, "No Kubernetes version was given, and this server has built none that EKS supports today: %s", s.offer())
		}
		return v.Minor, nil
	}
	v, known := kube.Lookup(minor)
	switch {
	case !known:
		return "", minato.Errorf(minato.Invalid, "unsupported Kubernetes version %q: %s", minor, s.offer())
	case !slices.Contains(s.BuiltMinors(), minor):
		return "", minato.Errorf(minato.Invalid, "unsupported Kubernetes version %s: it has not been built here. Build it with `make kube VERSION=%s`, or %s", minor, minor, s.offer())
	case !s.offered(v) && !v.HasCalendar():
		return "", minato.Errorf(minato.Invalid, "unsupported Kubernetes version %s: EKS has not released it. Start the server with --allow-unsupported to use it all the same, or %s", minor, s.offer())
	case !s.offered(v):
		return "", minato.Errorf(minato.Invalid, "unsupported Kubernetes version %s: it left extended support on %s. Start the server with --allow-unsupported to use it all the same, or %s",
			minor, v.EndOfExtendedSupport.Format("2006-01-02"), s.offer())
	}
	return minor, nil
}

// offer says which versions can be had, as the end of an error message.
func (s *Service) offer() string {
	var minors []string
	for _, v := range s.builtVersions() {
		if s.offered(v) {
			minors = append(minors, v.Minor)
		}
	}
	if len(minors) == 0 {
		return "this server offers none"
	}
	return "use one that this server offers: " + strings.Join(minors, ", ")
}

// VersionInfo is one version as DescribeClusterVersions shows it.
type VersionInfo struct {
	kube.Version
	IsDefault bool
	Support   kube.Support
}

// VersionFilter narrows DescribeClusterVersions. Zero values are what the client left out.
type VersionFilter struct {
	ClusterType string // "eks"; there are no others here
	DefaultOnly bool
	IncludeAll  bool // the versions without support too
	Versions    []string
	// Statuses are of the two members that mean the same, "STANDARD_SUPPORT" or "standard-support". Empty ones do not count,
	// and all of the others must fit.
	Statuses []string
}

// VersionList is one page of versions, newest first.
type VersionList struct {
	Versions  []VersionInfo
	NextToken string
}

// DescribeClusterVersions lists the versions that are built on this server and supported today, newest first.
func (s *Service) DescribeClusterVersions(ctx context.Context, c Caller, f VersionFilter, page PageRequest) (VersionList, error) {
	if err := s.authorize(ctx, c, "eks:DescribeClusterVersions", accountARN(c.Scope)); err != nil {
		return VersionList{}, err
	}
	limit, err := page.limit()
	if err != nil {
		return VersionList{}, err
	}
	after, err := page.after("versions")
	if err != nil {
		return VersionList{}, err
	}
	wanted, err := f.supports()
	if err != nil {
		return VersionList{}, err
	}
	matches := func(v VersionInfo) bool {
		return (f.ClusterType == "" || f.ClusterType == "eks") &&
			(!f.DefaultOnly || v.IsDefault) &&
			(f.IncludeAll || slices.Contains(wanted, kube.Unsupported) || s.offered(v.Version)) &&
			(len(f.Versions) == 0 || slices.Contains(f.Versions, v.Minor)) &&
			!slices.ContainsFunc(wanted, func(w kube.Support) bool { return w != v.Support })
	}
	def, _ := s.defaultVersion()
	var list VersionList
	for _, v := range s.builtVersions() {
		info := VersionInfo{Version: v, IsDefault: v.Minor == def.Minor, Support: v.SupportAt(s.Now())}
		if !matches(info) || after != "" && info.Number() >= number(after) {
			continue
		}
		if len(list.Versions) == limit {
			list.NextToken = nextToken("versions", list.Versions[limit-1].Minor)
			break
		}
		list.Versions = append(list.Versions, info)
	}
	return list, nil
}

// supports are the support states that a filter asks for.
func (f VersionFilter) supports() ([]kube.Support, error) {
	var wanted []kube.Support
	for _, status := range f.Statuses {
		if status == "" {
			continue
		}
		support := kube.Support(strings.ToUpper(strings.ReplaceAll(status, "-", "_")))
		if support != kube.StandardSupport && support != kube.ExtendedSupport && support != kube.Unsupported {
			return nil, minato.Errorf(minato.Invalid, "the status %q is not one of STANDARD_SUPPORT, EXTENDED_SUPPORT, UNSUPPORTED", shorten(status))
		}
		wanted = append(wanted, support)
	}
	return wanted, nil
}

func number(minor string) int { return kube.Version{Minor: minor}.Number() }
