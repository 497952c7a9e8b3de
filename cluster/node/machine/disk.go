package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/home"
)

// diskFolder holds a node's disk, which outlives reboots.
func diskFolder(h home.Dir, id string) string { return h.Path(folder, id) }

func diskFile(h home.Dir, id string) string { return h.Path(folder, id, "disk.ext4") }

// ensureDisk makes a node's disk if there is none, after the images that it begins with.
func (h *host) ensureDisk(ctx context.Context) error {
	path := diskFile(h.Home, h.spec.InstanceID)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := h.prepareImages(ctx); err != nil { // the node pulls them itself
		h.Log.Warn("the node begins without images", "error", err)
	}
	return makeDisk(ctx, path, h.spec.Size.DiskGiB)
}

// makeDisk makes a sparse file with a file system of the size of the root volume, so that a full disk is really full, for this
// node alone. A file that was being made when we died has another name.
func makeDisk(ctx context.Context, path string, gib int) error {
	unfinished := path + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	size := int64(gib) << 30
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return fmt.Errorf("making a disk of %d GiB: %w", gib, err)
	}
	// What is lazy is never done, see the mount options: the file is full of holes, which read as zeros.
	mkfs := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
		"-J", "size=16", "-L", "root", unfinished)
	if out, err := mkfs.CombinedOutput(); err != nil {
		return fmt.Errorf("making a file system: %w: %s", err, out)
	}
	return os.Rename(unfinished, path)
}

// RemoveDisk removes a node's disk.
func RemoveDisk(h home.Dir, id string) error { return os.RemoveAll(diskFolder(h, id)) }

// mountDisk mounts a disk at a folder, through a loop device that goes when the mount does.
func mountDisk(disk, at string) error {
	backing, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = backing.Close() }()
	loop, err := attachLoop(backing)
	if err != nil {
		return fmt.Errorf("finding a loop device for %s: %w", disk, err)
	}
	defer func() { _ = loop.Close() }() // the mount holds it from here on
	if err := unix.Mount(loop.Name(), at, "ext4", unix.MS_NOATIME, "discard,noinit_itable"); err != nil {
		return fmt.Errorf("mounting %s: %w", disk, err)
	}
	return nil
}

// attachLoop binds a free loop device to a file. Others may take it between the question and the answer: then it asks again.
func attachLoop(backing *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	for range 64 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		loop, err := openLoop(n)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		copy(config.Info.File_name[:], backing.Name())
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, err
		}
	}
	return nil, errors.New("every loop device was taken by somebody else")
}

// openLoop opens a loop device, making its file where nobody has: in containers devtmpfs may not be theirs.
func openLoop(n int) (*os.File, error) {
	path := fmt.Sprintf("/dev/loop%d", n)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	const loopMajor = 7
	if err := unix.Mknod(path, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(n)))); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}
