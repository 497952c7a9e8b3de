package kubehook

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMutate(t *testing.T) {
	t.Parallel()
	s := New(Config{Profiles: func(clusterID, namespace string, labels map[string]string) []string {
		if clusterID == "c1" && namespace == "serverless" && labels["app"] == "web" {
			return []string{"a", "b"}
		}
		return nil
	}})
	for name, c := range map[string]struct {
		namespace, pod string
		patch          []string
	}{
		"matches": {
			"serverless", `{"metadata":{"labels":{"app":"web"}},"spec":{"tolerations":[{"key":"x"}]}}`,
			[]string{`"eks.amazonaws.com/fargate-profile":"a"`, `"app":"web"`, `"value":"fargate-scheduler"`, `{"key":"x"}`, `"key":"eks.amazonaws.com/compute-type"`},
		},
		"chooses": {
			"serverless", `{"metadata":{"labels":{"app":"web","eks.amazonaws.com/fargate-profile":"b"}},"spec":{"schedulerName":"default-scheduler"}}`,
			[]string{`"eks.amazonaws.com/fargate-profile":"b"`},
		},
		"chooses one that is not for it": {
			"serverless", `{"metadata":{"labels":{"app":"web","eks.amazonaws.com/fargate-profile":"c"}},"spec":{}}`, []string{`"eks.amazonaws.com/fargate-profile":"a"`},
		},
		"tolerates all": {
			"default", `{"spec":{"tolerations":[{"operator":"Exists"}]}}`,
			[]string{`"path":"/spec/affinity"`, `"nodeSelectorTerms":[{"matchExpressions":[{"key":"eks.amazonaws.com/compute-type","operator":"NotIn","values":["fargate"]}]}]`},
		},
		"tolerates Fargate, and has chosen nodes": {
			"default", `{"spec":{"tolerations":[{"key":"eks.amazonaws.com/compute-type","value":"fargate","effect":"NoSchedule"}],"affinity":{"podAffinity":{"x":1},"nodeAffinity":{
				"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"a"}]},{"matchExpressions":[{"key":"b"}]},{}]}}}}}`,
			[]string{
				`"podAffinity":{"x":1}`, `"matchFields":[{"key":"a"}]`, `{"matchExpressions":[{"key":"b"},{"key":"eks.amazonaws.com/compute-type"`, `,{}]`,
				`{"matchExpressions":[{"key":"eks.amazonaws.com/compute-type"`,
			},
		},
		"tolerates what is not scheduled": {"default", `{"spec":{"tolerations":[{"operator":"Exists","effect":"NoExecute"},{"key":"x","operator":"Exists"}]}}`, nil},
		"a DaemonSet tolerates all":       {"default", `{"metadata":{"ownerReferences":[{"kind":"DaemonSet","controller":true}]},"spec":{"tolerations":[{"operator":"Exists"}]}}`, nil},
		"has its node":                    {"default", `{"spec":{"nodeName":"n","tolerations":[{"operator":"Exists"}]}}`, nil},
		"another namespace":               {"default", `{"metadata":{"labels":{"app":"web"}},"spec":{}}`, nil},
		"other labels":                    {"serverless", `{"metadata":{},"spec":{}}`, nil},
		"its own scheduler":               {"serverless", `{"metadata":{"labels":{"app":"web"}},"spec":{"schedulerName":"mine"}}`, nil},
		"wants EC2": {
			"serverless", `{"metadata":{"labels":{"app":"web"},"annotations":{"eks.amazonaws.com/compute-type":"ec2"}},"spec":{}}`, nil,
		},
		"of a DaemonSet": {
			"serverless", `{"metadata":{"labels":{"app":"web"},"ownerReferences":[{"kind":"DaemonSet","controller":true}]},"spec":{}}`, nil,
		},
	} {
		body := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","namespace":"` + c.namespace + `","operation":"CREATE","object":` + c.pod + `}}`
		answer, err := s.mutate(t.Context(), "c1", []byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		response := answer.(admissionReview).Response
		if response.UID != "u1" || !response.Allowed || (len(response.Patch) > 0) != (len(c.patch) > 0) {
			t.Errorf("%s: %+v, patch %s", name, response, response.Patch)
		}
		for _, part := range c.patch {
			if !strings.Contains(string(response.Patch), part) || !json.Valid(response.Patch) {
				t.Errorf("%s: no %s in %s", name, part, response.Patch)
			}
		}
	}
	for _, bad := range []string{"", "{}", `{"request":{"object":"x"}}`} {
		if _, err := s.mutate(t.Context(), "c1", []byte(bad)); err == nil {
			t.Errorf("%q was answered", bad)
		}
	}
}
