package kubehook

import (
	"context"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
)

// authorizeWorld is the whole way of an access review to an index of 1,000 entries of five policies each.
func authorizeWorld(b *testing.B) (w *world, review string) {
	b.Helper()
	records := eks.AccessEntries(memstore.New())
	for i := range 1000 {
		arn := minato.NewARN("iam", "", benchUser.Account, fmt.Sprintf("user/u%d", i))
		e := eks.AccessEntry{ClusterID: cluster, PrincipalARN: arn, PrincipalID: fmt.Sprintf("AIDA%d", i), Type: "STANDARD", Username: arn.String()}
		for _, name := range []string{"Admin", "Edit", "AdminView", "SecretReader", "View"} {
			policy := minato.ARN{Partition: "aws", Service: "eks", Account: "aws", Resource: "cluster-access-policy/AmazonEKS" + name + "Policy"}
			e.Policies = append(e.Policies, eks.AssociatedPolicy{PolicyARN: policy, ScopeType: "namespace", Namespaces: []string{"team-*", name}})
		}
		if _, err := records.Create(b.Context(), eks.AccessEntryKey(cluster, arn), e); err != nil {
			b.Fatal(err)
		}
	}
	view := store.NewView(records)
	entries := access.NewEntries(view)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- view.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	<-view.Ready()
	c := &eks.Cluster{Name: "prod", ID: cluster, Spec: eks.ClusterSpec{AuthenticationMode: "API"}}
	authorizer := access.NewAuthorizer(access.AuthorizerConfig{
		Cluster: func(id string) (*eks.Cluster, bool) { return c, id == c.ID },
		Entries: entries, Mappers: access.Mappers{entries.Mapper(nil), access.CreatorAdmin},
	})
	arn := minato.NewARN("iam", "", benchUser.Account, "user/u500").String()
	return startBoth(b, letIn, authorizer.Authorize), accessReviewOf(b, authorizationv1.SubjectAccessReviewSpec{
		User: arn, UID: "aws-iam-authenticator:" + benchUser.Account + ":AIDA500", Groups: []string{"system:authenticated"},
		Extra: map[string]authorizationv1.ExtraValue{
			"accessKeyId": {"AKIABENCH"}, "arn": {arn}, "canonicalArn": {arn}, "principalId": {"AIDA500"}, "sessionName": {""},
			"sigs.k8s.io/aws-iam-authenticator/principalId": {"AIDA500"},
		},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "View", Verb: "get", Version: "v1", Resource: "pods"},
	})
}

const allowed = `"allowed":true`

// BenchmarkAccessReview asks as fast as one kube-apiserver connection allows, client and server sharing -cpu cores.
func BenchmarkAccessReview(b *testing.B) {
	w, review := authorizeWorld(b)
	flatOut(b, w.apiserver(), "https://"+w.addr+authorizePath, review, allowed)
}

// BenchmarkAccessReviewAt2000 asks 2,000 times a second, whether or not the answers keep up.
func BenchmarkAccessReviewAt2000(b *testing.B) {
	w, review := authorizeWorld(b)
	steadily(b, w.apiserver(), "https://"+w.addr+authorizePath, review, allowed)
}
