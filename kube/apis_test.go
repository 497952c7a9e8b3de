package kube_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/kube"
)

// Spot checks of what the lifecycle methods say, against Kubernetes' "Deprecated API Migration Guide".
func TestAPIs(t *testing.T) {
	for _, want := range []struct{ group, version, kind, path, removed, instead string }{
		{"flowcontrol.apiserver.k8s.io", "v1beta3", "FlowSchema", "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas", "1.32", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"},
		// It names v1beta3, which is removed itself.
		{"flowcontrol.apiserver.k8s.io", "v1beta2", "FlowSchema", "/apis/flowcontrol.apiserver.k8s.io/v1beta2/flowschemas", "1.29", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"},
		// Gone from newer k8s.io/api.
		{"policy", "v1beta1", "PodSecurityPolicy", "/apis/policy/v1beta1/podsecuritypolicies", "1.25", ""},
		{"autoscaling", "v2beta2", "HorizontalPodAutoscaler", "/apis/autoscaling/v2beta2/horizontalpodautoscalers", "1.26", "/apis/autoscaling/v2/horizontalpodautoscalers"},
		// Its method names the kind IngressClassList.
		{"networking.k8s.io", "v1beta1", "IngressClass", "/apis/networking.k8s.io/v1beta1/ingressclasses", "1.22", "/apis/networking.k8s.io/v1/ingressclasses"},
		{"extensions", "v1beta1", "Ingress", "/apis/extensions/v1beta1/ingresses", "1.22", "/apis/networking.k8s.io/v1/ingresses"},
		// Another module's.
		{"apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition", "/apis/apiextensions.k8s.io/v1beta1/customresourcedefinitions", "1.22", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"},
		// Its types went three minors before its tags said.
		{"resource.k8s.io", "v1alpha3", "ResourceClaim", "/apis/resource.k8s.io/v1alpha3/resourceclaims", "1.34", "/apis/resource.k8s.io/v1/resourceclaims"},
	} {
		a := kube.FindKind(want.group, want.version, want.kind)
		if a == nil {
			t.Errorf("%s/%s %s is not in the table", want.group, want.version, want.kind)
			continue
		}
		instead := ""
		if a.Replacement != nil {
			instead = a.Replacement.Path()
		}
		if a.Path() != want.path || a.Removed != want.removed || instead != want.instead {
			t.Errorf("%s: removed in %s, replaced with %q; want %s, %s, %q", a.Path(), a.Removed, instead, want.path, want.removed, want.instead)
		}
		if kube.FindAPI(a.Group, a.Version, a.Resource) != a || !kube.APIVersionEnds([]byte(a.Group+"/"+a.Version)) {
			t.Errorf("%s is not found by its resource", a.Path())
		}
	}
	for _, stays := range []string{"v1/Endpoints", "apps/v1/Deployment"} {
		if parts := strings.Split(stays, "/"); kube.FindKind(strings.Join(parts[:len(parts)-2], "/"), parts[len(parts)-2], parts[len(parts)-1]) != nil {
			t.Errorf("%s is in the table, and stays", stays)
		}
	}
}

// The table is made anew (go run ./kube/kubegen apis) when there is a new minor.
func TestAPIsAreOfEveryMinor(t *testing.T) {
	sources := strings.Join(sources(t, "apis.json"), "\n")
	for _, v := range kube.Versions() {
		if want := "k8s.io/api v0." + strings.TrimPrefix(v.Minor, "1.") + "."; !strings.Contains(sources, want) {
			t.Errorf("apis.json has no source %s…: go run ./kube/kubegen apis", want)
		}
	}
}

// sources are the modules that a table was made from.
func sources(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Sources []string }
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	return table.Sources
}

// Spot checks of what came when, against Kubernetes' changelogs.
func TestNewAPIs(t *testing.T) {
	for resource, want := range map[[3]string]int{
		{"storage.k8s.io", "v1", "volumeattributesclasses"}:                   34,
		{"resource.k8s.io", "v1", "resourceclaims"}:                           34,
		{"networking.k8s.io", "v1", "servicecidrs"}:                           33,
		{"admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies"}:   36,
		{"admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"}: 0, // is older than all that run here
		{"flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations"}: 0,
		{"apps", "v1", "deployments"}:                                         0,
	} {
		a, got := kube.FindNewAPI(resource[0], resource[1], resource[2]), 0
		if a != nil {
			got = a.IntroducedIn()
		}
		if got != want {
			t.Errorf("%v is new in 1.%d, want 1.%d", resource, got, want)
		}
		if listed := slices.Contains(kube.NewResources([]byte(resource[0]+"/"+resource[1])), resource[2]); listed != (want != 0) {
			t.Errorf("%v is listed as new: %v", resource, listed)
		}
	}
}
