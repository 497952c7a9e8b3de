package eks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// checkTestRules takes everything but rules that say so themselves.
func checkTestRules(arn minato.ARN, rules string) error {
	if strings.Contains(rules, "bad") {
		return minato.Errorf(minato.Invalid, "the rules of %s are bad", arn)
	}
	return nil
}

const debugger = "arn:aws:eks::111122223333:cluster-access-policy/Debugger"

// associate associates a policy with the entry of a principal on the cluster prod, everywhere.
func (w *world) associate(t *testing.T, principal, policy string) error {
	t.Helper()
	_, _, err := w.AssociateAccessPolicy(t.Context(), alice, AssociateAccessPolicyRequest{
		ClusterName: "prod", PrincipalARN: principal, PolicyARN: policy, ScopeType: "cluster",
	})
	return err
}

func (w *world) newEntry(t *testing.T, principal string) {
	t.Helper()
	if _, _, err := w.CreateAccessEntry(t.Context(), alice, CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: principal}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) putPolicy(t *testing.T, name, rules string) CustomPolicy {
	t.Helper()
	p, err := w.PutCustomPolicy(t.Context(), testScope.Account, name, rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCustomPolicyLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	w.newEntry(t, opsRole)
	wantKind(t, "associating a policy that is not there", w.associate(t, opsRole, debugger), minato.NotFound, "The specified policyArn could not be found.")
	if p := w.putPolicy(t, "Debugger", "first"); p.ARN().String() != debugger {
		t.Errorf("its ARN is %s", p.ARN())
	}
	p := w.putPolicy(t, "Debugger", "second")
	if p.Rules != "second" || w.awaited == 0 {
		t.Errorf("rules %q, answered after revision %d was applied", p.Rules, w.awaited)
	}
	if got, err := w.CustomPolicy(t.Context(), testScope.Account, "Debugger"); err != nil || !cmp.Equal(got, p) {
		t.Errorf("got %+v, %v, want %+v", got, err, p)
	}
	if err := w.associate(t, opsRole, debugger); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "deleting a policy in use", w.DeleteCustomPolicy(t.Context(), testScope.Account, "Debugger"), minato.InUse, opsRole+" on cluster prod")
	list, err := w.ListAccessEntries(t.Context(), alice, "prod", debugger, PageRequest{})
	if err != nil || len(list.Principals) != 1 {
		t.Errorf("the policy is with %v, %v", list.Principals, err)
	}
	w.putPolicy(t, "Debugger", "third") // may be changed all the same
	if err := w.DisassociateAccessPolicy(t.Context(), alice, "prod", opsRole, debugger); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteCustomPolicy(t.Context(), testScope.Account, "Debugger"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "deleting again", w.DeleteCustomPolicy(t.Context(), testScope.Account, "Debugger"), minato.NotFound, `no access policy "Debugger"`)
	wantKind(t, "associating what is gone", w.associate(t, opsRole, debugger), minato.NotFound, "could not be found")
}

func TestCustomPoliciesAreOfAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	w.newEntry(t, opsRole)
	other := "444455556666"
	if _, err := w.PutCustomPolicy(t.Context(), other, "Debugger", "x"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "another account's", w.associate(t, opsRole, CustomPolicyARN(other, "Debugger").String()), minato.NotFound, "could not be found")
	for _, arn := range []string{
		"arn:aws:eks::amazon:cluster-access-policy/Debugger", "arn:aws:eks::1111:cluster-access-policy/Debugger", "arn:aws:eks::111122223333:cluster-access-policy/",
		"arn:aws:eks:us-east-1:111122223333:cluster-access-policy/Debugger", "arn:aws-cn:eks::111122223333:cluster-access-policy/Debugger",
	} {
		wantKind(t, arn, w.associate(t, opsRole, arn), minato.Invalid, "The policyArn parameter format is not valid")
	}
	before, err := w.ListAccessPolicies(t.Context(), alice, PageRequest{})
	if err != nil || len(before.Policies) != len(w.AccessPolicies) {
		t.Errorf("an account without policies of its own sees %v, %v", before.Policies, err)
	}
	w.putPolicy(t, "Zoo", "x")
	w.putPolicy(t, "Ant", "x")
	var names []string
	for page := (PageRequest{MaxResults: new(int32(1))}); ; {
		list, err := w.ListAccessPolicies(t.Context(), alice, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Policies {
			names = append(names, p.Name)
		}
		if page.NextToken = list.NextToken; page.NextToken == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"AmazonEKSClusterAdminPolicy", "AmazonEKSViewPolicy", "Ant", "Zoo"}, names); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func TestRefusedCustomPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"", "1a", "a/b", "..", "a b", "é", strings.Repeat("a", 101), "AmazonEKSViewPolicy", "amazonMine", "AWSMine"} {
		_, err := w.PutCustomPolicy(t.Context(), testScope.Account, name, "x")
		wantKind(t, name, err, minato.Invalid, "")
	}
	_, err := w.PutCustomPolicy(t.Context(), testScope.Account, "Debugger", "bad")
	wantKind(t, "bad rules", err, minato.Invalid, "the rules of "+debugger+" are bad")
	for i := range maxCustomPolicies {
		w.putPolicy(t, fmt.Sprint("p", i), "x")
	}
	_, err = w.PutCustomPolicy(t.Context(), testScope.Account, "Debugger", "x")
	wantKind(t, "one too many", err, minato.LimitExceeded, "at most 100")
	w.putPolicy(t, "p0", "y") // one that is there
	w.hookAway = errors.New("connection refused")
	_, err = w.PutCustomPolicy(t.Context(), testScope.Account, "p0", "z")
	wantKind(t, "the webhooks are away", err, minato.Unavailable, "as soon as they are back")
}

// TestAssociationAndDeletionAtOnce wants no association left with a policy that is gone.
func TestAssociationAndDeletionAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	w.newEntry(t, opsRole)
	w.putPolicy(t, "Debugger", "x")
	var once sync.Once
	w.Store = &interrupted{Store: w.Store, after: func(prefix string) {
		if !strings.HasPrefix(prefix, AccessEntriesPrefix) {
			return
		}
		once.Do(func() { // after the entries were looked at and before the policy is deleted
			if err := w.associate(t, opsRole, debugger); err != nil {
				t.Error(err)
			}
		})
	}}
	wantKind(t, "deleting", w.DeleteCustomPolicy(t.Context(), testScope.Account, "Debugger"), minato.InUse, opsRole)
	if _, err := w.CustomPolicy(t.Context(), testScope.Account, "Debugger"); err != nil {
		t.Error(err)
	}
}

// interrupted is a store in which something happens after every list.
type interrupted struct {
	store.Store
	after func(prefix string)
}

func (s *interrupted) List(ctx context.Context, prefix string, o store.ListOptions) (store.Listing, error) {
	l, err := s.Store.List(ctx, prefix, o)
	s.after(prefix)
	return l, err
}
