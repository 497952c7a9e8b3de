package supervisor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How logs are kept: a file that has grown past maxLogBytes becomes path.1, and older ones move up to path.3.
const (
	maxLogBytes = 20 << 20
	keptLogs    = 3
	rotatePace  = 10 * time.Second // so a file can grow past the limit by what is written in this time
)

// rotateLogs looks after the logs of all processes, adopted ones included, until the supervisor closes.
func (s *Supervisor) rotateLogs() {
	tick := time.NewTicker(rotatePace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.closing:
			return
		}
		for path := range s.logFiles() {
			if err := rotate(path, maxLogBytes); err != nil {
				s.log.Error("log file cannot be rotated", "path", path, "error", err)
			}
		}
	}
}

// logFiles are all files that processes append to.
func (s *Supervisor) logFiles() map[string]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := map[string]struct{}{}
	for _, p := range s.processes {
		p.mu.Lock()
		for _, path := range append([]string{p.spec.Log}, p.spec.Streams...) {
			if path != "" {
				files[path] = struct{}{}
			}
		}
		p.mu.Unlock()
	}
	return files
}

// rotate copies a log file that is larger than limit to path.1, moving older copies up, and truncates it. The writers keep
// their descriptor: they append, so they go on at the new end.
//
// What is written between the last read, which met the end of the file, and the truncation is lost: some microseconds' worth,
// once per rotation. A line that is being written in that moment may be cut. Nothing is doubled unless we die or the disk fills
// up half way, and nothing changes its order.
func rotate(path string, limit int64) error {
	log, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	info, err := log.Stat()
	if err != nil || info.Size() <= limit || !info.Mode().IsRegular() {
		return err
	}
	// The oldest goes first: rotation then never needs more disk than the kept files do.
	if err := os.Remove(copyName(path, keptLogs)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return copyAndTruncate(log, path, info.Mode().Perm())
}

// logFile is an open log, in rotation.
type logFile interface {
	io.Reader
	Truncate(size int64) error
}

func copyAndTruncate(log logFile, path string, mode fs.FileMode) (err error) {
	unfinished := path + ".rotating" // from a crash, it holds nothing that the log does not hold too
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err = io.Copy(to, log); err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	for n := keptLogs; n > 1; n-- {
		if err := os.Rename(copyName(path, n-1), copyName(path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err = os.Rename(unfinished, copyName(path, 1)); err != nil {
		return err
	}
	if _, err = io.Copy(to, log); err != nil { // what was written meanwhile
		return err
	}
	return log.Truncate(0)
}

func copyName(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }
