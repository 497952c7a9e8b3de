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

// runDir is the run folder of one cluster. Where clusters have uids of their own, its uid may read it and change nothing: the
// folders are root's with mode 0750 and the files with 0640, of the group that has the uid's number. A kube-apiserver that has
// been taken over could otherwise put a link where we write next, and have root follow it.
type runDir string

func newRunDir(h home.Dir, clusterID string) runDir { return runDir(h.Run("clusters", clusterID)) }

// pki is a file that programs read again when it changes.
func (d runDir) pki(name string) string { return filepath.Join(string(d), "pki", name) }

// generation is a file that the programs of one generation read once.
func (d runDir) generation(n int, name string) string {
	return filepath.Join(string(d), generationFolder(n), name)
}

// flexVolumes is an empty folder: kube-controller-manager would make its own otherwise, by default in /usr.
const flexVolumes = "flexvolume"

func generationFolder(n int) string { return "gen-" + strconv.Itoa(n) }

// ensure makes the folders of the cluster and of one generation, for a uid to read; zero is our own. The folder above is there.
func (d runDir) ensure(uid uint32, generation int) error {
	for _, dir := range []string{
		string(d), d.pki(""), d.pki(trustFolder), d.generation(generation, ""), d.generation(generation, flexVolumes),
	} {
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
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder but %s", path, info.Mode())
	}
	if uid == 0 {
		return nil
	}
	return errors.Join(os.Lchown(path, os.Geteuid(), int(uid)), os.Chmod(path, 0o750))
}

// write makes path hold content, for a uid to read, leaving it alone where it does already.
func (d runDir) write(path string, content []byte, uid uint32) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if uid == 0 {
		return atomicfile.Write(path, content, 0o600)
	}
	return atomicfile.WriteForGroup(path, content, 0o640, int(uid))
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
