package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/internal/testenv"
)

// What the agent counts.
const (
	agentFetched = `pod_identity_fetches_total{outcome="ok",reason="request"}`
	agentRenewed = `pod_identity_fetches_total{outcome="ok",reason="renewal"}`
	agentTokens  = "pod_identity_cache_tokens"
)

// serverAssumed is what the server counts of that.
const serverAssumed = `minato_api_requests_total{action="eks-auth:AssumeRoleForPodIdentity",code="",service="eks-auth",status="200"}`

// counters are what an answer in Prometheus' text format counts, by series.
func counters(text string) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		if series, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && series != "#" {
			all[series], _ = strconv.ParseFloat(value, 64)
		}
	}
	return all
}

// agentCounts are what the agent of the node counts, which a pod of the node's network reads.
func (p sdkPods) agentCounts(t *testing.T) map[string]float64 {
	t.Helper()
	return counters(strings.TrimPrefix(p.answers(t, "host", "ask?url=http://127.0.0.1:2705/metrics", "200 "), "200 "))
}

func (p sdkPods) serverCounts(t *testing.T) map[string]float64 {
	t.Helper()
	_, body := answerTo(t, request(t, p.cluster.client, http.MethodGet, "/metrics", ""))
	return counters(string(body))
}

// newTokens are tokens of the pod app that nobody has shown to the agent.
func (p sdkPods) newTokens(t *testing.T, kube *kubeAPI, n int) []string {
	t.Helper()
	ofPod := map[string]string{"apiVersion": "v1", "kind": "Pod", "name": "app", "uid": p.cluster.kubectl(t, "get", "pod", "app", "-o", "jsonpath={.metadata.uid}")}
	tokens := make([]string, n)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range tokens {
		group.Go(func() error {
			status, body, err := kube.do(t.Context(), http.MethodPost, "/api/v1/namespaces/default/serviceaccounts/app/token", map[string]any{
				"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
				"spec": map[string]any{"audiences": []string{"pods.eks.amazonaws.com"}, "expirationSeconds": 3600, "boundObjectRef": ofPod},
			})
			var made struct{ Status struct{ Token string } }
			if err == nil {
				err = json.Unmarshal(body, &made)
			}
			if tokens[i] = made.Status.Token; err == nil && tokens[i] == "" {
				err = fmt.Errorf("%d %s", status, body)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// burst has the pod app show tokens to its agent all at once, each so often, and answers how often which status came.
func (p sdkPods) burst(t *testing.T, n, each int) string {
	t.Helper()
	kube := newKubeAPI(t, p.cluster, getToken(t, p.cluster.client, p.cluster.name))
	kube.client.Timeout = 0 // a burst takes its time
	tokens := p.newTokens(t, kube, n)
	status, body, err := kube.do(t.Context(), http.MethodPost, fmt.Sprint("/api/v1/namespaces/default/pods/app:8080/proxy/burst?each=", each), tokens)
	if err != nil || status != http.StatusOK {
		t.Fatalf("a burst: %d %s %v", status, body, err)
	}
	return strings.TrimSpace(string(body))
}

// testTogether is that a pod which asks many times before it has its first answer is one question to EKS Auth.
func (p sdkPods) testTogether(t *testing.T) {
	t.Helper()
	agent, server := p.agentCounts(t), p.serverCounts(t)
	if got := p.burst(t, 1, 50); got != "200: 50" {
		t.Errorf("50 questions with one token are answered, by status, %s", got)
	}
	if n := p.agentCounts(t)[agentFetched] - agent[agentFetched]; n != 1 {
		t.Errorf("the agent has fetched credentials for one token %g times", n)
	}
	const attempts = 4 // that the agent makes where an answer does not come in time
	if n := p.serverCounts(t)[serverAssumed] - server[serverAssumed]; n < 1 || n > attempts {
		t.Errorf("EKS Auth has answered %g times for one token", n)
	}
}

// testThousand is that a thousand pods may start at once: none is refused its credentials.
func (p sdkPods) testThousand(t *testing.T) {
	t.Helper()
	const n = 1000
	before := p.agentCounts(t)
	if got := p.burst(t, n, 1); got != fmt.Sprintf("200: %d", n) {
		t.Errorf("%d new tokens at once are answered, by status, %s", n, got)
	}
	if fetched := p.agentCounts(t)[agentFetched] - before[agentFetched]; fetched != n {
		t.Errorf("the agent has fetched credentials for %d tokens %g times", n, fetched)
	}
}

// testRenewal is that the agent renews credentials before they end, as the clock goes: pods have others in time, and none has waited for them.
func (p sdkPods) testRenewal(t *testing.T, e *testenv.Env) {
	t.Helper()
	var first struct{ AccessKeyID, SecretAccessKey, Token string }
	own := func() string { return strings.TrimPrefix(p.answers(t, "app", "ask?token=own", "200 "), "200 ") }
	if err := json.Unmarshal([]byte(own()), &first); err != nil {
		t.Fatal(err)
	}
	early := p.cluster.client.With("AWS_ACCESS_KEY_ID="+first.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+first.SecretAccessKey, "AWS_SESSION_TOKEN="+first.Token)
	before := p.agentCounts(t)
	e.Minato(t, "clock", "advance", "4h", "--home", string(e.Home)) // of the six hours that they last
	testenv.Eventually(t, func() error {
		now := p.agentCounts(t)
		if renewed := now[agentRenewed] - before[agentRenewed]; renewed == 0 || renewed < now[agentTokens] {
			return fmt.Errorf("the agent has renewed the credentials of %g tokens of %g", renewed, now[agentTokens])
		}
		return nil
	})
	if now := p.answers(t, "app", "credentials", "CredentialsEndpointProvider"); strings.Contains(now, first.AccessKeyID) {
		t.Errorf("an SDK still gets the first key after its renewal: %s", now)
	}
	early.AWS(t, "sts", "get-caller-identity") // it has two hours left
	e.Minato(t, "clock", "advance", "3h", "--home", string(e.Home))
	early.RefusedAWS(t, []string{"ExpiredToken"}, "sts", "get-caller-identity")
	for pod, want := range map[string]string{"app": "hello", "js": "hello", "js-irsa": "hello"} {
		p.answers(t, pod, "read", want)
	}
	if n := p.agentCounts(t)[agentFetched] - before[agentFetched]; n != 0 {
		t.Errorf("%g times a pod has waited for credentials that were to be renewed before", n)
	}
}

// testKeyRotation is that the cluster signs ServiceAccount tokens with another key every week, and that the pods' tokens of before go on, with
// EKS Pod Identity and with IRSA: the issuer publishes both keys.
func (p sdkPods) testKeyRotation(t *testing.T, e *testenv.Env) {
	t.Helper()
	k := p.cluster
	before := keyID(t, k.kubectl(t, "create", "token", "app"))
	issuer := k.client.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.identity.oidc.issuer", "--output", "text")
	var keys, after string
	e.Minato(t, "clock", "advance", "8d", "--home", string(e.Home))
	testenv.Eventually(t, func() error { // it is published before it signs
		if keys = k.client.Shell(t, "curl -sSfk "+issuer+"/keys"); strings.Count(keys, `"kid"`) < 2 {
			return fmt.Errorf("after more than a week the issuer publishes %s", keys)
		}
		return nil
	})
	e.Minato(t, "clock", "advance", "5m", "--home", string(e.Home))
	testenv.Eventually(t, func() error {
		if r := k.client.TryKubectl(t, k.config, "create", "token", "app"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		} else if after = keyID(t, r.Stdout); after == before {
			return fmt.Errorf("the key %s goes on signing tokens for more than a week", before)
		}
		return nil
	})
	if !strings.Contains(keys, before) || !strings.Contains(keys, after) {
		t.Errorf("the issuer publishes %s, want the keys %s and %s", keys, before, after)
	}
	for _, pod := range []string{"app", "js", "js-irsa"} {
		p.answers(t, pod, "read", "hello")
	}
	p.answers(t, "irsa", "whoami", ":assumed-role/credentials-irsa/")
	if got := p.burst(t, 1, 1); got != "200: 1" {
		t.Errorf("a token of the new key is answered, by status, %s", got)
	}
}

// keyID is the key that a token says it is signed with.
func keyID(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(b, &header)
	}
	if err != nil || header.Kid == "" {
		t.Fatalf("no token: %.200s, %v", token, err)
	}
	return header.Kid
}
