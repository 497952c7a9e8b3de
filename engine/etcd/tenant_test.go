package etcd_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
)

// authRevision is how often users and roles have been changed.
func authRevision(t *testing.T, s *etcdtest.Server) uint64 {
	t.Helper()
	status, err := s.Client.AuthStatus(t.Context())
	if err != nil || !status.Enabled {
		t.Fatalf("authentication: %v, %v; want it on", status, err)
	}
	return status.AuthRevision
}

// TestBootstrapRepairs: what somebody changed by hand is put right, and what is right is left alone.
func TestBootstrapRepairs(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a := tenant(t, s, "a")
	revision := authRevision(t, s)
	again := func() {
		t.Helper()
		if err := s.Admin.Bootstrap(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Admin.EnsureTenant(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	again()
	if got := authRevision(t, s); got != revision {
		t.Errorf("a second bootstrap changed users or roles: revision %d, then %d", revision, got)
	}

	readWrite := clientv3.PermissionType(clientv3.PermReadWrite)
	for _, spoil := range []func() error{
		func() error {
			_, err := s.Client.RoleGrantPermission(t.Context(), "k8s-a", "/minato/", "/minato0", readWrite)
			return err
		},
		func() error {
			_, err := s.Client.RoleGrantPermission(t.Context(), "minato-hook", "/minato/", "/minato0", readWrite)
			return err
		},
		func() error { _, err := s.Client.UserGrantRole(t.Context(), "k8s-a", "root"); return err },
		func() error { _, err := s.Client.UserRevokeRole(t.Context(), "k8s-a", "k8s-a"); return err },
		func() error { _, err := s.Client.UserDelete(t.Context(), "minato-gate"); return err },
		func() error { _, err := s.Client.RoleDelete(t.Context(), "minato-gate"); return err },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
	}
	allowed(t, a, put("/minato/x"))
	again()
	denied(t, a, put("/minato/x"), put("/elsewhere"))
	allowed(t, a, put("/k8s/a/x"), get("compact_rev_key"))
	hook, gate := s.Connect(t, etcd.Hook), s.Connect(t, etcd.Gate)
	denied(t, hook, put("/minato/x"))
	allowed(t, hook, get("/minato/x"))
	allowed(t, gate, get("/minato/routes/", clientv3.WithPrefix()))
}

func TestDeleteTenant(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a, b := tenant(t, s, "a"), tenant(t, s, "b")
	const many = 1234 // more than two batches
	for i := range many {
		if _, err := a.Put(t.Context(), fmt.Sprintf("/k8s/a/%d", i), "12345"); err != nil {
			t.Fatal(err)
		}
	}
	allowed(t, b, put("/k8s/b/x"))
	size, err := s.Admin.TenantSize(t.Context(), "a")
	if want := int64(many*(len("/k8s/a/")+5) + 10 + 90*2 + 900*3 + (many-1000)*4); err != nil || size.Keys != many || size.Bytes != want {
		t.Errorf("size of a: %+v, %v; want %d keys, %d bytes", size, err, many, want)
	}
	for range 2 {
		if err := s.Admin.DeleteTenant(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if size, err := s.Admin.TenantSize(t.Context(), "a"); err != nil || size != (etcd.TenantSize{}) {
		t.Errorf("size of a after it was deleted: %+v, %v", size, err)
	}
	if size, err := s.Admin.TenantSize(t.Context(), "b"); err != nil || size.Keys != 1 {
		t.Errorf("size of b: %+v, %v; want its one key", size, err)
	}
	if _, err := a.Get(t.Context(), "/k8s/a/1"); err == nil {
		t.Error("a deleted tenant still reads")
	}
	users, err := s.Client.UserList(t.Context())
	if err != nil || strings.Join(users.Users, " ") != "k8s-b minato-gate minato-hook minato-vpc root" {
		t.Errorf("users: %v, %v", users, err)
	}
	roles, err := s.Client.RoleList(t.Context())
	if err != nil || strings.Join(roles.Roles, " ") != "k8s-b minato-gate minato-hook minato-vpc root" && strings.Join(roles.Roles, " ") != "k8s-b minato-gate minato-hook minato-vpc" {
		t.Errorf("roles: %v, %v", roles, err)
	}
}

// TestTenantsComeWhileOthersWrite: a change of users makes etcd refuse what is in flight; clients repeat it and lose nothing.
func TestTenantsComeWhileOthersWrite(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a := tenant(t, s, "a")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := a.Put(context.WithoutCancel(ctx), fmt.Sprintf("/k8s/a/%d", w), "x"); err != nil {
					t.Errorf("a write while tenants came: %v", err)
					return
				}
			}
		})
	}
	for i := range 10 {
		if err := s.Admin.EnsureTenant(t.Context(), fmt.Sprintf("n%d", i)); err != nil {
			t.Errorf("tenant %d: %v", i, err)
		}
	}
	cancel()
	writers.Wait()
}

func TestTenantNames(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	for _, id := range []string{"", "/", "a/b", "..", "a b", "-a", "a\x00", strings.Repeat("a", 64), "é"} {
		_, identity := s.Admin.TenantIdentity(id)
		_, size := s.Admin.TenantSize(t.Context(), id)
		for what, err := range map[string]error{
			"ensure":   s.Admin.EnsureTenant(t.Context(), id),
			"delete":   s.Admin.DeleteTenant(t.Context(), id),
			"identity": identity,
			"size":     size,
		} {
			if !minato.Is(err, minato.Invalid) {
				t.Errorf("%s %q: %v, want an error of kind Invalid", what, id, err)
			}
		}
	}
}
