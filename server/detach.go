package server

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"minato.dev/minato/internal/home"
	"minato.dev/minato/server/control"
)

// upLog takes what a detached `minato up` would print.
const upLog = "up.log"

// Detach runs this program with args, which are those of `minato up`, in a session of its own with its output in the home's
// up.log. It copies that output to out until the server is ready, or has ended, which is an error.
func Detach(ctx context.Context, out io.Writer, dir home.Dir, args []string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir.Logs(), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(dir.Logs(upLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	tail, err := os.Open(dir.Logs(upLog))
	if err != nil {
		return err
	}
	defer func() { _ = tail.Close() }()
	if _, err := tail.Seek(0, io.SeekEnd); err != nil {
		return err
	}

	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		_, _ = io.Copy(out, tail)
		st, err := control.GetStatus(ctx, dir)
		if err == nil && st.PID == cmd.Process.Pid && st.Ready {
			_, _ = io.Copy(out, tail)
			return nil
		}
		select {
		case err := <-ended:
			_, _ = io.Copy(out, tail)
			return fmt.Errorf("the server did not start: %w", err)
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
