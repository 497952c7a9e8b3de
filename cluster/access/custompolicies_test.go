package access_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
)

// customWorld is a store of policies that customers made, and the index over it.
type customWorld struct {
	records *store.Collection[eks.CustomPolicy]
	view    *store.View[eks.CustomPolicy]
	found   *access.CustomPolicies
	logged  bytes.Buffer
}

func newCustomWorld(t *testing.T) *customWorld {
	t.Helper()
	w := &customWorld{records: eks.CustomPolicies(memstore.New())}
	w.view = store.NewView(w.records)
	w.found = access.NewCustomPolicies(w.view, slog.New(slog.NewTextHandler(&w.logged, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.view.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// write gives the account's policy Debugger its rules; none remove it. It waits until the index has it.
func (w *customWorld) write(t *testing.T, rules string) {
	t.Helper()
	id := eks.CustomPolicyKey(account, "Debugger")
	var op store.Op
	item, err := w.records.Get(t.Context(), id)
	item.Value = eks.CustomPolicy{Account: account, Name: "Debugger", Rules: rules}
	switch {
	case rules == "":
		op = w.records.DeleteOp(item)
	case err == nil:
		op = w.records.UpdateOp(item)
	default:
		op = w.records.CreateOp(id, item.Value)
	}
	rev, err := w.records.Store().Commit(t.Context(), op)
	if err == nil {
		err = w.view.WaitFor(t.Context(), rev)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func withCustom(e eks.AccessEntry, namespaces ...string) eks.AccessEntry {
	e = with(e, "Debugger", namespaces...)
	e.Policies[len(e.Policies)-1].PolicyARN = eks.CustomPolicyARN(account, "Debugger")
	return e
}

func TestCustomPoliciesDecide(t *testing.T) {
	t.Parallel()
	const heading = "groups | resources | verbs\n"
	c := cluster(user, "API", false)
	entries := newEntries(t, with(withCustom(entryOf(role, "STANDARD", roleUsername), "dev-*"), "AmazonEKSViewPolicy", "prod"))
	w := newCustomWorld(t)
	mappers := access.Mappers{entries.entries.Mapper(nil)}
	a := access.NewAuthorizer(access.AuthorizerConfig{
		Cluster: func(string) (*eks.Cluster, bool) { return c, true }, Entries: entries.entries, Mappers: mappers, Policy: w.found.Lookup,
	})
	u := login(t, c, mappers, "ASIAROLE")
	const reason = `EKS Access Policy: allowed by RoleBinding "arn:aws:iam::111122223333:role/ops/admin+arn:aws:eks::111122223333:cluster-access-policy/Debugger/dev-1"`
	for _, step := range []struct {
		name, rules   string
		allows, lacks []string
	}{
		{"first rules", heading + "\"\" | pods | get, delete\n\nnonResourceURLs | verbs\n/metrics | get\n", []string{"delete pods dev-1", "get pods prod"},
			[]string{"delete pods prod", "delete pods", "list pods dev-1", "get /metrics"}},
		{"other rules", "include: AmazonEKSViewPolicy\n" + heading + "\"\" | secrets | list\n", []string{"list secrets dev-1", "list pods dev-1"},
			[]string{"delete pods dev-1", "list secrets prod", "list secrets"}},
		{"of a newer Minato", heading + "\"\" | pods | GET\n", []string{"get pods prod"}, []string{"get pods dev-1", "list secrets dev-1"}},
		{"good again", heading + "* | * | *\n", []string{"delete pods dev-1"}, []string{"delete pods prod", "list nodes"}},
		{"gone", "", []string{"get pods prod"}, []string{"get pods dev-1"}},
	} {
		w.write(t, step.rules)
		for want, questions := range map[access.Decision][]string{access.Allow: step.allows, access.NoOpinion: step.lacks} {
			for _, q := range questions {
				got := a.Authorize(clusterID, ask(u, q))
				if got.Decision != want {
					t.Errorf("%s: %s: %v %s, want %v", step.name, q, got.Decision, got.Reason, want)
				}
				if strings.HasSuffix(q, "dev-1") && want == access.Allow && !strings.HasPrefix(got.Reason, reason) {
					t.Errorf("%s: the reason is %s", q, got.Reason)
				}
			}
		}
	}
	if !strings.Contains(w.logged.String(), "cluster-access-policy/Debugger") {
		t.Errorf("nothing was logged of the policy that could not be read: %s", w.logged.String())
	}
}

func TestExplainCustomPolicies(t *testing.T) {
	t.Parallel()
	w := newCustomWorld(t)
	entry := withCustom(entryOf(role, "STANDARD", roleUsername), "dev-*")
	explain := func(namespace string) string {
		e := access.Case{
			Cluster: cluster(root, "API", true), Principal: role, Entry: &entry, Policy: w.found.Lookup,
			Request: policies.Request{Verb: "delete", Resource: "pods"}, Namespace: namespace,
		}.Explain()
		last := e.Steps[len(e.Steps)-1]
		return string(last.Outcome) + " " + last.Name + ": " + last.Detail
	}
	if got := explain("dev-1"); !strings.HasPrefix(got, "no Debugger: its rules are not known") {
		t.Error(got)
	}
	w.write(t, "groups | resources | verbs\n\"\" | pods | delete\n")
	if got := explain("dev-1"); got != "yes Debugger: it holds in the namespaces dev-*, and allows it" {
		t.Error(got)
	}
	if got := explain("prod"); got != "no Debugger: its rules allow it, but it holds in the namespaces dev-*, not in prod" {
		t.Error(got)
	}
}
