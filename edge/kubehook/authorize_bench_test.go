package kubehook

import (
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/accesstest"
)

// authorizeWorld is the whole way of an access review to an index of 1,000 entries of five policies each.
func authorizeWorld(b *testing.B) (w *world, review string) {
	b.Helper()
	entries, err := accesstest.New(b.Context(), 1000)
	if err != nil {
		b.Fatal(err)
	}
	q := entries.Allowed[0]
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range q.User.Extra {
		extra[name] = values
	}
	decide := func(_ string, q access.Question) access.Verdict {
		return entries.Authorizer.Authorize(accesstest.ClusterID, q)
	}
	return startBoth(b, letIn, decide), accessReviewOf(b, authorizationv1.SubjectAccessReviewSpec{
		User: q.User.Username, UID: q.User.UID, Groups: q.User.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: q.Namespace, Verb: q.Request.Verb, Version: "v1", Resource: q.Request.Resource},
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
