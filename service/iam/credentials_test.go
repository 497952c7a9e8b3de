package iam_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// lookups are the two ways to a credential; both must answer alike.
func lookups(w *world) map[string]iam.Credentials {
	return map[string]iam.Credentials{
		"service": w.Credentials,
		"keyring": iam.NewKeyring(w.store, w.sealer, w.clock).Credentials,
	}
}

func TestCredentialErrors(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	role := w.role("r", trustsEKS)
	_, a := w.session(role, iam.SessionContext{})
	_, b := w.session(role, iam.SessionContext{})
	raw, err := base64.StdEncoding.DecodeString(a.SessionToken)
	w.must(err)
	raw[len(raw)-1] ^= 1
	altered := base64.StdEncoding.EncodeToString(raw)
	for name, lookup := range lookups(w) {
		for _, c := range []struct{ what, id, token, reason string }{
			{"unknown key", "AKIAAAAAAAAAAAAAAAAA", "", iam.InvalidClientTokenID},
			{"no key at all", "../../etc", "", iam.InvalidClientTokenID},
			{"long-lived key with a token", w.admin.ID, a.SessionToken, iam.InvalidToken},
			{"temporary key without its token", a.AccessKeyID, "", iam.InvalidToken},
			{"another session's token", a.AccessKeyID, b.SessionToken, iam.InvalidToken},
			{"altered token", a.AccessKeyID, altered, iam.InvalidToken},
			{"nonsense for a token", a.AccessKeyID, "!", iam.InvalidToken},
			{"huge token", a.AccessKeyID, base64.StdEncoding.EncodeToString(make([]byte, 1<<20)), iam.InvalidToken},
		} {
			_, err := lookup(ctx, c.id, c.token)
			t.Log(name, c.what)
			w.wants(err, minato.Unauthenticated, c.reason, "The security token included in the request is invalid")
		}
		got, err := lookup(ctx, a.AccessKeyID, a.SessionToken)
		w.must(err)
		if got.Secret != a.SecretAccessKey || got.Principal.ID != role.ID+":s" || got.Principal.AccessKeyID != a.AccessKeyID ||
			!got.Expires.Equal(a.Expires) || got.Session == nil {
			t.Errorf("%s: credential = %+v", name, got.Principal)
		}
	}
	if n := len(a.SessionToken); n > 1024 {
		t.Errorf("a session token has %d characters, at most 1024 leave room in a cluster token", n)
	}
}

// unpackable is a session's context that is too large for its token, so that the session gets a record.
func unpackable() iam.SessionContext {
	var random [2 << 10]byte
	_, _ = rand.Read(random[:])
	return iam.SessionContext{Policies: []string{base64.StdEncoding.EncodeToString(random[:])}}
}

func TestSessionExpires(t *testing.T) {
	t.Parallel()
	for records, session := range []iam.SessionContext{{}, unpackable()} {
		w, ctx := newWorld(t), t.Context()
		_, s := w.session(w.role("r", trustsEKS), session)
		w.clock.SetOffset(59 * time.Minute)
		for _, lookup := range lookups(w) {
			got, err := lookup(ctx, s.AccessKeyID, s.SessionToken)
			w.must(err)
			if got.Secret != s.SecretAccessKey || !slices.Equal(got.Session.Policies, session.Policies) {
				t.Errorf("the session is %+v, and its secret %q", got.Session, got.Secret)
			}
		}
		w.clock.SetOffset(time.Hour + time.Second)
		for _, collected := range []bool{false, true} { // the answer is the same before and after the record is gone
			for _, lookup := range lookups(w) {
				_, err := lookup(ctx, s.AccessKeyID, s.SessionToken)
				w.wants(err, minato.Unauthenticated, iam.ExpiredToken, "expired")
			}
			if !collected {
				n, err := w.DeleteExpiredSessions(ctx)
				w.must(err)
				if n != records {
					t.Errorf("%d sessions deleted, want %d", n, records)
				}
			}
		}
	}
}

func TestDeleteExpiredSessionsKeepsTheRest(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	role := w.role("r", trustsEKS)
	for range 600 { // more than a page
		_, err := w.IssueSession(ctx, sessionPrincipal(role), unpackable(), 15*time.Minute)
		w.must(err)
	}
	_, alive := w.session(role, unpackable())
	w.clock.SetOffset(30 * time.Minute)
	n, err := w.DeleteExpiredSessions(ctx)
	w.must(err)
	_, err = w.Credentials(ctx, alive.AccessKeyID, alive.SessionToken)
	w.must(err)
	if n != 600 {
		t.Errorf("%d sessions deleted, want 600", n)
	}
}

// A role that is deleted and made again is another role: old sessions do not come back.
func TestSessionsDieWithTheirRole(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	_, s := w.session(w.role("r", trustsEKS), iam.SessionContext{})
	w.must(w.DeleteRole(ctx, account, "r"))
	for _, lookup := range lookups(w) {
		_, err := lookup(ctx, s.AccessKeyID, s.SessionToken)
		w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")
	}
	w.role("r", trustsEKS)
	for _, lookup := range lookups(w) {
		_, err := lookup(ctx, s.AccessKeyID, s.SessionToken)
		w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.role("r", trustsEKS)
		role, err := w.Role(t.Context(), account, "r")
		w.must(err)
		counted := &countingStore{Store: w.store}
		k := iam.NewKeyring(counted, w.sealer, w.clock)
		if k.Ready() == nil {
			t.Error("ready before it has read anything")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		synctest.Wait()
		w.must(k.Ready())

		before := counted.gets
		got, err := k.Credentials(ctx, w.admin.ID, "")
		w.must(err)
		if got.Secret != w.admin.SecretAccessKey || counted.gets != before {
			t.Errorf("a lookup read the store %d times, want never", counted.gets-before)
		}
		id, err := k.UniqueID(ctx, roleHolder("r"))
		w.must(err)
		if id != role.ID {
			t.Errorf("unique id %s, want %s", id, role.ID)
		}
		_, err = k.UniqueID(ctx, roleHolder("ghost"))
		w.wants(err, minato.NotFound, iam.NoSuchEntity, "ghost")

		w.must(w.SetAccessKeyActive(ctx, account, iam.AdministratorUser, w.admin.ID, false))
		synctest.Wait()
		_, err = k.Credentials(ctx, w.admin.ID, "")
		w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")

		cancel()
		w.must(<-done)
		w.user("late") // the copies stand still now; what they lack is asked of the store
		late, err := w.CreateAccessKey(t.Context(), account, "late")
		w.must(err)
		_, err = k.Credentials(t.Context(), late.ID, "")
		w.must(err)
	})
}

// countingStore counts reads of single keys.
type countingStore struct {
	store.Store
	gets int
}

func (c *countingStore) Get(ctx context.Context, key string) (store.Entry, error) {
	c.gets++
	return c.Store.Get(ctx, key)
}

func BenchmarkKeyring(b *testing.B) {
	w := newWorld(b)
	_, session := w.session(w.role("r", trustsEKS), iam.SessionContext{})
	k := iam.NewKeyring(w.store, w.sealer, w.clock)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	l, err := w.store.List(ctx, iam.SessionsPrefix, store.ListOptions{})
	w.must(err)
	w.must(k.WaitFor(ctx, l.Revision))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Credentials(ctx, session.AccessKeyID, session.SessionToken); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	w.must(<-done)
}
