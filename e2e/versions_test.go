package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/kube"
)

// TestEveryBuiltMinor takes each Kubernetes minor that is built through the same life: create, readyz, write, restart, read,
// delete. The clock stands before the day on which 1.31 leaves extended support, and 1.37 has no support dates at all.
func TestEveryBuiltMinor(t *testing.T) {
	t.Parallel()
	minors := kube.Binaries(filepath.Join("..", "bin", "kube")).Built()
	if len(minors) == 0 {
		t.Fatal("no Kubernetes minor is built: make kube VERSION=1.35")
	}
	e := testenv.Start(t, testenv.Options{Args: []string{"--test-clock", "2026-11-01", "--allow-unsupported"}})
	admin := e.Admin(t)

	clusters := map[string]*cluster{}
	var order []*cluster
	for _, v := range minors {
		k := createCluster(t, admin, "k"+strings.ReplaceAll(v.Minor, ".", "-"), "--kubernetes-version", v.Minor)
		clusters[v.Minor] = k
		order = append(order, k)
		if got := k.kubectl(t, "get", "--raw", "/readyz"); got != "ok" {
			t.Errorf("%s: /readyz: got %q, want ok", v.Minor, got)
		}
		var version struct{ GitVersion, Major, Minor string }
		if err := json.Unmarshal([]byte(k.kubectl(t, "get", "--raw", "/version")), &version); err != nil {
			t.Fatal(err)
		}
		if version.GitVersion != v.Patch || version.Major+"."+version.Minor != v.Minor {
			t.Errorf("%s: the API server says it is %+v, want %s", v.Minor, version, v.Patch)
		}
		k.kubectl(t, "get", "serviceaccount", "default")
		k.write(t, "before", v.Minor)
	}

	for i, k := range order {
		acceptsSibling(t, e, order[(i+1)%len(order)], k)
		decidesByPolicies(t, k)
	}

	e.Interrupt(t)
	e.Up(t)

	for minor, k := range clusters {
		k.waitActive(t)
		k.holds(t, "before", minor)
		k.write(t, "after", minor)
		k.delete(t)
	}
	if st := e.Status(t); len(st.Clusters) != 0 {
		t.Errorf("clusters are left: %+v", st.Clusters)
	}
}

// acceptsSibling has a cluster take up an OIDC issuer and give it up again, without one failed request of its other clients.
func acceptsSibling(t *testing.T, e *testenv.Env, from, to *cluster) {
	t.Helper()
	if from == to {
		t.Fatal("one minor alone cannot show that it takes up another's issuer: build a second")
	}
	s := newSibling(t, e, from, to)
	api := newKubeAPI(t, to, getToken(t, to.client, to.name))
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			status, _, err := api.do(t.Context(), http.MethodGet, "/api/v1/namespaces/default", nil)
			if err != nil || status != http.StatusOK {
				failed <- fmt.Errorf("status %d, %w", status, err)
				return
			}
			<-tick.C
		}
	}()
	s.associate(t, "sibling:")
	if r := s.login(t); r.Stdout != "sibling:system:serviceaccount:default:default" {
		t.Errorf("%s: the other cluster's ServiceAccount comes in as: %s", to.name, r)
	}
	s.disassociate(t)
	if r := s.login(t); r.ExitCode == 0 {
		t.Errorf("%s: it is still let in after the config was disassociated: %s", to.name, r)
	}
	stop()
	if err := <-failed; err != nil {
		t.Errorf("%s: a request failed while the identity provider changed: %v", to.name, err)
	}
}

// decidesByPolicies has an access policy hold in one namespace of a cluster.
func decidesByPolicies(t *testing.T, k *cluster) {
	t.Helper()
	k.mustUpdate(t, "--access-config", "authenticationMode=API_AND_CONFIG_MAP")
	u := newUser(t, k.client, k.name)
	k.entry(t, "create", u)
	k.grant(t, u, "AmazonEKSViewPolicy", "dev-*")
	api := newKubeAPI(t, k, getToken(t, u.Client, k.name))
	for path, want := range map[string]int{
		"/api/v1/namespaces/dev-1/pods": http.StatusOK, "/api/v1/namespaces/default/pods": http.StatusForbidden, "/api/v1/nodes": http.StatusForbidden,
	} {
		if status, message := api.get(t, path); status != want {
			t.Errorf("%s: %s: %d %s, want %d", k.name, path, status, message, want)
		}
	}
}

// TestMinorThatIsNotBuilt asks for a minor that the server knows and has no program of: its kube folder holds one only.
func TestMinorThatIsNotBuilt(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{Minors: []string{"1.35"}})
	admin := e.Admin(t)
	role, subnets := createRole(t, admin, "unbuilt"), subnets(t, admin)
	admin.RefusedAWS(t, []string{"InvalidParameterException", "1.36", "make kube VERSION=1.36"},
		"eks", "create-cluster", "--name", "unbuilt", "--kubernetes-version", "1.36", "--role-arn", role, "--resources-vpc-config", "subnetIds="+subnets)
	if got := admin.AWS(t, "eks", "list-clusters", "--output", "text"); got != "" {
		t.Errorf("a refused cluster is listed: %s", got)
	}
}

// TestSupportCalendar holds the server to EKS's calendar: on 2026-11-26 the minor 1.31 leaves extended support.
func TestSupportCalendar(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{Args: []string{"--test-clock", "2026-11-26"}})
	admin := e.Admin(t)
	role, subnets := createRole(t, admin, "late"), subnets(t, admin)
	admin.RefusedAWS(t, []string{"InvalidParameterException", "1.31"},
		"eks", "create-cluster", "--name", "late", "--kubernetes-version", "1.31", "--role-arn", role, "--resources-vpc-config", "subnetIds="+subnets)
	if _, err := os.Stat(e.Home.Logs("clusters")); err == nil {
		if entries, _ := os.ReadDir(e.Home.Logs("clusters")); len(entries) > 0 {
			t.Errorf("a refused cluster left logs: %v", entries)
		}
	}
}
