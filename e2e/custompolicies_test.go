package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestCustomAccessPolicies is Minato's own extension, as the stock clients see it.
func TestCustomAccessPolicies(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "customers", "--access-config", "authenticationMode=API",
		"--logging", `{"clusterLogging":[{"types":["audit"],"enabled":true}]}`)
	dora := newUser(t, k.client, "dora")
	k.entry(t, "create", dora)
	k.kubectl(t, "create", "namespace", "dev-1")
	file := filepath.Join(t.TempDir(), "debugger.txt")
	put := func(rules string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		return e.Minato(t, "access", "policy", "put", "Debugger", file)
	}
	const rules = "include: AmazonEKSViewPolicy\n\ngroups | resources | verbs\n\"\" | pods/exec | create\n"
	arn := put(rules)
	if want := "cluster-access-policy/Debugger"; !strings.HasPrefix(arn, "arn:aws:eks::") || !strings.HasSuffix(arn, want) {
		t.Fatalf("its ARN is %s, want one with %s", arn, want)
	}
	if got := e.Minato(t, "access", "policy", "get", "Debugger"); got != strings.TrimSpace(rules) {
		t.Errorf("its rules are %q", got)
	}
	listed := strings.Fields(k.client.AWS(t, "eks", "list-access-policies", "--query", "accessPolicies[].arn", "--output", "text"))
	if len(listed) < 2 || listed[len(listed)-1] != arn || !strings.HasPrefix(listed[len(listed)-2], "arn:aws:eks::aws:") {
		t.Errorf("list-access-policies does not end with one of AWS and %s: %s", arn, listed)
	}
	policy := []string{"--cluster-name", k.name, "--principal-arn", dora.arn, "--policy-arn", arn}
	k.client.AWS(t, append([]string{"eks", "associate-access-policy", "--access-scope", "type=namespace,namespaces=dev-*"}, policy...)...)
	dora.want(t, k, map[string]bool{
		"-n dev-1 get pods": true, "-n dev-1 auth can-i create pods --subresource exec": true, "-n dev-1 auth can-i create pods": false,
		"-n default get pods": false, "get pods --all-namespaces": false, "-n dev-1 get configmaps": true, "-n dev-1 get secrets": false,
	})
	// Other rules hold for the very next request.
	put("groups | resources | verbs\n\"\" | secrets | list\n")
	dora.want(t, k, map[string]bool{"-n dev-1 get pods": false, "-n dev-1 get secrets": true, "-n default get secrets": false})
	explained := e.Minato(t, "access", "explain", "--cluster", k.name, "--principal", dora.arn, "--verb", "list", "--resource", "secrets", "-n", "dev-1")
	for _, want := range []string{"? yes.", "yes  Debugger", arn} {
		if !strings.Contains(explained, want) {
			t.Errorf("the explanation does not say %q:\n%s", want, explained)
		}
	}
	if want := `of ClusterRole \"` + arn + `\" to User`; !strings.Contains(e.Minato(t, "logs", k.name, "audit"), want) {
		t.Errorf("the audit log does not say %s", want)
	}

	for text, args := range map[string][]string{
		"is associated with the access entry of " + dora.arn + " on cluster customers": {"delete", "Debugger"},
		"could be taken for that of a policy of AWS":                                   {"put", "AmazonEKSDebugPolicy", file},
		"is not under a heading":                                                       {"put", "Broken", "/etc/hostname"},
		`has no access policy "Nobody"`:                                                {"get", "Nobody"},
		"this server has no account":                                                   {"list", "--account", "999988887777"},
	} {
		if r := e.TryMinato(t, append([]string{"access", "policy"}, args...)...); r.ExitCode != 1 || !strings.Contains(r.Stderr, text) {
			t.Errorf("want exit code 1 and %q: %s", text, r)
		}
	}
	k.client.AWS(t, append([]string{"eks", "disassociate-access-policy"}, policy...)...)
	dora.want(t, k, map[string]bool{"-n dev-1 get secrets": false})
	e.Minato(t, "access", "policy", "delete", "Debugger")
	k.client.RefusedAWS(t, []string{"ResourceNotFoundException", "The specified policyArn could not be found"},
		append([]string{"eks", "associate-access-policy", "--access-scope", "type=cluster"}, policy...)...)
	if got := e.Minato(t, "access", "policy", "list"); got != "" {
		t.Errorf("policies are left: %s", got)
	}
	k.delete(t)
}

// want runs kubectl commands as the user and compares what is allowed.
func (u *user) want(t *testing.T, k *cluster, commands map[string]bool) {
	t.Helper()
	for command, allowed := range commands {
		if r := u.TryKubectl(t, k.config, strings.Fields(command)...); (r.ExitCode == 0) != allowed {
			t.Errorf("want allowed %t: %s", allowed, r)
		}
	}
}
