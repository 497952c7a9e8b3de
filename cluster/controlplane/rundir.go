package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/home"
)

// runDir is the run folder of one cluster. It is its own uid's (0700, files 0600), in a parent that others can only pass.
type runDir string

func newRunDir(h home.Dir, clusterID string) runDir { return runDir(h.Run("clusters", clusterID)) }

// pki is a file that programs read again when it changes.
func (d runDir) pki(name string) string { return filepath.Join(string(d), "pki", name) }

// generation is a file that the programs of one generation read once.
func (d runDir) generation(n int, name string) string {
	return filepath.Join(string(d), generationFolder(n), name)
}

func generationFolder(n int) string { return "gen-" + strconv.Itoa(n) }

// ensure makes the folders of the cluster and of one generation, given to uid where Minato is root.
func (d runDir) ensure(uid uint32, generation int) error {
	// The processes reach their files by path, so every folder above must let them pass. The last two above are ours.
	parent := filepath.Dir(string(d))
	if err := os.MkdirAll(parent, 0o711); err != nil {
		return fmt.Errorf("making run folder: %w", err)
	}
	if uid != 0 {
		if err := errors.Join(os.Chmod(parent, 0o711), os.Chmod(filepath.Dir(parent), 0o711)); err != nil {
			return fmt.Errorf("opening run folder: %w", err)
		}
	}
	for _, dir := range []string{string(d), d.pki(""), d.generation(generation, "")} {
		if err := ensureFolder(dir, uid); err != nil {
			return fmt.Errorf("making run folder: %w", err)
		}
	}
	return nil
}

func ensureFolder(path string, uid uint32) error {
	err := os.Mkdir(path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if uid == 0 {
		return nil
	}
	return os.Chown(path, int(uid), int(uid))
}

// write makes path hold content, leaving it alone where it does already.
func (d runDir) write(path string, content []byte, uid uint32) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	owner := -1
	if uid != 0 {
		owner = int(uid)
	}
	return atomicfile.WriteOwned(path, content, 0o600, owner)
}

// writeGeneration writes the files that a generation reads once.
func (d runDir) writeGeneration(n int, files []file, uid uint32) error {
	for _, f := range files {
		if err := d.write(d.generation(n, f.Name), f.Content, uid); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the folders of all generations but those kept.
func (d runDir) prune(keep ...int) error {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "gen-") && !keptFolder(e.Name(), keep) {
			errs = append(errs, os.RemoveAll(filepath.Join(string(d), e.Name())))
		}
	}
	return errors.Join(append(errs, err)...)
}

func keptFolder(name string, keep []int) bool {
	for _, n := range keep {
		if name == generationFolder(n) {
			return true
		}
	}
	return false
}
