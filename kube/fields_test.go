package kube_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/kube"
)

// Spot checks of which minor takes a field first, against Kubernetes' changelogs.
func TestNewFields(t *testing.T) {
	for field, want := range map[string]string{
		"/api/v1/pods spec.hostnameOverride":                                               "1.35",
		"/apis/apps/v1/deployments spec.template.spec.containers[].restartPolicyRules[]":   "1.35",
		"/apis/batch/v1/cronjobs spec.jobTemplate.spec.template.spec.resources":            "1.34",
		"/apis/resource.k8s.io/v1/deviceclasses spec.extendedResourceName":                 "1.36",
		"/api/v1/pods spec.containers[].resizePolicy[]":                                    "", // kube-apiserver fills it in
		"/apis/apps/v1/statefulsets spec.updateStrategy.rollingUpdate.maxUnavailable":      "",
		"/apis/apps/v1/statefulsets spec.volumeClaimTemplates[].status.allocatedResources": "",
		"/api/v1/persistentvolumeclaims spec.dataSourceRef.namespace":                      "", // is not open in any minor
		"/api/v1/pods spec.volumes[].projected.sources[].clusterTrustBundle":               "1.37",
		"/apis/apps/v1/deployments spec.replicas":                                          "",
	} {
		got := ""
		for _, f := range kube.NewFields() {
			if f.ListPath()+" "+f.Path == field {
				got = f.Introduced
			}
		}
		if got != want {
			t.Errorf("%s came with %q, want %q", field, got, want)
		}
	}
}

// The table is made anew (go run ./kube/kubegen fields) when there is a new patch of a minor.
func TestFieldsAreOfEveryMinor(t *testing.T) {
	from := sources(t, "fields.json")
	for _, v := range kube.Versions()[1:] {
		if want := "k8s.io/kubernetes " + v.Patch; !slices.Contains(from, want) {
			t.Errorf("fields.json has no source %s: go run ./kube/kubegen fields", want)
		}
	}
}

func TestFieldIn(t *testing.T) {
	for _, test := range []struct {
		path, object string
		want         bool
	}{
		{"spec.a", `{"spec":{"a":false}}`, true},
		{"spec.a", `{"spec":{"a":null}}`, false},
		{"spec.a", `{"spec":{}}`, false},
		{"spec.a", `{"spec":[]}`, false},
		{"spec.a", `{}`, false},
		{"spec.a", `3`, false},
		{"spec.l[].a", `{"spec":{"l":[{},{"a":{}}]}}`, true},
		{"spec.l[].a", `{"spec":{"l":{"x":{"a":1}}}}`, true},
		{"spec.l[].a", `{"spec":{"l":[1,null]}}`, false},
		{"spec.l[]", `{"spec":{"l":["x"]}}`, true},
		{"spec.l[]", `{"spec":{"l":[]}}`, false},
	} {
		var object any
		if err := json.NewDecoder(strings.NewReader(test.object)).Decode(&object); err != nil {
			t.Fatal(err)
		}
		if got := (&kube.NewField{Path: test.path}).In(object); got != test.want {
			t.Errorf("%s in %s: %v", test.path, test.object, got)
		}
	}
}
