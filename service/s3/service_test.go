package s3_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
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

// meddling is a store in which somebody else writes before the first deletion, or where that fails.
type meddling struct {
	store.Store
	before func() error
}

func (s *meddling) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	if before := s.before; before != nil && ops[0].Verb == store.VerbDelete {
		s.before = nil
		if err := before(); err != nil {
			return 0, err
		}
	}
	return s.Store.Commit(ctx, ops...)
}

// TestDeleteBucketInTheMiddle deletes buckets whose records change between their contents' removal and their own, or whose deletion is cut
// short there: they are gone, or can be had again.
func TestDeleteBucketInTheMiddle(t *testing.T) {
	t.Parallel()
	objects, err := objectstore.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	records := &meddling{Store: memstore.New()}
	s := &s3.Service{Store: records, Objects: objects, Now: time.Now, Decide: func(context.Context, iam.Access, *policy.Named, string) (policy.Decision, error) {
		return policy.Decision{Allowed: true}, nil
	}}
	c := s3.Caller{Scope: minato.Scope{Account: "111122223333", Region: "eu-west-1"}}
	if err := s.CreateBucket(t.Context(), c, "data", ""); err != nil {
		t.Fatal(err)
	}
	records.before = func() error { return s.PutBucketTagging(t.Context(), c, "data", minato.Tags{"a": "b"}) }
	if err := s.DeleteBucket(t.Context(), c, "data"); err != nil {
		t.Errorf("with tags that come meanwhile: %v", err)
	}
	if err := s.CreateBucket(t.Context(), c, "data", ""); err != nil {
		t.Errorf("the name is taken: %v", err)
	}
	records.before = func() error { return errors.New("no answer") }
	if err := s.DeleteBucket(t.Context(), c, "data"); err == nil {
		t.Error("a deletion that was cut short succeeds")
	}
	if err := s.CreateBucket(t.Context(), c, "data", ""); !minato.Is(err, minato.AlreadyExists) {
		t.Errorf("the bucket is there: %v", err)
	}
	if _, err := s.PutObject(t.Context(), c, s3.Put{Ref: s3.Ref{Bucket: "data", Key: "k"}, Body: strings.NewReader("v")}); err != nil {
		t.Errorf("and takes no objects: %v", err)
	}
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
