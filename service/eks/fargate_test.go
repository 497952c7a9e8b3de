package eks

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

func profileRequest(name string) CreateFargateProfileRequest {
	return CreateFargateProfileRequest{
		ClusterName: "prod", Name: name, Role: "arn:aws:iam::111122223333:role/fargate", SubnetIDs: []string{"subnet-c"},
		Selectors: []FargateSelector{{Namespace: "serverless"}},
	}
}

func (w *world) settleProfile(t *testing.T, name string) {
	t.Helper()
	_, item, err := w.readProfile(t.Context(), alice, "eks:DescribeFargateProfile", "prod", name)
	if err == nil {
		item.Value.Status = FargateActive
		_, err = FargateProfiles(w.Store).Put(t.Context(), item)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFargateProfile(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := profileRequest("fp")
	r.Tags, r.ClientRequestToken = minato.Tags{"team": "a"}, "once"
	got, err := w.CreateFargateProfile(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	want := FargateProfile{
		Scope: testScope, ClusterName: "prod", Name: "fp", CreatedAt: today, Role: minato.NewARN("iam", "", "111122223333", "role/fargate"),
		SubnetIDs: []string{"subnet-c"}, Selectors: r.Selectors, Tags: r.Tags, Status: FargateCreating, ClientRequestToken: "once",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(FargateProfile{}, "ClusterID", "UUID", "RequestHash")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if again, err := w.CreateFargateProfile(t.Context(), alice, r); err != nil || again.UUID != got.UUID {
		t.Errorf("the same request: %v, %v", again.UUID, err)
	}
	_, err = w.CreateFargateProfile(t.Context(), alice, profileRequest("fp"))
	wantError(t, err, minato.AlreadyExists, "A Fargate Profile already exists with this name in this cluster.")
	_, err = w.CreateFargateProfile(t.Context(), alice, profileRequest("two"))
	wantError(t, err, minato.InUse, "currently has Fargate profile fp in status CREATING")
	w.settleProfile(t, "fp")
	if _, err := w.CreateFargateProfile(t.Context(), alice, profileRequest("two")); err != nil {
		t.Fatal(err)
	}
	w.settleProfile(t, "two")
	if names, _, err := w.ListFargateProfiles(t.Context(), alice, "prod", PageRequest{}); err != nil || !slices.Equal(names, []string{"fp", "two"}) {
		t.Errorf("%v, %v", names, err)
	}
	if err := w.TagResource(t.Context(), alice, got.ARN().String(), minato.Tags{"b": "c"}); err != nil {
		t.Error(err)
	}
	_, err = w.DeleteCluster(t.Context(), alice, "prod")
	wantError(t, err, minato.InUse, "Cluster has Fargate profiles attached")
	p, err := w.DeleteFargateProfile(t.Context(), alice, "prod", "fp")
	if err != nil || p.Status != FargateDeleting || p.Tags["b"] != "c" {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = w.DeleteFargateProfile(t.Context(), alice, "prod", "two")
	wantError(t, err, minato.InUse, "currently has Fargate profile fp in status DELETING")
	if err := FargateProfiles(w.Store).Delete(t.Context(), FargateProfileKey(p.ClusterID, "fp"), store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	_, err = w.DescribeFargateProfile(t.Context(), alice, "prod", "fp")
	wantError(t, err, minato.NotFound, "No Fargate Profile found with name: fp.")
}

func TestCreateFargateProfileRefuses(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	labels := map[string]string{"a": "", "b": "", "c": "", "d": "", "e": "", "f": ""}
	for want, change := range map[string]func(*CreateFargateProfileRequest){
		"requires at least one selector":                        func(r *CreateFargateProfileRequest) { r.Selectors = nil },
		"at least one namespace value":                          func(r *CreateFargateProfileRequest) { r.Selectors = []FargateSelector{{}} },
		"contains Selector with more than 5 Label pairs":        func(r *CreateFargateProfileRequest) { r.Selectors[0].Labels = labels },
		"contains 6 selectors":                                  func(r *CreateFargateProfileRequest) { r.Selectors = slices.Repeat(r.Selectors, 6) },
		`namespace "A" of a selector is not valid`:              func(r *CreateFargateProfileRequest) { r.Selectors[0].Namespace = "A" },
		"subnet-a provided in Fargate Profile is not a private": func(r *CreateFargateProfileRequest) { r.SubnetIDs = []string{"subnet-a"} },
		"None of the cluster's subnets is a private one":        func(r *CreateFargateProfileRequest) { r.SubnetIDs = nil },
		"Misconfigured PodExecutionRole Trust Policy":           func(r *CreateFargateProfileRequest) { r.Role = "arn:aws:iam::111122223333:role/lambda" },
		"cannot be found":                                       func(r *CreateFargateProfileRequest) { r.Role = "arn:aws:iam::111122223333:role/none" },
		"names that begin with eks-":                            func(r *CreateFargateProfileRequest) { r.Name = "eks-fp" },
		"Fargate profile name":                                  func(r *CreateFargateProfileRequest) { r.Name = "a b" },
	} {
		r := profileRequest("fp")
		change(&r)
		_, err := w.CreateFargateProfile(t.Context(), alice, r)
		if !minato.Is(err, minato.Invalid) || !strings.Contains(errString(err), want) {
			t.Errorf("got %v (%s), want %q", err, minato.KindOf(err), want)
		}
	}
}

func TestFargateSelectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		selector  FargateSelector
		namespace string
		labels    map[string]string
		want      bool
	}{
		{FargateSelector{Namespace: "a"}, "a", nil, true},
		{FargateSelector{Namespace: "a"}, "ab", nil, false},
		{FargateSelector{Namespace: "a*"}, "ab", nil, true},
		{FargateSelector{Namespace: "*"}, "anything", nil, true},
		{FargateSelector{Namespace: "a?c"}, "abc", nil, true},
		{FargateSelector{Namespace: "a?c"}, "ac", nil, false},
		{FargateSelector{Namespace: "*-prod-*"}, "eu-prod-web-prod-1", nil, true},
		{FargateSelector{Namespace: "*-prod"}, "eu-prod-web", nil, false},
		{FargateSelector{Namespace: "a", Labels: map[string]string{"x": "y"}}, "a", map[string]string{"x": "y", "z": ""}, true},
		{FargateSelector{Namespace: "a", Labels: map[string]string{"x": "y"}}, "a", map[string]string{"x": "z"}, false},
		{FargateSelector{Namespace: "a", Labels: map[string]string{"x*": "y?"}}, "a", map[string]string{"xx": "yy"}, true},
		{FargateSelector{Namespace: "a", Labels: map[string]string{"x": "y", "q": "r"}}, "a", map[string]string{"x": "y"}, false},
	} {
		p := FargateProfile{Selectors: []FargateSelector{c.selector}}
		if got := p.Matches(c.namespace, c.labels); got != c.want {
			t.Errorf("%+v matches %s %v: %t", c.selector, c.namespace, c.labels, got)
		}
	}
}
