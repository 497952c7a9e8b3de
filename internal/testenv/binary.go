package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// binary is the minato under test: $MINATO_BIN, which `make test` sets, or one built for this test process. It finds what
// else was built in the folders beside it.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("MINATO_BIN"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("MINATO_BIN: %w", err)
		}
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", dirPrefix+"bin-")
	if err != nil {
		return "", err
	}
	builtDir = dir
	for _, name := range []string{"kube", "upstream"} {
		if err := os.Symlink(filepath.Join(root, "bin", name), filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir+string(filepath.Separator), "./cmd/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building minato: %w\n%s", err, out)
	}
	return filepath.Join(dir, "minato"), nil
})

// copyBinary puts a copy of minato into a folder where it finds only some of the minors that the original does.
func copyBinary(binary, dir string, minors []string) (string, error) {
	if err := os.MkdirAll(filepath.Join(dir, "kube"), 0o755); err != nil {
		return "", err
	}
	for _, minor := range minors {
		built := filepath.Join(filepath.Dir(binary), "kube", "v"+minor)
		if err := os.Symlink(built, filepath.Join(dir, "kube", "v"+minor)); err != nil {
			return "", err
		}
	}
	others, err := os.ReadDir(filepath.Dir(binary))
	if err != nil {
		return "", err
	}
	for _, other := range others {
		if other.Name() == "kube" || other.Name() == filepath.Base(binary) {
			continue
		}
		if err := os.Symlink(filepath.Join(filepath.Dir(binary), other.Name()), filepath.Join(dir, other.Name())); err != nil {
			return "", err
		}
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "minato")
	return path, os.WriteFile(path, content, 0o755)
}

// builtDir holds the binary when we built it ourselves; Main removes it.
var builtDir string

// moduleRoot is the folder of the main module, found upwards from the test's own folder.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above %s", start)
		}
	}
}
