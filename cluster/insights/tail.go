package insights

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
)

const (
	// maxLine is the longest line that is taken apart. Longer ones, which kube-apiserver does not write, are counted as garbage.
	maxLine = 1 << 20
	// chunk is how much is read at once.
	chunk = 256 << 10
	// headBytes is how much of a file's beginning tells it from others: an event begins with its unique id.
	headBytes = 128
	// keptLogs is how many rotated files there may be.
	keptLogs = 3
)

// position is how far an audit log has been read.
type position struct {
	// Head is how the file began, which finds it again after it was rotated; empty before the first line.
	Head   string `json:"head,omitempty"`
	Offset int64  `json:"offset"`
}

// tail reads a log that is rotated by copying it to path.1 and truncating it.
type tail struct {
	path string
	pos  position
	buf  []byte
}

func newTail(path string, pos position) *tail { return &tail{path: path, pos: pos} }

// next reads on to the end of what there is, and gives each complete line to fn. lost is how many bytes of it were gone before they
// were read. What is read is good only if the file was the same before and after: then nothing is lost in a rotation and nothing
// counted twice.
func (t *tail) next(ctx context.Context, fn func(line []byte)) (lost bool, err error) {
	for ctx.Err() == nil {
		lines, more, err := t.read()
		if errors.Is(err, errRotated) {
			gone, err := t.rotated(ctx, fn)
			if lost = lost || gone; err != nil {
				return lost, err
			}
			continue
		}
		if err != nil {
			return lost, err
		}
		each(lines, fn)
		if !more {
			break
		}
	}
	return lost, ctx.Err()
}

var errRotated = errors.New("the log was rotated")

// read reads the next complete lines of the log and moves the position behind them.
func (t *tail) read() (lines []byte, more bool, err error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }()
	if !t.same(f) {
		return nil, false, errRotated
	}
	lines, more, err = t.readFrom(f)
	if err != nil {
		return nil, false, err
	}
	if !t.same(f) {
		return nil, false, errRotated
	}
	return lines, more, t.advance(f, int64(len(lines)))
}

// same is whether a file is the one that the position is in.
func (t *tail) same(f *os.File) bool {
	if t.pos.Head == "" {
		return true
	}
	head := make([]byte, len(t.pos.Head))
	n, _ := f.ReadAt(head, 0)
	if string(head[:n]) != t.pos.Head {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Size() >= t.pos.Offset
}

// readFrom reads what there is behind the position, up to the end of its last line.
func (t *tail) readFrom(f *os.File) (lines []byte, more bool, err error) {
	if t.buf == nil {
		t.buf = make([]byte, chunk)
	}
	for {
		n, err := f.ReadAt(t.buf, t.pos.Offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		if end := bytes.LastIndexByte(t.buf[:n], '\n'); end >= 0 {
			full := n == len(t.buf)
			lines = t.buf[:end+1]
			if len(t.buf) > chunk {
				t.buf = nil // one long line is no reason to keep so much
			}
			return lines, full, nil
		}
		if n < len(t.buf) {
			return nil, false, nil // a line that is not complete yet
		}
		if len(t.buf) >= maxLine {
			return t.buf, true, nil // garbage
		}
		t.buf = make([]byte, 2*len(t.buf))
	}
}

func (t *tail) advance(f *os.File, n int64) error {
	if n == 0 {
		return nil
	}
	t.pos.Offset += n
	if t.pos.Head == "" {
		head := make([]byte, min(headBytes, t.pos.Offset))
		if _, err := f.ReadAt(head, 0); err != nil {
			return err
		}
		t.pos.Head = string(head)
	}
	return nil
}

// rotated reads the rest of the file that the position is in, wherever it is now, and those that came after it. lost is whether it is not
// there any more.
func (t *tail) rotated(ctx context.Context, fn func(line []byte)) (lost bool, err error) {
	found := 0
	for n := 1; n <= keptLogs && found == 0; n++ {
		if f, err := os.Open(t.copied(n)); err == nil {
			if t.same(f) {
				found = n
			}
			_ = f.Close()
		}
	}
	if found == 0 { // what there still is comes after what is lost
		lost = true
		found = keptLogs
		t.pos = position{}
	}
	for n := found; n >= 1 && ctx.Err() == nil; n-- {
		if err := t.finish(ctx, t.copied(n), fn); err != nil {
			return lost, err
		}
		t.pos = position{}
	}
	return lost, ctx.Err()
}

// finish reads a file that nobody writes to, from the position on.
func (t *tail) finish(ctx context.Context, path string, fn func(line []byte)) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for ctx.Err() == nil {
		lines, more, err := t.readFrom(f)
		if err != nil {
			return err
		}
		t.pos.Offset += int64(len(lines))
		each(lines, fn)
		if !more {
			return nil
		}
	}
	return nil
}

func (t *tail) copied(n int) string { return t.path + "." + strconv.Itoa(n) }

func each(lines []byte, fn func(line []byte)) {
	for len(lines) > 0 {
		line, rest, _ := bytes.Cut(lines, []byte{'\n'})
		fn(line)
		lines = rest
	}
}
