package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// testAgent is what the agent says to a pod that asks in all the ways that its contract knows (facts of eks-pod-identity-agent's README),
// and that a flood of garbage from one pod does not keep another from its credentials. The pod app has not asked before.
func (p sdkPods) testAgent(t *testing.T) {
	t.Helper()
	kube := newKubeAPI(t, p.cluster, getToken(t, p.cluster.client, p.cluster.name))
	kube.client.Timeout = 0 // a flood takes its time
	ask := func(pod, what string) (string, error) {
		status, body, err := kube.do(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods/"+pod+":8080/proxy/"+what, nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d", status)
		}
		return strings.TrimSpace(string(body)), err
	}
	comes := func(pod, what, want string) { // in the end: a pod may not listen yet, and EKS Auth may be busy
		testenv.Eventually(t, func() error {
			if said, err := ask(pod, what); err != nil || !strings.Contains(said, want) {
				return fmt.Errorf("asked by the pod %s with %s the agent says %.300s (%w), want %q", pod, what, said, err, want)
			}
			return nil
		})
	}
	comes("tagged", "ask?token=none", "400 ")
	comes("app", "ask?token=own", "200 ")
	comes("host", "ask?token=own", "200 ")
	garbage := make(chan string, 1)
	go func() {
		said, err := ask("tagged", "flood?n=10000")
		garbage <- fmt.Sprint(said, err)
	}()
	comes("untagged", "ask?token=own", "200 ")
	for done := false; !done; {
		done = len(garbage) > 0 // and once more when all of it is through
		if good, err := ask("app", "flood?n=200&token=own"); err != nil || good != "200: 200" {
			t.Errorf("while another sends garbage a pod gets, by status, %s (%v)", good, err)
		}
	}
	said := <-garbage
	for _, status := range []string{"400: ", "403: ", "404: ", "405: "} {
		if !strings.Contains(said, status) || strings.Contains(said, "200: ") {
			t.Errorf("10,000 garbage requests are answered, by status, %s: want %s and not 200", said, status)
		}
	}

	rows := []struct{ pod, ask, want string }{
		{"app", "token=own", `200 {"AccessKeyId":"ASIA`},
		{"app", "token=own&host=169.254.170.23:80", `200 {"AccessKeyId":"ASIA`},
		{"app", "token=own&host=[fd00:ec2::23]", `200 {"AccessKeyId":"ASIA`},
		{"app", "token=own&host=agent.example", "403 Access Denied"},
		{"app", "token=own&host=169.254.170.2", "403 Access Denied"},
		{"app", "token=none", "400 "},
		{"app", "token=Bearer+x", "400 "},
		{"app", "token=kubernetes", "400 the service account token is not for the audience pods.eks.amazonaws.com"},
		{"app", "token=unsigned", "400 "},
		{"app", "token=forged", "(InvalidTokenException)"},
		{"app", "token=own&method=POST", "405 "},
		{"app", "url=http://169.254.170.23/", "404 "},
		{"host", "token=own", `200 {"AccessKeyId":"ASIA`},
		{"host", "url=http://127.0.0.1:2703/healthz", "200 "},
		{"host", "url=http://127.0.0.1:2703/readyz", "200 "},
		{"host", "url=http://127.0.0.1:2705/metrics", `pod_identity_http_requests_total{outcome="cached"}`},
	}
	if hasIPv6() {
		rows = append(rows, struct{ pod, ask, want string }{"host", "url=http://[fd00:ec2::23]/v1/credentials", `200 {"AccessKeyId":"ASIA`})
	}
	for _, row := range rows {
		comes(row.pod, "ask?"+row.ask, row.want)
	}
}

// hasIPv6 is whether network namespaces of this machine have IPv6.
func hasIPv6() bool {
	off, err := os.ReadFile("/proc/sys/net/ipv6/conf/default/disable_ipv6")
	return err == nil && strings.TrimSpace(string(off)) == "0"
}
