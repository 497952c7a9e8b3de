package kubehook

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
)

const authorizePath = "/clusters/" + cluster + "/authorize"

// accessReviewOf is a review as kube-apiserver writes it.
func accessReviewOf(t testing.TB, spec authorizationv1.SubjectAccessReviewSpec) string {
	t.Helper()
	b, err := json.Marshal(authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"}, Spec: spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	alice = access.User{
		Username: "alice", UID: "1", Groups: []string{"team", "system:authenticated"},
		Extra: map[string][]string{"arn": {"a"}, "sessionName": {""}},
	}
	aliceSpec = authorizationv1.SubjectAccessReviewSpec{
		User: "alice", UID: "1", Groups: []string{"team", "system:authenticated"},
		Extra: map[string]authorizationv1.ExtraValue{"arn": {"a"}, "sessionName": {""}},
	}
)

func TestQuestionsAndVerdicts(t *testing.T) {
	t.Parallel()
	resource, url, selector := aliceSpec, aliceSpec, aliceSpec
	resource.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace: "dev", Verb: "get", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Name: "web",
	}
	url.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"}
	selector.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: "list", Version: "v1", Resource: "pods", LabelSelector: &authorizationv1.LabelSelectorAttributes{
			Requirements: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "In", Values: []string{strings.Repeat("x", 1<<20)}}},
		},
	}
	for _, tt := range []struct {
		name    string
		spec    authorizationv1.SubjectAccessReviewSpec
		verdict access.Verdict
		ask     access.Question
		want    authorizationv1.SubjectAccessReviewStatus
	}{
		{"resource allowed", resource, access.Verdict{Decision: access.Allow, Reason: "because"}, access.Question{
			User: alice, Namespace: "dev", Request: policies.Request{Verb: "get", Group: "apps", Resource: "deployments", Subresource: "scale"},
		}, authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "because"}},
		{"URL denied", url, access.Verdict{Decision: access.Deny, Reason: "gone"}, access.Question{
			User: alice, Request: policies.Request{Verb: "get", NonResource: true, Path: "/metrics"},
		}, authorizationv1.SubjectAccessReviewStatus{Denied: true, Reason: "gone"}},
		{"long selector, no opinion", selector, access.Verdict{}, access.Question{
			User: alice, Request: policies.Request{Verb: "list", Resource: "pods"},
		}, authorizationv1.SubjectAccessReviewStatus{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := startBoth(t, letIn, func(id string, q access.Question) access.Verdict {
				if diff := cmp.Diff(tt.ask, q); id != cluster || diff != "" {
					t.Errorf("asked about cluster %s (-want +got):\n%s", id, diff)
				}
				return tt.verdict
			})
			resp, body := w.do(w.apiserver(), "POST", authorizePath, accessReviewOf(t, tt.spec))
			var got authorizationv1.SubjectAccessReview
			if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s %s: %v", resp.Status, body, err)
			}
			if got.APIVersion != "authorization.k8s.io/v1" || got.Kind != "SubjectAccessReview" {
				t.Errorf("answered a %s of %s", got.Kind, got.APIVersion)
			}
			if diff := cmp.Diff(tt.want, got.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if said := strings.Contains(w.log.String(), "request denied"); said != (tt.verdict.Decision == access.Deny) {
				t.Errorf("log:\n%s", w.log)
			}
			_, metrics := w.do(w.client(w.ca, ""), "GET", "/metrics", "")
			if want := `minato_hook_authorizations_total{decision="` + tt.verdict.Decision.String() + `"} 1`; !strings.Contains(metrics, want) {
				t.Errorf("metrics lack %q:\n%s", want, metrics)
			}
		})
	}
}

// TestDenialsAreShortInTheLog is that one cluster cannot flood the log of all.
func TestDenialsAreShortInTheLog(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	w := startBoth(t, letIn, func(_ string, q access.Question) access.Verdict {
		return access.Verdict{Decision: access.Deny, Reason: "because " + q.User.Username}
	})
	resp, body := w.do(w.apiserver(), "POST", authorizePath, accessReviewOf(t, authorizationv1.SubjectAccessReviewSpec{
		User: long, NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/", Verb: "get"},
	}))
	if resp.StatusCode != 200 || !strings.Contains(body, `"denied":true`) {
		t.Fatalf("%d %.200s", resp.StatusCode, body)
	}
	if log := w.log.String(); !strings.Contains(log, "because xxx") || len(log) > 4096 {
		t.Errorf("the log has %d bytes: %.300s", len(log), log)
	}
}

func TestBadAccessReviews(t *testing.T) {
	t.Parallel()
	w := startBoth(t, letIn, func(string, access.Question) access.Verdict {
		t.Error("asked after all")
		return access.Verdict{Decision: access.Allow}
	})
	c := w.apiserver()
	both := aliceSpec
	both.ResourceAttributes, both.NonResourceAttributes = &authorizationv1.ResourceAttributes{}, &authorizationv1.NonResourceAttributes{}
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"no body":         {"", 400},
		"another kind":    {review("t"), 400},
		"another version": {strings.Replace(accessReviewOf(t, both), "/v1", "/v1beta1", 1), 400},
		"neither":         {accessReviewOf(t, aliceSpec), 400},
		"both":            {accessReviewOf(t, both), 400},
		"extra no list":   {`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"extra":{"a":"b"},"nonResourceAttributes":{}}}`, 400},
		"too large":       {strings.Repeat(" ", maxAccessReview+1), 413},
	} {
		if resp, body := w.do(c, "POST", authorizePath, tt.body); resp.StatusCode != tt.want {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, body, tt.want)
		}
	}
	if resp, _ := w.do(w.client(w.ca, "k8s-ffff"), "POST", authorizePath, "{}"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another cluster's certificate: %d", resp.StatusCode)
	}
}

// FuzzAccessReview looks for bytes that panic the decoder, and for questions that are neither of the two kinds.
func FuzzAccessReview(f *testing.F) {
	spec := aliceSpec
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{Namespace: "dev", Verb: "get", Resource: "pods", Subresource: "log"}
	f.Add([]byte(accessReviewOf(f, spec)))
	spec.ResourceAttributes, spec.NonResourceAttributes = nil, &authorizationv1.NonResourceAttributes{Path: "/", Verb: "get"}
	f.Add([]byte(accessReviewOf(f, spec)))
	f.Add([]byte(`{"kind":"SubjectAccessReview","KIND":"x","spec":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := readAccessReview(body)
		if err != nil {
			if _, ok := errors.AsType[*badReview](err); !ok {
				t.Errorf("%v is not said to be the caller's fault", err)
			}
			return
		}
		if r := q.Request; r.NonResource && (r.Resource != "" || r.Group != "" || q.Namespace != "") || !r.NonResource && r.Path != "" {
			t.Errorf("%+v is both for a resource and not", q)
		}
	})
}
