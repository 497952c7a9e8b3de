package machine

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyDevice makes the same device file elsewhere.
func copyDevice(info fs.FileInfo, at string) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its device number is not known")
	}
	const mode = 0o666
	if err := unix.Mknod(at, stat.Mode&unix.S_IFMT|mode, int(stat.Rdev)); err != nil {
		return err
	}
	return os.Chmod(at, mode)
}
