package e2e

import (
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestTwoAccounts has the same cluster name in two accounts: neither sees, changes or enters the other's.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	const a, b = "111122223333", "444455556666"
	e := testenv.Start(t, testenv.Options{Args: []string{"--account", a + "," + b}})
	alice, bob := e.As(t, a), e.As(t, b)
	for client, account := range map[*testenv.Client]string{alice: a, bob: b} {
		if got := client.AWS(t, "sts", "get-caller-identity", "--query", "Account", "--output", "text"); got != account {
			t.Errorf("the administrator of %s is in account %q", account, got)
		}
	}

	k := createCluster(t, alice, "prod")
	k.write(t, "mine", "alice")
	if got := bob.AWS(t, "eks", "list-clusters", "--query", "clusters", "--output", "text"); got != "" {
		t.Errorf("account %s lists %q, want nothing", b, got)
	}
	bob.RefusedAWS(t, []string{"ResourceNotFoundException", "No cluster found for name: prod."}, "eks", "describe-cluster", "--name", "prod")
	bob.RefusedAWS(t, []string{"ResourceNotFoundException"}, "eks", "delete-cluster", "--name", "prod")

	// Bob points his own credentials at Alice's cluster.
	r := bob.TryKubectl(t, k.config, "get", "configmap", "mine")
	if r.ExitCode == 0 || !unauthorized(r) {
		t.Errorf("a stranger was not turned away with 401: %s", r)
	}

	theirs := createCluster(t, bob, "prod")
	theirs.write(t, "mine", "bob")
	k.holds(t, "mine", "alice")
	theirs.delete(t)
	k.holds(t, "mine", "alice")
}

// unauthorized is whether kubectl was answered 401.
func unauthorized(r testenv.Result) bool {
	return strings.Contains(r.Stderr, "Unauthorized") || strings.Contains(r.Stderr, "You must be logged in to the server")
}
