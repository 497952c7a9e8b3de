package iam_test

import (
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

func TestEnsureAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	again, err := w.EnsureAccount(t.Context(), account)
	w.must(err)
	if again.ID != w.admin.ID || again.SecretAccessKey != w.admin.SecretAccessKey || len(again.SecretAccessKey) != 40 {
		t.Errorf("a second EnsureAccount answers %q, want the same key %q with its secret", again.ID, w.admin.ID)
	}
	admin, err := w.Credentials(t.Context(), w.admin.ID, "")
	w.must(err)
	if admin.Principal.Type != minato.IAMUser || admin.Principal.ARN.String() != "arn:aws:iam::111122223333:user/admin" ||
		!strings.HasPrefix(admin.Principal.ID, "AIDA") || len(admin.Principal.ID) != 21 || admin.Secret != w.admin.SecretAccessKey {
		t.Errorf("the administrator is %+v", admin.Principal)
	}
	w.must(w.Authorize(t.Context(), iam.Access{Credential: admin, Action: "eks:DeleteCluster"}))

	root, err := w.RootKey(t.Context(), account)
	w.must(err)
	rootCredential, err := w.Credentials(t.Context(), root.ID, "")
	w.must(err)
	if p := rootCredential.Principal; p.Type != minato.AccountRoot || p.ARN.String() != "arn:aws:iam::111122223333:root" || p.ID != account {
		t.Errorf("root is %+v", p)
	}
	w.must(w.Authorize(t.Context(), iam.Access{Credential: rootCredential, Action: "eks:DeleteCluster"}))

	w.must(w.DeleteAccessKey(t.Context(), account, iam.AdministratorUser, w.admin.ID))
	gone, err := w.EnsureAccount(t.Context(), account)
	w.must(err)
	if gone.ID != "" {
		t.Errorf("the key that was deleted is answered: %q", gone.ID)
	}
	_, err = w.EnsureAccount(t.Context(), "12345")
	w.wants(err, minato.Invalid, "", "12345")
}

// Nobody who reads the store finds a secret in it.
func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root, err := w.RootKey(t.Context(), account)
	w.must(err)
	_, session := w.session(w.role("r", trustsEKS), iam.SessionContext{})
	all, err := w.store.List(t.Context(), "/", store.ListOptions{})
	w.must(err)
	if len(all.Entries) < 8 {
		t.Fatalf("only %d records", len(all.Entries))
	}
	for _, e := range all.Entries {
		for _, secret := range []string{w.admin.SecretAccessKey, root.SecretAccessKey, session.SecretAccessKey, session.SessionToken} {
			if strings.Contains(string(e.Value), secret) {
				t.Errorf("%s holds a secret in the clear", e.Key)
			}
		}
	}
}
