package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestContainersOfATornDiskAreForgotten(t *testing.T) {
	t.Parallel()
	known := func(root string) string { return filepath.Join(root, containerdRoot, "meta.db") }
	for name, tt := range map[string]struct {
		mark   string // what an earlier run left; empty for nothing
		forget bool
	}{
		"stopped in good order": {"", false},
		"killed in this boot":   {"this", false},
		"the machine went down": {"an earlier boot", true},
		"the mark itself torn":  {" ", true},
	} {
		root := t.TempDir()
		for _, path := range []string{known(root), filepath.Join(root, "var/lib/kubelet/volume")} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := beginWriting(root); err != nil {
			t.Fatal(err)
		}
		if tt.mark == "" {
			if err := endWriting(root); err != nil {
				t.Fatal(err)
			}
		} else if tt.mark != "this" {
			if err := os.WriteFile(filepath.Join(root, writtenIn), []byte(tt.mark), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		forgot, err := beginWriting(root)
		if err != nil || forgot != tt.forget {
			t.Errorf("%s: forgot %t, %v; want %t", name, forgot, err, tt.forget)
		}
		if _, err := os.Stat(known(root)); (err != nil) != tt.forget {
			t.Errorf("%s: what containerd knew: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(root, "var/lib/kubelet/volume")); err != nil {
			t.Errorf("%s: a volume is gone: %v", name, err)
		}
		if forgot, err := beginWriting(root); err != nil || forgot {
			t.Errorf("%s: forgot %t, %v a second time in one boot", name, forgot, err)
		}
	}
}
