package machine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// service is a program that pid 1 keeps running.
type service struct {
	name, path string
	args, env  []string
	log        *os.File          // that its output goes to
	after      []<-chan struct{} // what it waits for

	pid      int
	started  time.Time
	failures int
	due      time.Time
}

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	// steady is how long a service must have run for its next end to be a surprise again.
	steady = time.Minute
	// stopPatience is how long processes have between SIGTERM and the end of the node.
	stopPatience = 5 * time.Second
)

// keeper is pid 1 at work.
type keeper struct {
	line         *line
	services     []*service
	networkUp    chan struct{}
	containerdUp chan struct{}
	stop         chan struct{} // closed when the host's half says so or is gone
	telling      sync.Mutex
}

func newKeeper(l *line) *keeper {
	return &keeper{line: l, networkUp: make(chan struct{}), containerdUp: make(chan struct{}), stop: make(chan struct{})}
}

func (k *keeper) tell(r report) {
	k.telling.Lock()
	defer k.telling.Unlock()
	_ = k.line.out.Encode(r) // an end of the line is seen by listen
}

// listen takes orders until the line breaks, which is the end of the host's half and with it of the node.
func (k *keeper) listen() {
	defer close(k.stop)
	for {
		var o order
		if err := k.line.in.Decode(&o); err != nil || o.Stop {
			return
		}
		if o.NetworkUp {
			close(k.networkUp)
		}
	}
}

// run keeps the services running and reaps every process that has lost its parent, until the node is to stop. Go's own way
// of waiting for a child is not used, because only one may reap.
func (k *keeper) run() error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	signal.Ignore(unix.SIGPIPE, unix.SIGHUP, unix.SIGINT)
	go k.listen()
	go k.probe()
	go k.watchContainerd()
	for {
		next := k.startDue()
		wake := time.NewTimer(next)
		select {
		case <-ended:
			k.reap()
		case <-k.waiting():
		case <-wake.C:
		case <-k.stop:
			return k.shutDown()
		}
		wake.Stop()
	}
}

// waiting is closed when a service that waits for something may start; nil if none waits.
func (k *keeper) waiting() <-chan struct{} {
	for _, s := range k.services {
		if c := s.waitsFor(); c != nil {
			return c
		}
	}
	return nil
}

// waitsFor is the first thing that the service waits for; nil when all are there.
func (s *service) waitsFor() <-chan struct{} {
	for _, c := range s.after {
		select {
		case <-c:
		default:
			return c
		}
	}
	return nil
}

// startDue starts the services whose time has come, and says when to look again.
func (k *keeper) startDue() time.Duration {
	next := time.Hour
	for _, s := range k.services {
		if s.pid != 0 || s.waitsFor() != nil {
			continue
		}
		if wait := time.Until(s.due); wait > 0 {
			next = min(next, wait)
			continue
		}
		if err := s.start(); err != nil {
			k.tell(report{Service: s.name, How: err.Error()})
			next = min(next, s.delay())
		}
	}
	return next
}

func (s *service) start() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	p, err := os.StartProcess(s.path, append([]string{s.name}, s.args...), &os.ProcAttr{
		Dir: "/", Env: append([]string{"PATH=" + guestPath, "HOME=/root"}, s.env...), Files: []*os.File{null, s.log, s.log},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.name, err)
	}
	s.pid, s.started = p.Pid, time.Now()
	return p.Release()
}

// delay notes one more failure and answers how long to wait after it.
func (s *service) delay() time.Duration {
	if time.Since(s.started) > steady {
		s.failures = 0
	}
	pause := min(shortestPause<<min(s.failures, 10), longestPause)
	s.failures++
	s.due = time.Now().Add(pause)
	return pause
}

// reap collects every process that has ended.
func (k *keeper) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		for _, s := range k.services {
			if s.pid == pid {
				s.pid = 0
				s.delay()
				k.tell(report{Service: s.name, How: describe(status)})
			}
		}
	}
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// shutDown ends everything gently for a moment; the end of pid 1 ends the rest.
func (k *keeper) shutDown() error {
	_ = unix.Kill(-1, unix.SIGTERM)
	deadline, alone := time.Now().Add(stopPatience), false
	for !alone && time.Now().Before(deadline) {
		_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if alone = errors.Is(err, unix.ECHILD); !alone {
			<-time.After(10 * time.Millisecond)
		}
	}
	unix.Sync()
	if !alone { // somebody may still be writing
		return nil
	}
	return endWriting("/")
}

// watchContainerd tells once when containerd answers.
func (k *keeper) watchContainerd() {
	for {
		if conn, err := net.Dial("unix", containerdSocket); err == nil {
			_ = conn.Close()
			k.tell(report{Phase: "containerd"})
			close(k.containerdUp)
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}
