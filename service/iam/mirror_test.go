package iam_test

import (
	"context"
	"testing"
	"testing/synctest"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/engine/store/mirror"
	"minato.dev/minato/service/iam"
)

// deaf is a store whose watches never tell anything.
type deaf struct{ *memstore.Store }

func (deaf) Watch(ctx context.Context, _ string, _ store.Revision) <-chan store.Batch {
	out := make(chan store.Batch)
	go func() {
		<-ctx.Done()
		close(out)
	}()
	return out
}

// TestTheNextRequestKnows: with records in memory whose watch is far behind, what is given and what is taken away holds for the very next
// request.
func TestTheNextRequestKnows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := mirror.New(deaf{memstore.New()}, "/minato/", iam.Prefix, iam.AccessKeysPrefix, iam.SessionsPrefix)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = m.Run(ctx) }()
		synctest.Wait() // the first list is read, and nothing comes after it
		w := newWorldOn(t, m)
		w.user("ann")
		ann := w.credential("ann")
		may := func(c iam.Credential, want bool) {
			t.Helper()
			err := w.Authorize(ctx, iam.Access{Credential: c, Action: "eks:DeleteCluster"})
			if (err == nil) != want || (err != nil && !minato.Is(err, minato.Denied)) {
				t.Errorf("allowed: %v, want %v", err, want)
			}
		}
		may(ann, false)
		arn := w.policy("eks", allowEKS)
		w.must(w.AttachPolicy(ctx, userHolder("ann"), arn))
		may(ann, true)
		_, err := w.CreatePolicyVersion(ctx, account, arn, denyEKS, true)
		w.must(err)
		may(ann, false)
		w.must(w.SetDefaultPolicyVersion(ctx, account, arn, "v1"))
		may(ann, true)
		w.must(w.DetachPolicy(ctx, userHolder("ann"), arn))
		may(ann, false)

		for range 2 { // the second time the role has the name of one that was deleted
			_, session := w.session(w.role("r", trustsEKS), unpackable())
			w.must(w.PutInlinePolicy(ctx, roleHolder("r"), "p", allowEKS))
			plain, carried := w.session(w.mustRole("r"), iam.SessionContext{})
			may(plain, true)
			w.must(w.DeleteInlinePolicy(ctx, roleHolder("r"), "p"))
			may(plain, false)
			w.must(w.DeleteRole(ctx, account, "r"))
			for _, s := range []iam.Temporary{session, carried} {
				_, err := w.Credentials(ctx, s.AccessKeyID, s.SessionToken)
				w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")
			}
		}

		for _, active := range []bool{false, true} {
			w.must(w.SetAccessKeyActive(ctx, account, "ann", ann.AccessKeyID, active))
			if _, err := w.Credentials(ctx, ann.AccessKeyID, ""); (err == nil) != active {
				t.Errorf("with the key active %v: %v", active, err)
			}
		}
		w.must(w.DeleteAccessKey(ctx, account, "ann", ann.AccessKeyID))
		_, err = w.Credentials(ctx, ann.AccessKeyID, "")
		w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")
	})
}

func (w *world) mustRole(name string) iam.Role {
	w.Helper()
	r, err := w.Role(w.Context(), account, name)
	w.must(err)
	return r
}
