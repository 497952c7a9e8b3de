package iam_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/iam"
)

const (
	account = "111122223333"
	other   = "444455556666"

	allowAll  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	allowEKS  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}`
	denyEKS   = `{"Version":"2012-10-17","Statement":[{"Sid":"Never","Effect":"Deny","Action":"eks:Delete*","Resource":"*"}]}`
	trustsEKS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// world is IAM with two accounts, on a store in memory.
type world struct {
	testing.TB
	*iam.Service
	store  store.Store
	sealer *seal.Sealer
	clock  *clock.Clock
	admin  iam.NewAccessKey // of account
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, memstore.New())
}

func newWorldOn(t testing.TB, s store.Store) *world {
	t.Helper()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, store: s, sealer: sealer, clock: &clock.Clock{}}
	w.Service = iam.New(w.store, sealer, w.clock)
	for _, a := range []string{account, other} {
		key, err := w.EnsureAccount(t.Context(), a)
		w.must(err)
		if a == account {
			w.admin = key
		}
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// wants checks an error's kind, its reason and a part of its message.
func (w *world) wants(err error, kind minato.Kind, reason, message string) {
	w.Helper()
	e, ok := errors.AsType[*minato.Error](err)
	if !ok || e.Kind != kind || e.Reason != reason || !strings.Contains(e.Message, message) {
		w.Errorf("error = %v (%+v), want kind %q, reason %s, message %q", err, e, kind, reason, message)
	}
}

func (w *world) user(name string) iam.User {
	w.Helper()
	u, err := w.CreateUser(w.Context(), account, iam.NewUser{Name: name})
	w.must(err)
	return u
}

func (w *world) role(name, trust string) iam.Role {
	w.Helper()
	r, err := w.CreateRole(w.Context(), account, iam.NewRole{Name: name, Trust: trust})
	w.must(err)
	return r
}

func (w *world) policy(name, document string) string {
	w.Helper()
	p, err := w.CreatePolicy(w.Context(), account, iam.NewPolicy{Name: name, Document: document})
	w.must(err)
	return p.ARN().String()
}

// credential is what a user's new access key is good for.
func (w *world) credential(user string) iam.Credential {
	w.Helper()
	key, err := w.CreateAccessKey(w.Context(), account, user)
	w.must(err)
	c, err := w.Credentials(w.Context(), key.ID, "")
	w.must(err)
	return c
}

// session issues a session of a role, and looks it up.
func (w *world) session(r iam.Role, s iam.SessionContext) (iam.Credential, iam.Temporary) {
	w.Helper()
	t, err := w.IssueSession(w.Context(), sessionPrincipal(r), s, time.Hour)
	w.must(err)
	c, err := w.Credentials(w.Context(), t.AccessKeyID, t.SessionToken)
	w.must(err)
	return c, t
}

func sessionPrincipal(r iam.Role) minato.Principal {
	return minato.Principal{Type: minato.AssumedRole, Account: r.Account, RoleARN: r.ARN(), SessionName: "s",
		ARN: minato.NewARN("sts", "", r.Account, "assumed-role/"+r.Name+"/s"), ID: r.ID + ":s"}
}

func userHolder(name string) iam.Holder {
	return iam.Holder{Account: account, Kind: iam.UserKind, Name: name}
}

func roleHolder(name string) iam.Holder {
	return iam.Holder{Account: account, Kind: iam.RoleKind, Name: name}
}

func groupHolder(name string) iam.Holder {
	return iam.Holder{Account: account, Kind: iam.GroupKind, Name: name}
}
