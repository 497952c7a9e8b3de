package supervisor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// child is a live process that is being watched. Its functions are fields so that the tests of the supervisor's decisions
// can do without real processes.
type child struct {
	identity
	started time.Time
	adopted bool
	exited  <-chan string           // gets, once, how the process ended
	signal  func(unix.Signal) error // nil error too when the process has ended already
	release func()                  // stop watching and leave the process be
}

// unknownExit is how a process ended that was not our own child: the kernel tells its exit status to its parent only.
const unknownExit = "unknown (was adopted)"

// adopt watches a process that an earlier supervisor started. It is nil if that process does not run any more.
func adopt(id identity, started time.Time) (*child, error) {
	if id.PID <= 0 {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) { // EINVAL: the number is now a thread's
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening process %d: %w", id.PID, err)
	}
	// In this order: if the process with this pid is the right one now, it was so when the pidfd was opened, because the
	// right one started long before that.
	alive, err := id.alive()
	if err != nil || !alive {
		_ = unix.Close(fd)
		return nil, err
	}
	return watch(id, fd, started, nil)
}

// watch makes a child of a pidfd, which it owns. A nil reap is for processes that are not our children.
func watch(id identity, pidfd int, started time.Time, reap func() string) (*child, error) {
	// Non-blocking, the descriptor goes to the runtime's poller: waiting for an exit costs a goroutine and no thread.
	if err := unix.SetNonblock(pidfd, true); err != nil {
		_ = unix.Close(pidfd)
		return nil, err
	}
	f := os.NewFile(uintptr(pidfd), "pidfd")
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("this kernel cannot poll pidfds, Linux 5.10 can: %w", err)
	}
	conn, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	exited := make(chan string, 1)
	go func() {
		if err := conn.Read(readable); err != nil {
			return // released
		}
		how := unknownExit
		if reap != nil {
			how = reap()
		}
		exited <- how
	}()
	return &child{
		identity: id,
		started:  started,
		adopted:  reap == nil,
		exited:   exited,
		signal: func(sig unix.Signal) error {
			var sent error
			err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
			if errors.Is(sent, unix.ESRCH) {
				return nil
			}
			return errors.Join(err, sent)
		},
		release: func() { _ = f.Close() },
	}, nil
}

// readable is whether a pidfd is: its process has ended then.
func readable(fd uintptr) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
