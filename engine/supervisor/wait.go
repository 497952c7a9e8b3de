package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrUnknown is the answer to a question about a process that the supervisor does not keep.
var ErrUnknown = errors.New("no such process")

// WaitReady waits until a process is ready. If ctx ends first, or the process is stopped, the error says where the process
// stands, why, and what it wrote to its log last.
func (s *Supervisor) WaitReady(ctx context.Context, name string) error {
	s.mu.Lock()
	p := s.processes[name]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("waiting for %s: %w", name, ErrUnknown)
	}
	for {
		st, changed := p.snapshot()
		if st.State == Running {
			return nil
		}
		select {
		case <-changed:
		case <-p.done:
			return fmt.Errorf("waiting for %s: %w", name, errStopped)
		case <-s.closing:
			return fmt.Errorf("waiting for %s: %w", name, ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %s", name, context.Cause(ctx), p.explain())
		}
	}
}

// snapshot is the status, with a channel that is closed when its state changes.
func (p *process) snapshot() (Status, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status, p.changed
}

// explain says in some lines what is the matter with a process.
func (p *process) explain() string {
	st, _ := p.snapshot()
	var b strings.Builder
	fmt.Fprintf(&b, "it is %s", st.State)
	if st.Restarts > 0 {
		fmt.Fprintf(&b, " after %d restarts", st.Restarts)
	}
	if st.LastError != "" {
		fmt.Fprintf(&b, "; last error: %s", st.LastError)
	}
	if st.LastExit != "" {
		fmt.Fprintf(&b, "; last exit: %s", st.LastExit)
	}
	p.mu.Lock()
	path := p.spec.Log
	p.mu.Unlock()
	if path != "" {
		if tail, err := logTail(path); err != nil {
			fmt.Fprintf(&b, "; log: %v", err)
		} else if tail != "" {
			fmt.Fprintf(&b, "; the end of %s:\n%s", path, tail)
		}
	}
	return b.String()
}

const (
	tailBytes = 4 << 10
	tailLines = 10
)

// logTail is the last lines of a log file.
func logTail(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, size-tailBytes), tailBytes))
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	if len(lines) > 1 && size > tailBytes {
		lines = lines[1:] // the first is cut
	}
	lines = lines[max(0, len(lines)-tailLines):]
	return string(bytes.Join(lines, []byte("\n"))), nil
}
