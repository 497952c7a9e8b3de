package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	for _, v := range minors {
		k := createCluster(t, admin, "k"+strings.ReplaceAll(v.Minor, ".", "-"), "--kubernetes-version", v.Minor)
		clusters[v.Minor] = k
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
