package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is a home whose server is running.
var ErrLocked = errors.New("a server is running in this home")

// Acquire makes this process the one server of the home, until the returned function is called or the process ends. It fails
// with ErrLocked at once if there is one already.
func (d Dir) Acquire() (release func(), err error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	if err := d.checkPrivate(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, d)
		}
		return nil, fmt.Errorf("locking %s: %w", d.Lock(), err)
	}
	return func() { _ = f.Close() }, nil
}

// checkPrivate is that a home which was there before us is not one that anybody can put files into: keys, and the programs
// that run, are found in it by name.
func (d Dir) checkPrivate() error {
	info, err := os.Stat(string(d))
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 {
		return fmt.Errorf("every user of this machine can write to the home folder %s (mode %o): run chmod 700 %[1]s", d, mode)
	}
	return nil
}

// AcquireWhenFree is Acquire that waits for the server of the home to end.
func (d Dir) AcquireWhenFree(ctx context.Context) (release func(), err error) {
	for {
		release, err := d.Acquire()
		if !errors.Is(err, ErrLocked) {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the server to stop: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
