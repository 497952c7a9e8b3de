package etcd_test

import (
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
)

// external is the Admin of a server, seen as an etcd of the user's own whose files are spoiled first.
func external(t *testing.T, s *etcdtest.Server, spoil func(*etcd.External)) *etcd.Admin {
	t.Helper()
	root := s.Config.PKI.Target(etcd.Root)
	e := etcd.External{
		CAFile: root.CAFile, CertFile: root.CertFile, KeyFile: root.KeyFile,
		ClientCAFile: s.Config.PKI.AuthorityFile(), ClientCAKeyFile: filepath.Join(string(s.Config.PKI), "etcd-ca.key"),
	}
	spoil(&e)
	p := etcd.PKI(filepath.Join(t.TempDir(), "pki"))
	if err := p.Import(e); err != nil {
		t.Fatal(err)
	}
	admin, err := etcd.NewAdmin(etcdtest.Connect(t, p.Target(etcd.Root, s.Endpoint())), p, s.Config.Log)
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

func asGiven(*etcd.External) {}

// TestExternal: an etcd of the user's own serves like ours, and one that lacks something is refused by name.
func TestExternal(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	admin := external(t, s, asGiven)
	for range 2 {
		if err := admin.BootstrapExternal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.EnsureTenant(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	pair, err := admin.TenantIdentity("a")
	if err != nil {
		t.Fatal(err)
	}
	allowed(t, as(t, s, pair), put("/k8s/a/x"))

	stranger := etcd.PKI(filepath.Join(t.TempDir(), "stranger"))
	ensure(t, stranger)
	for name, c := range map[string]struct {
		spoil func(*etcd.External)
		want  string
	}{
		"a client CA that etcd does not trust": {func(e *etcd.External) {
			e.ClientCAFile, e.ClientCAKeyFile = stranger.AuthorityFile(), filepath.Join(string(stranger), "etcd-ca.key")
		}, "does not take certificates of the client CA"},
		"a certificate that is not root's": {func(e *etcd.External) {
			hook := s.Config.PKI.Target(etcd.Hook)
			e.CertFile, e.KeyFile = hook.CertFile, hook.KeyFile
		}, "is not root's there"},
	} {
		err := external(t, s, c.spoil).BootstrapExternal(t.Context())
		if !minato.Is(err, minato.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error of kind Invalid that says %q", name, err, c.want)
		}
	}
}

// TestExternalWithoutAuthentication is refused, and stays as it is.
func TestExternalWithoutAuthentication(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	etcdtest.Serve(t, c)
	s := &etcdtest.Server{Config: c}
	err := external(t, s, asGiven).BootstrapExternal(t.Context())
	if !minato.Is(err, minato.Invalid) || !strings.Contains(err.Error(), "has no authentication") {
		t.Errorf("%v, want an error of kind Invalid that says there is no authentication", err)
	}
	client := s.Connect(t, etcd.Root)
	status, err := client.AuthStatus(t.Context())
	if err != nil || status.Enabled {
		t.Errorf("authentication: %v, %v; want it off as before", status, err)
	}
	if users, err := client.UserList(t.Context()); err != nil || len(users.Users) != 0 {
		t.Errorf("users: %v, %v; want none", users, err)
	}
}
