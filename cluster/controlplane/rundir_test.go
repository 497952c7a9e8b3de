package controlplane

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// otherUID is a cluster's uid where we may give files away, else our own.
func otherUID() uint32 {
	if os.Geteuid() == 0 {
		return lastUID
	}
	return 0
}

// TestRunFolderCannotBeChanged is that what root writes to later cannot be replaced by a kube-apiserver that was taken over.
func TestRunFolderCannotBeChanged(t *testing.T) {
	t.Parallel()
	d, uid := runDir(filepath.Join(t.TempDir(), "id")), otherUID()
	must(t, d.ensure(uid, 1))
	must(t, d.write(d.pki("ca.key"), []byte("secret"), uid))
	must(t, d.writeGeneration(1, []file{{"audit.yaml", []byte("{}")}}, uid))
	must(t, d.ensure(uid, 2))
	paths := 0
	must(t, filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		stat := info.Sys().(*syscall.Stat_t)
		if int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o027 != 0 {
			t.Errorf("%s belongs to %d with mode %o: others than we could change it, or strangers read it", path, stat.Uid, info.Mode().Perm())
		}
		if uid != 0 && (stat.Gid != uid || info.Mode().Perm()&0o040 == 0) {
			t.Errorf("%s has group %d and mode %o: the cluster cannot read it", path, stat.Gid, info.Mode().Perm())
		}
		paths++
		return nil
	}))
	if paths != 9 {
		t.Errorf("%d files and folders, want 9", paths)
	}
}

// TestRunFolderFollowsNoLink is about folders that an older Minato gave away.
func TestRunFolderFollowsNoLink(t *testing.T) {
	t.Parallel()
	d, elsewhere := runDir(filepath.Join(t.TempDir(), "id")), t.TempDir()
	must(t, os.Mkdir(string(d), 0o700))
	must(t, os.Symlink(elsewhere, d.pki("")))
	before, err := os.Stat(elsewhere)
	must(t, err)
	if err := d.ensure(otherUID(), 1); err == nil {
		t.Error("a link was taken for a folder")
	}
	after, err := os.Stat(elsewhere)
	must(t, err)
	if *before.Sys().(*syscall.Stat_t) != *after.Sys().(*syscall.Stat_t) {
		t.Errorf("where it leads has changed: %v, was %v", after.Mode(), before.Mode())
	}
}
