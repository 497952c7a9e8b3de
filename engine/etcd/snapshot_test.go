package etcd_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
)

// TestSnapshotAndRestore takes everything to another machine: keys, users, roles, and revisions that never go back.
func TestSnapshotAndRestore(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	allowed(t, tenant(t, s, "a"), put("/k8s/a/x"))
	last := overwrite(t, s.Client, 10)
	file := filepath.Join(t.TempDir(), "snapshot")
	var snapshot bytes.Buffer
	if err := s.Admin.Snapshot(t.Context(), &snapshot); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, snapshot.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	late := overwrite(t, s.Client, 3) // not in the snapshot

	c := etcdtest.Config(t)
	c.PKI = s.Config.PKI // a backup carries the certificates as well
	if err := etcd.Restore(file, c.Dir); err != nil {
		t.Fatal(err)
	}
	etcdtest.Serve(t, c)
	restored := etcdtest.Bootstrapped(t, c)
	resp, err := restored.Client.Get(t.Context(), "/minato/n")
	if err != nil || string(resp.Kvs[0].Value) != "9" || resp.Kvs[0].ModRevision != last || resp.Header.Revision <= late {
		t.Fatalf("restored %v, %v; want 9 of revision %d, and a revision after %d", resp, err, last, late)
	}
	a := tenant(t, restored, "a")
	allowed(t, a, get("/k8s/a/x"), put("/k8s/a/y"))
	denied(t, a, get("/minato/n"))
	if watch := <-a.Watch(t.Context(), "/k8s/a/", clientv3.WithPrefix(), clientv3.WithRev(late)); !errors.Is(watch.Err(), rpctypes.ErrCompacted) {
		t.Errorf("a watch from before the restore: %v, want that it must list again", watch.Err())
	}

	if err := etcd.Restore(file, c.Dir); !minato.Is(err, minato.AlreadyExists) {
		t.Errorf("restoring over data: %v, want an error of kind AlreadyExists", err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	overwrite(t, s.Client, 3)
	var whole bytes.Buffer
	if err := s.Admin.Snapshot(t.Context(), &whole); err != nil {
		t.Fatal(err)
	}
	altered := bytes.Clone(whole.Bytes())
	altered[len(altered)/2] ^= 1
	for name, content := range map[string][]byte{
		"empty":    {},
		"cut":      whole.Bytes()[:whole.Len()/2],
		"altered":  altered,
		"no etcd":  bytes.Repeat([]byte("minato"), 4096),
		"no chsum": whole.Bytes()[:whole.Len()-32],
	} {
		dir := t.TempDir()
		file, data := filepath.Join(dir, "snapshot"), filepath.Join(dir, "etcd")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := etcd.Restore(file, data); !minato.Is(err, minato.Invalid) {
			t.Errorf("%s: %v, want an error of kind Invalid", name, err)
		}
		if left, err := filepath.Glob(data + "*"); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
	if err := etcd.Restore(filepath.Join(t.TempDir(), "none"), t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
