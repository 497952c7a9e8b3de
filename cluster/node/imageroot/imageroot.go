// Package imageroot makes images cheap for nodes. What every node runs is pulled and unpacked once for a home, by a containerd
// that does nothing else; a new node begins with that containerd's root: the layers are shared read-only by all nodes, in the
// page cache too, and a node's own disk has links to them and copies of two small data bases.
package imageroot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/home"
)

// folder holds the prepared roots in the home, by key.
const folder = "images"

// Source is what a root is prepared from.
type Source struct {
	// Registry has the images: "http://127.0.0.1:4568".
	Registry string `json:"registry"`
	// Host is the name that nodes know it by: "minato.local".
	Host string `json:"host"`
	// Images are the names of images, without the host and with a tag: "eks/coredns:v1.15.0".
	Images []string `json:"images"`
}

// preparing is how long the pulling of all images may take.
const preparing = 2 * time.Minute

// Ensure prepares the root of a source if there is none, and notes its path in the file reference, which keeps it for as long
// as that file is there. references are all such files, as a pattern; a root that none of them names is removed when a new one
// is made. pinned is the image of the sandbox.
func Ensure(ctx context.Context, h home.Dir, s Source, containerd, pinned, reference, references string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, preparing)
	defer cancel()
	if err := os.MkdirAll(h.Path(folder), 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, h.Path(folder, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	key, err := s.key(ctx, containerd)
	if err != nil {
		return "", err
	}
	root := h.Path(folder, key)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		if err := prepare(ctx, h, s, containerd, pinned, root); err != nil {
			return "", fmt.Errorf("preparing images: %w", err)
		}
		if err := removeUnused(h, references, root); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	return root, atomicfile.Write(reference, []byte(root), 0o600)
}

// prepare makes a root. One that was being made when we died has another name.
func prepare(ctx context.Context, h home.Dir, s Source, containerd, pinned, root string) error {
	unfinished := root + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(unfinished) }()
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return err
	}
	p := puller{source: s, program: containerd, pinned: pinned, root: unfinished, state: h.Run(folder)}
	if err := p.run(ctx); err != nil {
		return err
	}
	if err := sync(unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, root)
}

// sync has all of a file system on disk: links to files that a power cut emptied would break nodes for good.
func sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Syncfs(int(f.Fd()))
}

// removeUnused removes the roots that no file names.
func removeUnused(h home.Dir, references, current string) error {
	files, err := filepath.Glob(references)
	if err != nil {
		return err
	}
	used := map[string]bool{current: true, h.Path(folder, "lock"): true}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		used[string(b)] = true
	}
	entries, err := os.ReadDir(h.Path(folder))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := h.Path(folder, e.Name()); !used[path] {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}

// key names what a root is made from: the images as they are now, and the containerd that unpacks them.
func (s Source) key(ctx context.Context, containerd string) (string, error) {
	info, err := os.Stat(containerd)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, s.Host, info.Size(), info.ModTime().UnixNano())
	for _, image := range s.Images {
		digest, err := s.digest(ctx, image)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, image, digest)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// lock takes the lock of the folder, which ends with this process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for another node to prepare images: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s Source) reference(image string) string { return s.Host + "/" + image }

// manifestPath is where an image's manifest is in a registry.
func manifestPath(image string) (string, error) {
	name, tag, ok := strings.Cut(image, ":")
	if !ok {
		return "", fmt.Errorf("the image %q has no tag", image)
	}
	return "/v2/" + name + "/manifests/" + tag, nil
}
