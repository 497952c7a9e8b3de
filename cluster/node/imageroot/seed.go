package imageroot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Where things lie in a root of containerd.
const (
	metadata  = "io.containerd.metadata.v1.bolt/meta.db"
	blobs     = "io.containerd.content.v1.content/blobs"
	overlay   = "io.containerd.snapshotter.v1.overlayfs"
	snapshots = overlay + "/snapshots"
	overlayDB = overlay + "/metadata.db"
)

// Seed makes the root of a containerd that never ran begin with what is prepared. prepared is where that lies now, and inside is
// where that containerd will see it. A root that is in use already stays as it is.
func Seed(prepared, inside, root string) error {
	if _, err := os.Stat(filepath.Join(root, metadata)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, link := range []func(prepared, inside, root string) error{linkBlobs, linkSnapshots} {
		if err := link(prepared, inside, root); err != nil {
			return fmt.Errorf("linking prepared images: %w", err)
		}
	}
	for _, name := range []string{overlayDB, metadata} { // the last one says that all is there
		if err := copyFile(filepath.Join(prepared, name), filepath.Join(root, name)); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
	}
	return nil
}

// linkBlobs links each blob. One that is deleted leaves the node alone.
func linkBlobs(prepared, inside, root string) error {
	algorithms, err := os.ReadDir(filepath.Join(prepared, blobs))
	if err != nil {
		return err
	}
	for _, a := range algorithms {
		at := filepath.Join(blobs, a.Name())
		entries, err := os.ReadDir(filepath.Join(prepared, at))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(root, at), 0o755); err != nil {
			return err
		}
		for _, e := range entries {
			if err := symlink(filepath.Join(inside, at, e.Name()), filepath.Join(root, at, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkSnapshots links the files of each snapshot; they are lower layers of containers, which nobody writes to.
func linkSnapshots(prepared, inside, root string) error {
	entries, err := os.ReadDir(filepath.Join(prepared, snapshots))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, snapshots), 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		at := filepath.Join(snapshots, e.Name())
		if err := os.MkdirAll(filepath.Join(root, at, "work"), 0o700); err != nil {
			return err
		}
		if err := symlink(filepath.Join(inside, at, "fs"), filepath.Join(root, at, "fs")); err != nil {
			return err
		}
	}
	return nil
}

// symlink makes a link that an earlier try may have made.
func symlink(to, at string) error {
	if err := os.Symlink(to, at); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// copyFile copies a file, which is there in whole or not at all.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := os.MkdirAll(filepath.Dir(to), 0o711); err != nil {
		return err
	}
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}
