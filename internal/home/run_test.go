package home

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestMakeOwnWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		path := filepath.Join(t.TempDir(), "minato", "x")
		before := syscall.Umask(umask) // of the whole process: no parallel test runs now
		err := makeOwn(path, 0o711)
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("umask %o: %v, %v, want mode 711", umask, info.Mode(), err)
		}
	}
}

func TestMakeOwnTakesNoFolderThatOthersCouldChange(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path, elsewhere string) error{
		"a link":                 func(path, elsewhere string) error { return os.Symlink(elsewhere, path) },
		"a file":                 func(path, _ string) error { return os.WriteFile(path, nil, 0o600) },
		"for everybody to write": func(path, _ string) error { return mkdir(path, 0o777) },
		"for a group to write":   func(path, _ string) error { return mkdir(path, 0o770) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, elsewhere := filepath.Join(t.TempDir(), "minato"), t.TempDir()
			if err := make(path, elsewhere); err != nil {
				t.Fatal(err)
			}
			if err := makeOwn(path, 0o711); err == nil {
				t.Error("it was taken")
			}
		})
	}
	ours := filepath.Join(t.TempDir(), "minato")
	if err := mkdir(ours, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := makeOwn(ours, 0o711); err != nil {
		t.Error(err)
	}
}

func mkdir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
