package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/service/eks"
)

// user is an IAM user without any IAM policy.
type user struct {
	*testenv.Client
	arn string
}

func newUser(t *testing.T, admin *testenv.Client, name string) *user {
	t.Helper()
	arn := admin.AWS(t, "iam", "create-user", "--user-name", name, "--query", "User.Arn", "--output", "text")
	keys := strings.Fields(admin.AWS(t, "iam", "create-access-key", "--user-name", name,
		"--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text"))
	if len(keys) != 2 {
		t.Fatalf("create-access-key: got %d words, want an id and a secret", len(keys))
	}
	return &user{admin.With("AWS_ACCESS_KEY_ID="+keys[0], "AWS_SECRET_ACCESS_KEY="+keys[1]), arn}
}

// grant associates a policy with the user's access entry: in namespaces, or in the whole cluster if there are none.
func (k *cluster) grant(t *testing.T, u *user, policy string, namespaces ...string) {
	t.Helper()
	scope := "type=cluster"
	if len(namespaces) > 0 {
		scope = "type=namespace,namespaces=" + strings.Join(namespaces, ",")
	}
	k.client.AWS(t, "eks", "associate-access-policy", "--cluster-name", k.name, "--principal-arn", u.arn,
		"--policy-arn", "arn:aws:eks::aws:cluster-access-policy/"+policy, "--access-scope", scope)
}

func (k *cluster) entry(t *testing.T, verb string, u *user, flags ...string) {
	t.Helper()
	k.client.AWS(t, append([]string{"eks", verb + "-access-entry", "--cluster-name", k.name, "--principal-arn", u.arn}, flags...)...)
}

// TestAccessPolicies is what the holder of an access policy sees of it.
func TestAccessPolicies(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "scopes", "--access-config", "authenticationMode=API_AND_CONFIG_MAP")
	if got := k.update(t, "--logging", `{"clusterLogging":[{"types":["audit"],"enabled":true}]}`); got != "Successful" {
		t.Fatalf("switching the audit log on: %s", got)
	}
	for _, ns := range []string{"dev-1", "prod"} {
		k.kubectl(t, "create", "namespace", ns)
	}
	bob := newUser(t, k.client, "bob")
	kubectl := func(args ...string) testenv.Result { return bob.TryKubectl(t, k.config, args...) }
	if r := kubectl("get", "pods"); !unauthorized(r) {
		t.Errorf("without an entry: %s", r)
	}
	k.entry(t, "create", bob)
	k.grant(t, bob, "AmazonEKSViewPolicy", "dev-*")
	k.grant(t, bob, "AmazonEKSSecretReaderPolicy", "prod")
	for command, allowed := range map[string]bool{
		"-n dev-1 get pods":                     true,
		"get namespace dev-1":                   true,
		"get namespace prod":                    false,
		"get namespaces":                        false,
		"-n prod get pods":                      false,
		"-n prod get secrets":                   true,
		"-n dev-1 get secrets":                  false,
		"get pods --all-namespaces":             false,
		"-n dev-1 create configmap x":           false,
		"-n dev-1 auth can-i watch deployments": true,
		"-n prod auth can-i watch deployments":  false,
		"auth can-i get nodes":                  false,
	} {
		if r := kubectl(strings.Fields(command)...); (r.ExitCode == 0) != allowed {
			t.Errorf("want allowed %t: %s", allowed, r)
		}
	}
	// Impersonation drops the rights of policies: of the one who is impersonated, and of the one who does it.
	if r := k.client.TryKubectl(t, k.config, "--as", bob.arn, "-n", "dev-1", "get", "pods"); r.ExitCode == 0 || !strings.Contains(r.Stderr, "Forbidden") {
		t.Errorf("impersonating bob: %s", r)
	}
	if r := k.client.TryKubectl(t, k.config, "--as", "kubernetes-admin", "get", "pods"); r.ExitCode == 0 || !strings.Contains(r.Stderr, "Forbidden") {
		t.Errorf("the administrator impersonating somebody: %s", r)
	}
	audit := e.Minato(t, "logs", k.name, "audit")
	if want := `EKS Access Policy: allowed by RoleBinding \"` + bob.arn + `+arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy/dev-1\"`; !strings.Contains(audit, want) {
		t.Errorf("the audit log does not say %s", want)
	}
	k.delete(t)
}

// TestAccessIsTakenAway is about tokens that kube-apiserver keeps for ten seconds. What is taken away from their owner holds for
// the very next request all the same.
func TestAccessIsTakenAway(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "revoked", "--access-config", "authenticationMode=API")
	k.kubectl(t, "create", "rolebinding", "sre", "--clusterrole", "edit", "--group", "sre")
	k.kubectl(t, "create", "rolebinding", "carol", "--clusterrole", "edit", "--user", "carol")
	carol := newUser(t, k.client, "carol")
	arn, err := minato.ParseARN(carol.arn)
	if err != nil {
		t.Fatal(err)
	}
	g := newGranter(t, e, k)
	before := entry(arn, k.client.AWS(t, "iam", "get-user", "--user-name", "carol", "--query", "User.UserId", "--output", "text"), "AmazonEKSAdminViewPolicy")
	before.Groups = []string{"sre"}
	change := func(f func(*eks.AccessEntry)) func() {
		return func() {
			after := before
			f(&after)
			g.put(t, after)
		}
	}
	api := newKubeAPI(t, k, "")
	const pods, nodes = "/api/v1/namespaces/default/pods", "/api/v1/nodes"
	for i, tt := range []struct {
		name        string
		change      func()
		pods, nodes int // statuses of the very next requests
		saying      string
	}{
		{"nothing", func() {}, http.StatusOK, http.StatusOK, ""},
		{"the policy", change(func(a *eks.AccessEntry) { a.Policies = nil }), http.StatusOK, http.StatusForbidden, "at the cluster scope"},
		{"a group more", change(func(a *eks.AccessEntry) { a.Groups = []string{"sre", "more"} }), http.StatusOK, http.StatusOK, ""},
		{"another username", change(func(a *eks.AccessEntry) { a.Username = "carol" }), http.StatusForbidden, http.StatusForbidden, `its username is "carol" now`},
		{"the group", change(func(a *eks.AccessEntry) { a.Groups = []string{"less"} }), http.StatusForbidden, http.StatusForbidden, `not in the group "sre" any more`},
		{"the role made again", change(func(a *eks.AccessEntry) { a.PrincipalID = "AIDAOTHER" }), http.StatusForbidden, http.StatusForbidden, "it has no access entry"},
		{"the entry", func() { g.remove(t, before) }, http.StatusForbidden, http.StatusForbidden, "it has no access entry"},
	} {
		g.put(t, before)
		api.token = presign(t, carol.Client, k.name, time.Now().Add(-time.Duration(i)*time.Minute)) // another one each time
		if status, message := api.get(t, nodes); status != http.StatusOK {
			t.Fatalf("before %s: %d %s", tt.name, status, message)
		}
		tt.change()
		for path, want := range map[string]int{pods: tt.pods, nodes: tt.nodes} {
			if status, message := api.get(t, path); status != want || status != http.StatusOK && !strings.Contains(message, tt.saying) {
				t.Errorf("%s: %s: %d %s, want %d %s", tt.name, path, status, message, want, tt.saying)
			}
		}
	}
	if status, _ := api.get(t, pods); status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Errorf("later: %d", status)
	}
	k.delete(t)
}

// get is the status of an answer, and its message if it is an error.
func (a *kubeAPI) get(t *testing.T, path string) (status int, message string) {
	t.Helper()
	status, body, err := a.do(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Message string }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return status, answer.Message
}
