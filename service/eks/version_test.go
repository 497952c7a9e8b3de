package eks

import (
	"slices"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/kube"
)

func TestDefaultVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		built       []string
		today       string
		unsupported bool
		want        string
	}{
		{"the table's", []string{"1.34", "1.35", "1.36"}, "2026-11-23", false, "1.35"},
		{"the newest in standard support", []string{"1.31", "1.34", "1.36"}, "2026-11-23", false, "1.36"},
		{"one in extended support, where there is no other", []string{"1.31", "1.33"}, "2026-11-23", false, "1.33"},
		{"the table's is out of standard support", []string{"1.35", "1.36"}, "2027-04-01", false, "1.36"},
		{"never one that EKS has not released", []string{"1.37"}, "2026-11-23", true, ""},
		{"never one past its support", []string{"1.31"}, "2026-11-26", true, ""},
		{"the day before that", []string{"1.31"}, "2026-11-25", false, "1.31"},
		{"nothing is built", nil, "2026-11-23", false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.built, w.AllowUnsupported = test.built, test.unsupported
			w.Now = func() time.Time { return day(t, test.today) }
			c, err := w.CreateCluster(t.Context(), alice, request("prod"))
			if c.Spec.Version != test.want {
				t.Errorf("got %q, %v", c.Spec.Version, err)
			}
			if test.want == "" {
				wantError(t, err, minato.Invalid, "No Kubernetes version was given")
			}
		})
	}
}

func TestVersionsPastTheirSupport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.built = []string{"1.31", "1.35", "1.37"}
	w.Now = func() time.Time { return day(t, "2026-11-26") }
	for version, want := range map[string]string{
		"1.31": "unsupported Kubernetes version 1.31: it left extended support on 2026-11-26. Start the server with --allow-unsupported",
		"1.37": "unsupported Kubernetes version 1.37: EKS has not released it. Start the server with --allow-unsupported",
	} {
		r := request("prod")
		r.Version = version
		_, err := w.CreateCluster(t.Context(), alice, r)
		wantError(t, err, minato.Invalid, want)
	}
	w.AllowUnsupported = true
	for _, version := range []string{"1.31", "1.37"} {
		r := request("prod-" + version[2:])
		r.Version = version
		if c, err := w.CreateCluster(t.Context(), alice, r); err != nil || c.Spec.Version != version {
			t.Errorf("%s with --allow-unsupported: %v", version, err)
		}
	}
}

func TestDescribeClusterVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.built = []string{"1.31", "1.33", "1.34", "1.35", "1.36", "1.37"}
	tests := []struct {
		name   string
		filter VersionFilter
		want   []string
	}{
		{"all that are supported", VersionFilter{}, []string{"1.36", "1.35", "1.34", "1.33", "1.31"}},
		{"all", VersionFilter{IncludeAll: true}, []string{"1.37", "1.36", "1.35", "1.34", "1.33", "1.31"}},
		{"the default", VersionFilter{DefaultOnly: true}, []string{"1.35"}},
		{"by number", VersionFilter{Versions: []string{"1.31", "1.36", "1.32", "x"}}, []string{"1.36", "1.31"}},
		{"in standard support", VersionFilter{Statuses: []string{"", "STANDARD_SUPPORT"}}, []string{"1.36", "1.35", "1.34"}},
		{"in extended support, the old word", VersionFilter{Statuses: []string{"extended-support", ""}}, []string{"1.33", "1.31"}},
		{"unsupported", VersionFilter{Statuses: []string{"UNSUPPORTED"}}, []string{"1.37"}},
		{"two words that differ", VersionFilter{Statuses: []string{"standard-support", "EXTENDED_SUPPORT"}}, nil},
		{"of the one cluster type", VersionFilter{ClusterType: "eks", DefaultOnly: true}, []string{"1.35"}},
		{"of another cluster type", VersionFilter{ClusterType: "eks-local-outposts"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int32{1, 2, 100} {
				var got []string
				defaults := 0
				page := PageRequest{MaxResults: &size}
				for {
					l, err := w.DescribeClusterVersions(t.Context(), alice, test.filter, page)
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range l.Versions {
						got = append(got, v.Minor)
						if v.IsDefault {
							defaults++
						}
						if v.Minor == "1.31" && v.Support != kube.ExtendedSupport {
							t.Errorf("1.31 is in %s", v.Support)
						}
					}
					if page.NextToken = l.NextToken; page.NextToken == "" {
						break
					}
				}
				if !slices.Equal(got, test.want) || slices.Contains(got, "1.35") != (defaults == 1) || defaults > 1 {
					t.Errorf("pages of %d: %v with %d defaults, want %v", size, got, defaults, test.want)
				}
			}
		})
	}
	_, err := w.DescribeClusterVersions(t.Context(), alice, VersionFilter{Statuses: []string{"good"}}, PageRequest{})
	wantError(t, err, minato.Invalid, `the status "good" is not one of`)
	_, err = w.DescribeClusterVersions(t.Context(), alice, VersionFilter{}, PageRequest{MaxResults: new(int32(0))})
	wantError(t, err, minato.Invalid, "maxResults")
}

func day(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.Parse("2006-01-02", s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
