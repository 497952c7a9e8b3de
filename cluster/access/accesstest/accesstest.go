// Package accesstest is what decisions of access policies are measured with: as many access entries as asked for, of five policies
// each, and the Authorizer over them that `minato hook` has.
package accesstest

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
)

// ClusterID is the cluster that a World is about.
const ClusterID = "11111111-2222-4333-8444-555555555555"

const account = "111122223333"

// asking is how many of the entries' owners ask, if there are as many, so that not all is always about the same record.
const asking = 100

// World is an Authorizer that decides by many entries, and what the owners of some ask.
type World struct {
	Authorizer *access.Authorizer
	// Allowed are what the last of an entry's policies allows, Refused what none of them does: both take a look at all five.
	Allowed, Refused []access.Question

	next int
}

// New makes a World of n entries. It follows its records, as the hook does those of the store, until ctx ends.
func New(ctx context.Context, n int) (*World, error) {
	records := eks.AccessEntries(memstore.New())
	var last store.Revision
	for i := range n {
		item, err := records.Create(ctx, eks.AccessEntryKey(ClusterID, principal(i).ARN), entry(principal(i)))
		if err != nil {
			return nil, err
		}
		last = item.Revision
	}
	view := store.NewView(records)
	entries := access.NewEntries(view)
	go func() { _ = view.Run(ctx) }() // it ends with ctx
	if err := view.WaitFor(ctx, last); err != nil {
		return nil, err
	}
	c := &eks.Cluster{Name: "prod", ID: ClusterID, Spec: eks.ClusterSpec{AuthenticationMode: "API"}}
	w := &World{Authorizer: access.NewAuthorizer(access.AuthorizerConfig{
		Cluster: func(id string) (*eks.Cluster, bool) { return c, id == c.ID },
		Entries: entries, Mappers: access.Mappers{entries.Mapper(nil), access.CreatorAdmin},
	})}
	for i := 0; i < n; i += max(n/asking, 1) {
		question := func(verb string) access.Question {
			return access.Question{User: user(principal(i)), Namespace: "prod", Request: policies.Request{Verb: verb, Resource: "pods"}}
		}
		w.Allowed, w.Refused = append(w.Allowed, question("get")), append(w.Refused, question("delete"))
	}
	return w, nil
}

// Decide asks the next two questions and returns how long the slower one took; an error if an answer is wrong. It is not for
// several goroutines.
func (w *World) Decide() (time.Duration, error) {
	w.next = (w.next + 1) % len(w.Allowed)
	begin := time.Now()
	allowed := w.Authorizer.Authorize(ClusterID, w.Allowed[w.next])
	middle := time.Now()
	refused := w.Authorizer.Authorize(ClusterID, w.Refused[w.next])
	took := max(middle.Sub(begin), time.Since(middle))
	if allowed.Decision != access.Allow || refused.Decision != access.NoOpinion {
		return 0, fmt.Errorf("decided %v (%s) and %v (%s)", allowed.Decision, allowed.Reason, refused.Decision, refused.Reason)
	}
	return took, nil
}

// Policies are those of every entry. All but the last are for namespaces that are not asked about, so that none ends the search.
func Policies() []eks.AssociatedPolicy {
	policy := func(name string, namespaces ...string) eks.AssociatedPolicy {
		arn := minato.ARN{Partition: "aws", Service: "eks", Account: "aws", Resource: "cluster-access-policy/" + name}
		return eks.AssociatedPolicy{PolicyARN: arn, ScopeType: "namespace", Namespaces: namespaces}
	}
	elsewhere := []string{"dev-*", "test-*", "team-*-staging"}
	return []eks.AssociatedPolicy{
		policy("AmazonEKSAdminPolicy", elsewhere...),
		policy("AmazonEKSEditPolicy", elsewhere...),
		policy("AmazonEKSAdminViewPolicy", elsewhere...),
		policy("AmazonEKSSecretReaderPolicy", elsewhere...),
		policy("AmazonEKSViewPolicy", "prod"),
	}
}

func principal(i int) minato.Principal {
	return minato.Principal{
		Type: minato.IAMUser, Account: account, ID: fmt.Sprintf("AIDA%06d", i), ARN: minato.NewARN("iam", "", account, fmt.Sprintf("user/u%06d", i)),
	}
}

func entry(p minato.Principal) eks.AccessEntry {
	return eks.AccessEntry{
		ClusterID: ClusterID, PrincipalARN: p.ARN, PrincipalID: p.ID, Type: "STANDARD", Username: p.ARN.String(), Groups: []string{"sre"},
		Policies: Policies(),
	}
}

// user is what the Authenticator makes of an IAM user with such an entry, and kube-apiserver of that.
func user(p minato.Principal) access.User {
	arn := p.ARN.String()
	return access.User{
		Username: arn, UID: "aws-iam-authenticator:" + p.Account + ":" + p.ID, Groups: []string{"sre", "system:authenticated"},
		Extra: map[string][]string{
			"accessKeyId": {"AKIABENCH"}, "arn": {arn}, "canonicalArn": {arn}, "principalId": {p.ID}, "sessionName": {""},
			"sigs.k8s.io/aws-iam-authenticator/principalId": {p.ID},
		},
	}
}
