package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// server is a running `minato up`.
type server struct {
	pid   int
	ended chan struct{} // closed when it has ended
	err   error         // how it ended; read it after ended
}

// startServer runs minato with its output appended to log. When this test process dies, however it dies, the server gets
// SIGTERM and stops everything it runs.
func startServer(binary string, args []string, log string) (*server, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }() // the child has its own descriptor
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = minimalEnviron()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}

	s := &server{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that started the child ends, so this thread stays for as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			s.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			s.err = cmd.Wait()
			close(s.ended)
		}
	}()
	return s, <-started
}

// signal sends a signal and waits until the process has ended.
func (s *server) signal(sig os.Signal, timeout time.Duration) error {
	p, err := os.FindProcess(s.pid)
	if err != nil {
		return err
	}
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("minato up (pid %d) still runs %s after %q", s.pid, timeout, sig)
	}
}

// minimalEnviron keeps what programs need to run and nothing that would change what they do: no credentials, profiles,
// endpoints or kubeconfigs of the person who runs the tests.
func minimalEnviron() []string {
	var env []string
	for _, name := range []string{"PATH", "LANG", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
