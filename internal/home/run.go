package home

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Run holds what is made afresh from records at every start: keys, certificates and configuration of the control planes. As
// root it lies under /run, in memory, because processes under uids of their own could not reach into a home folder such as
// /root/.minato, and because private keys then never touch the disk.
func (d Dir) Run(names ...string) string {
	base := d.Path("run")
	if os.Geteuid() == 0 {
		sum := sha256.Sum256([]byte(d))
		base = filepath.Join("/run/minato", hex.EncodeToString(sum[:6]))
	}
	return filepath.Join(append([]string{base}, names...)...)
}

// MakeRun makes the run folder, and the folders below it that are named. As root it lets every uid pass through and look
// around nowhere, whatever the umask is; it is for the processes of each cluster, which find their own folder by its path.
func (d Dir) MakeRun(names ...string) error {
	path, mode := d.Run(), os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
		if err := makeOwn(filepath.Dir(path), mode); err != nil {
			return err
		}
	}
	for _, name := range append([]string{""}, names...) {
		path = filepath.Join(path, name)
		if err := makeOwn(path, mode); err != nil {
			return err
		}
	}
	return nil
}

// makeOwn makes a folder, or takes one that nobody but us can have put anything into: keys are written below it by name, and
// a link in their way would send them elsewhere.
func makeOwn(path string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is %s: want a folder that belongs to the user who runs minato and that nobody else can write to; remove it",
			path, info.Mode())
	}
	return os.Chmod(path, mode)
}
