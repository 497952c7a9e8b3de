package s3_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
	"minato.dev/minato/service/s3"
)

// stuck is a store that does not answer.
type stuck struct{ store.Store }

func (stuck) Get(ctx context.Context, _ string) (store.Entry, error) { return store.Entry{}, end(ctx) }
func (stuck) List(ctx context.Context, _ string, _ store.ListOptions) (store.Listing, error) {
	return store.Listing{}, end(ctx)
}

func end(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestNothingWaitsForRecordsForEver has no answer from the store, and none to the question of who may: a request, which has no end of
// its own because its contents may be long, ends all the same.
func TestNothingWaitsForRecordsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := func(ctx context.Context, _ iam.Access, _ *policy.Named, _ string) (policy.Decision, error) {
			return policy.Decision{}, end(ctx)
		}
		yes := func(context.Context, iam.Access, *policy.Named, string) (policy.Decision, error) {
			return policy.Decision{Allowed: true}, nil
		}
		unread := &s3.Service{Store: stuck{memstore.New()}, Now: time.Now, Decide: yes}
		undecided := &s3.Service{Store: memstore.New(), Now: time.Now, Decide: never}
		var c s3.Caller
		ref := s3.Ref{Bucket: "data", Key: "k"}
		second := func(_ any, err error) error { return err }
		for name, call := range map[string]func(ctx context.Context) error{
			"PutObject":       func(ctx context.Context) error { return second(unread.PutObject(ctx, c, s3.Put{Ref: ref})) },
			"HeadObject":      func(ctx context.Context) error { return second(unread.HeadObject(ctx, c, ref, s3.Conditions{})) },
			"CheckOwner":      func(ctx context.Context) error { return unread.CheckOwner(ctx, "data", "111122223333") },
			"ListBuckets":     func(ctx context.Context) error { return second(unread.ListBuckets(ctx, c)) },
			"DeleteBucket":    func(ctx context.Context) error { return unread.DeleteBucket(ctx, c, "data") },
			"PutTagging":      func(ctx context.Context) error { return unread.PutBucketTagging(ctx, c, "data", minato.Tags{}) },
			"a decision":      func(ctx context.Context) error { return undecided.CreateBucket(ctx, c, "data", "") },
			"another of them": func(ctx context.Context) error { return second(undecided.ListBuckets(ctx, c)) },
		} {
			began := time.Now()
			if err := call(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Minute {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
		}
	})
}
