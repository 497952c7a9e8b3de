package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"minato.dev/minato/internal/ports"
)

// children are what this program is when the bench starts it again: what Minato is compared with, outside the process that measures.
// Each serves at an address until it is killed.
var children = map[string]func(addr string, args []string) error{
	"plain": servePlain,
	"files": serveFiles,
}

// child is such a process.
type child struct {
	addr string // "127.0.0.1:PORT"
	cmd  *exec.Cmd
}

// startChild starts one, and returns when it listens.
func startChild(ctx context.Context, role string, args ...string) (*child, error) {
	free, release, err := ports.Free(ctx, 1)
	if err != nil {
		return nil, err
	}
	release()
	addr := fmt.Sprintf("127.0.0.1:%d", free[0])
	return startProgram(ctx, addr, os.Args[0], append([]string{role, addr}, args...)...)
}

// startProgram starts a program that is to listen at an address, and returns when it does. It does not outlive the bench.
func startProgram(ctx context.Context, addr, program string, args ...string) (*child, error) {
	c := &child{addr: addr, cmd: exec.Command(program, args...)}
	c.cmd.Stderr = os.Stderr
	// A session of its own, as each process of Minato's has: Linux shares the processors out by sessions.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := waitListening(ctx, addr); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *child) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// waitListening waits until something listens at an address.
func waitListening(ctx context.Context, addr string) error {
	for range 100 {
		var d net.Dialer
		if c, err := d.DialContext(ctx, "tcp", addr); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("nothing listens at %s", addr)
}
