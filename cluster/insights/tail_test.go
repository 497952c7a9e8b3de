package insights

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// log is an audit log that is written and rotated as the supervisor does it.
type log struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	n    int
}

func newLog(t *testing.T) *log { return &log{t: t, path: filepath.Join(t.TempDir(), "audit.log")} }

func (l *log) write(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer f.Close()
	for range n {
		if _, err := fmt.Fprintf(f, "%06d %s\n", l.n, strings.Repeat("x", 90)); err != nil {
			l.t.Error(err)
		}
		l.n++
	}
}

func (l *log) rotate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := keptLogs - 1; i > 0; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", l.path, i), fmt.Sprintf("%s.%d", l.path, i+1))
	}
	from, err := os.Open(l.path)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer from.Close()
	to, err := os.Create(l.path + ".rotating")
	if err != nil {
		l.t.Error(err)
		return
	}
	if _, err := io.Copy(to, from); err != nil {
		l.t.Error(err)
	}
	_ = to.Close()
	if err := os.Rename(l.path+".rotating", l.path+".1"); err != nil {
		l.t.Error(err)
	}
	if err := os.Truncate(l.path, 0); err != nil {
		l.t.Error(err)
	}
}

// reader reads a log as a server does that is restarted: with only the position kept.
type reader struct {
	t    *testing.T
	tail *tail
	next int
	lost int
}

func (r *reader) restart() { r.tail = newTail(r.tail.path, r.tail.pos) }

func (r *reader) read() {
	r.t.Helper()
	var gaps []string
	lost := false
	err := r.tail.next(r.t.Context(), func(line []byte) {
		var n int
		if _, err := fmt.Sscanf(string(line), "%06d", &n); err != nil {
			r.t.Errorf("line %q: %v", line, err)
		}
		if n != r.next {
			gaps = append(gaps, fmt.Sprintf("line %d comes after line %d", n, r.next-1))
		}
		r.next = n + 1
	}, func() { lost = true })
	if err != nil {
		r.t.Error(err)
	}
	if lost {
		r.lost++
	} else if len(gaps) > 0 {
		r.t.Error(gaps)
	}
}

func TestTail(t *testing.T) {
	l := newLog(t)
	r := &reader{t: t, tail: newTail(l.path, position{})}
	r.read() // there is no log yet
	l.write(10)
	r.read()
	l.write(5)
	l.rotate() // the five are in .1
	r.restart()
	r.read()
	l.write(1)
	l.write(7000) // more than a chunk
	l.rotate()
	l.write(5)
	l.rotate()
	r.read() // from .2, .1 and the log
	l.write(20)
	r.read()
	if r.next != l.n || r.lost != 0 {
		t.Errorf("%d of %d lines were read, and lost %d times", r.next, l.n, r.lost)
	}
	for range keptLogs + 1 {
		l.write(3)
		l.rotate()
	}
	r.read()
	if r.next != l.n || r.lost != 1 {
		t.Errorf("after a gap %d of %d lines were read, and it was told %d times", r.next, l.n, r.lost)
	}
}

// Nothing is lost and nothing is read twice while the log is written and rotated.
func TestTailUnderAWriter(t *testing.T) {
	l := newLog(t)
	r := &reader{t: t, tail: newTail(l.path, position{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 300 {
			l.write(50)
			if i%20 == 19 {
				l.rotate()
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		r.read()
		r.restart()
	}
	if r.lost == 0 && r.next != l.n {
		t.Errorf("%d of %d lines were read", r.next, l.n)
	}
}

func TestTailLongLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(s string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	tail := newTail(path, position{})
	var got []int
	read := func() {
		if err := tail.next(t.Context(), func(line []byte) { got = append(got, len(line)) }, func() { t.Error("a part is lost") }); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Repeat("a", chunk+10))
	read()
	if len(got) != 0 {
		t.Errorf("half a line was read: %v", got)
	}
	write("\nshort\n" + strings.Repeat("b", maxLine+10) + "\nend\n")
	read()
	if want := fmt.Sprint([]int{chunk + 10, 5, maxLine, 10, 3}); fmt.Sprint(got) != want {
		t.Errorf("lines of %v bytes, want %s", got, want)
	}
}
