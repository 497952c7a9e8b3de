package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
		k.comesUp(t)
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
	stop := unbroken(t, to)
	s.associate(t, "sibling:")
	if r := s.login(t); r.Stdout != `sibling:system:serviceaccount:default:default ["system:authenticated"]` {
		t.Errorf("%s: the other cluster's ServiceAccount comes in as: %s", to.name, r)
	}
	s.disassociate(t)
	if r := s.login(t); r.ExitCode == 0 {
		t.Errorf("%s: it is still let in after the config was disassociated: %s", to.name, r)
	}
	stop()
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

// TestSupportCalendar holds the server to EKS's calendar. On 2026-11-26 the minor 1.31 leaves extended support; on 2027-03-27 the
// minor 1.35 leaves standard support, and a cluster that does not pay for more is upgraded. All processes see the day come.
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
	k := createCluster(t, admin, "calendar", "--kubernetes-version", "1.35", "--upgrade-policy", "supportType=STANDARD")
	session := assumedBy(t, admin, userRole(t, admin, "calendar-user"))
	whoami := []string{"sts", "get-caller-identity", "--query", "Arn", "--output", "text"}
	if got := session.AWS(t, whoami...); !strings.Contains(got, "calendar-user") {
		t.Fatalf("the session is %s", got)
	}
	if r := e.TryMinato(t, "clock", "advance", "0d"); r.ExitCode == 0 {
		t.Errorf("the clock can be moved by nothing: %s", r)
	}
	var announced string
	for _, step := range []struct{ by, day, status string }{
		{"100d", "2027-03-06", "on 2027-03-27 Kubernetes 1.35 leaves standard support, and the upgrade policy is STANDARD: it will be upgraded to 1.36"},
		{"3w", "2027-03-27", ""},
	} {
		if got := e.Minato(t, "clock", "advance", step.by); !strings.HasPrefix(got, step.day) || !strings.Contains(got, "test clock") {
			t.Errorf("after %s the clock shows %q, want %s", step.by, got, step.day)
		}
		if got := e.Minato(t, "status"); !strings.Contains(got, step.status) {
			t.Errorf("the status does not say %q:\n%s", step.status, got)
		}
		if step.status != "" {
			k.sees(t, map[string]string{"Support calendar": "WARNING"})
			announced = k.soleUpdate(t)
		}
	}
	session.RefusedAWS(t, []string{"ExpiredToken"}, whoami...)
	testenv.Eventually(t, func() error {
		if got := admin.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.[version,status]", "--output", "text"); got != "1.36\tACTIVE" {
			return fmt.Errorf("the cluster is %s", got)
		}
		return nil
	})
	k.kubectl(t, "get", "serviceaccount", "default")
	k.sees(t, map[string]string{"Support calendar": "PASSING"})
	if got := k.soleUpdate(t); got != strings.Replace(announced, "InProgress", "Successful", 1) {
		t.Errorf("the update that was announced as %q is %q", announced, got)
	}
	if got := admin.AWS(t, "eks", "describe-cluster-versions", "--version-status", "EXTENDED_SUPPORT", "--query", "clusterVersions[].clusterVersion", "--output", "text"); !slices.Contains(strings.Fields(got), "1.35") || strings.Contains(got, "1.36") {
		t.Errorf("in extended support are %s, want 1.35 and not 1.36", got)
	}
	for filter, has := range map[string]bool{"--no-include-all": false, "--include-all": true, "--version-status=UNSUPPORTED": true, "--status=unsupported": true} {
		if got := admin.AWS(t, "eks", "describe-cluster-versions", filter, "--query", "clusterVersions[].clusterVersion", "--output", "text"); slices.Contains(strings.Fields(got), "1.31") != has {
			t.Errorf("with %s there are %s; is 1.31, which has no support, to be among them: %t", filter, got, has)
		}
	}
	// 121 days at 0.10 USD an hour, and a month of 730 hours.
	if got := e.Minato(t, "cost"); !strings.Contains(got, "290.4") || !strings.Contains(got, "73.00") || !strings.Contains(got, "ROSA HCP") {
		t.Errorf("minato cost says:\n%s", got)
	}
}

// soleUpdate is the one update that the cluster has had, in a line.
func (k *cluster) soleUpdate(t *testing.T) (line string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		id := k.client.AWS(t, "eks", "list-updates", "--name", k.name, "--query", "updateIds", "--output", "text")
		if len(strings.Fields(id)) != 1 {
			return fmt.Errorf("the updates are %q", id)
		}
		line = k.client.AWS(t, "eks", "describe-update", "--name", k.name, "--update-id", id, "--query", "update.[id,type,status,params[0].value]", "--output", "text")
		return nil
	})
	return line
}

// assumedBy is a client with the credentials of a role's session.
func assumedBy(t *testing.T, c *testenv.Client, role string) *testenv.Client {
	t.Helper()
	keys := strings.Fields(c.AWS(t, "sts", "assume-role", "--role-arn", role, "--role-session-name", "test",
		"--query", "Credentials.[AccessKeyId,SecretAccessKey,SessionToken]", "--output", "text"))
	if len(keys) != 3 {
		t.Fatalf("assume-role answers %d words, want 3", len(keys))
	}
	return c.With("AWS_ACCESS_KEY_ID="+keys[0], "AWS_SECRET_ACCESS_KEY="+keys[1], "AWS_SESSION_TOKEN="+keys[2])
}
