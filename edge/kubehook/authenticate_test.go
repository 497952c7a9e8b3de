package kubehook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	authv1 "k8s.io/api/authentication/v1"
	authv1beta1 "k8s.io/api/authentication/v1beta1"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
)

func TestAcceptedTokenInBothVersions(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ context.Context, id, token string) (access.User, error) {
		if id != cluster || token != "k8s-aws-v1.x" {
			t.Errorf("asked about cluster %q, token %q", id, token)
		}
		return letIn(t.Context(), "", "")
	})
	want := authv1.TokenReviewStatus{Authenticated: true, User: authv1.UserInfo{
		Username: "alice", UID: "1", Groups: []string{"team"}, Extra: map[string]authv1.ExtraValue{"arn": {"a"}},
	}}

	var v1 authv1.TokenReview
	v1.APIVersion, v1.Kind, v1.Spec.Token = "authentication.k8s.io/v1", "TokenReview", "k8s-aws-v1.x"
	v1.Spec.Audiences = []string{"https://kubernetes.default.svc"}
	w.ask(&v1)
	if diff := cmp.Diff(want, v1.Status); diff != "" || v1.APIVersion != "authentication.k8s.io/v1" || v1.Kind != "TokenReview" {
		t.Errorf("%s %s (-want +got):\n%s", v1.APIVersion, v1.Kind, diff)
	}

	log := w.log.String()
	for _, part := range []string{"access granted", "cluster=" + cluster, "arn=[a]", "username=alice", "uid=1", "groups=[team]"} {
		if !strings.Contains(log, part) {
			t.Errorf("log lacks %s: %s", part, log)
		}
	}
	if strings.Contains(log, "k8s-aws-v1.x") {
		t.Errorf("the token is in the log: %s", log)
	}

	var beta authv1beta1.TokenReview
	beta.APIVersion, beta.Kind, beta.Spec.Token = "authentication.k8s.io/v1beta1", "TokenReview", "k8s-aws-v1.x"
	w.ask(&beta)
	if !beta.Status.Authenticated || beta.Status.User.Username != "alice" || beta.APIVersion != "authentication.k8s.io/v1beta1" {
		t.Errorf("v1beta1 = %+v", beta)
	}
}

// ask posts a review and reads the answer into it, unknown members refused.
func (w *world) ask(review any) {
	w.t.Helper()
	b, err := json.Marshal(review)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, body := w.do(w.apiserver(), "POST", path, string(b))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		w.t.Fatalf("answer = %d %v %s", resp.StatusCode, resp.Header, body)
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(review); err != nil {
		w.t.Fatalf("%v in %s", err, body)
	}
}

func TestRejectedTokenIsAnAnswerAndALogLine(t *testing.T) {
	t.Parallel()
	const secret = "k8s-aws-v1.secret-part"
	w := start(t, func(context.Context, string, string) (access.User, error) {
		return access.User{}, minato.Errorf(minato.Unauthenticated, "the key is unknown").
			Because("InvalidClientTokenId").With("accessKeyId", "AKIAEXAMPLE")
	})
	var answer authv1.TokenReview
	answer.APIVersion, answer.Kind, answer.Spec.Token = "authentication.k8s.io/v1", "TokenReview", secret
	w.ask(&answer)
	want := authv1.TokenReviewStatus{Error: "the key is unknown"}
	if diff := cmp.Diff(want, answer.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	log := w.log.String()
	for _, part := range []string{"cluster=" + cluster, "reason=InvalidClientTokenId", "accessKeyId=AKIAEXAMPLE"} {
		if !strings.Contains(log, part) {
			t.Errorf("log lacks %s: %s", part, log)
		}
	}
	if strings.Contains(log, "secret-part") {
		t.Errorf("the token is in the log: %s", log)
	}
}

func TestTroubleOfOursIsNotANo(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"unavailable": minato.Errorf(minato.Unavailable, "the key file is gone: %w", errors.New("secret detail")),
		"unknown":     errors.New("secret detail"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(context.Context, string, string) (access.User, error) { return access.User{}, err })
			resp, body := w.do(w.apiserver(), "POST", path, review("t"))
			if resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "secret detail") {
				t.Errorf("answer = %d %s, want a bare 500", resp.StatusCode, body)
			}
			if !strings.Contains(w.log.String(), "secret detail") {
				t.Errorf("the cause is not in the log: %s", w.log)
			}
		})
	}
}

// TestDecisionIsBounded lets a decision hang until its context ends.
func TestDecisionIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{
			Authenticate: func(ctx context.Context, _, _ string) (access.User, error) {
				<-ctx.Done()
				return access.User{}, ctx.Err()
			},
			Ready: func() error { return nil },
			Log:   slog.New(slog.DiscardHandler),
		})
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(review("t")))
		shown := &x509.Certificate{Subject: pkix.Name{CommonName: "k8s-" + cluster}}
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{shown}}}
		answer, begin := httptest.NewRecorder(), time.Now()
		s.handler.ServeHTTP(answer, r)
		if took := time.Since(begin); took != reviewTimeout || answer.Code != http.StatusInternalServerError {
			t.Errorf("answer %d after %s, want 500 after %s", answer.Code, took, reviewTimeout)
		}
	})
}

// FuzzAuthenticate looks for a body that panics, or that is answered without a decision.
func FuzzAuthenticate(f *testing.F) {
	asked := 0
	s := New(Config{Log: slog.New(slog.DiscardHandler), Authenticate: func(ctx context.Context, _, _ string) (access.User, error) {
		asked++
		return letIn(ctx, "", "")
	}})
	f.Add([]byte(review("t")))
	f.Add([]byte(`{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","spec":{"token":"\ud800"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := asked
		answer, err := s.authenticate(t.Context(), cluster, body)
		if _, bad := errors.AsType[*badReview](err); bad {
			return
		}
		if r, ok := answer.(tokenReview); err != nil || !ok || !r.Status.Authenticated || asked != before+1 {
			t.Errorf("%q: answer %+v, %v after %d questions", body, answer, err, asked-before)
		}
	})
}
