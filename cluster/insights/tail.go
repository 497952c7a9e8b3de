package insights

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"
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
	// Before is how the file before it began, which was read to its end.
	Before string `json:"before,omitempty"`
}

// tail reads a log that is rotated by copying it to path.1 and truncating it.
type tail struct {
	path string
	pos  position
	buf  []byte
	at   time.Time // of the newest event that was read
}

func newTail(path string, pos position) *tail { return &tail{path: path, pos: pos} }

// next reads on to the end of what there is, and gives each complete line to fn. lost is called between two lines where those that there
// were between them had gone before they were read. What is read is good only if the file was the same before and after: then nothing is
// lost in a rotation and nothing counted twice.
func (t *tail) next(ctx context.Context, fn func(line []byte), lost func()) error {
	for ctx.Err() == nil {
		lines, more, err := t.read()
		if errors.Is(err, errRotated) {
			if err := t.rotated(ctx, fn, lost); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		t.each(lines, fn)
		if !more {
			break
		}
	}
	return ctx.Err()
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
	if t.pos.Head == "" && t.pos.Before != "" && headOf(f) == t.pos.Before {
		return nil, false, nil // it was copied, and is about to be truncated
	}
	lines, more, err = t.readFrom(f)
	if err != nil {
		return nil, false, err
	}
	if !t.same(f) {
		return nil, false, errRotated
	}
	t.advance(lines)
	return lines, more, nil
}

// same is whether a file is the one that the position is in.
func (t *tail) same(f *os.File) bool {
	if t.pos.Head == "" { // nothing of it has been read: it is the one that comes after the one before
		return t.newest() == t.pos.Before
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

// advance moves the position behind what was read. The first of a file is how it begins: by now it may have been truncated.
func (t *tail) advance(lines []byte) {
	if t.pos.Head == "" {
		t.pos.Head = string(first(lines, headBytes))
	}
	t.pos.Offset += int64(len(lines))
}

// rotated reads one file that was rotated to its end: that which the position is in, or which comes after the one before. If it is not
// there any more, it is lost, and the position is at the oldest that is. Files may be renamed meanwhile, so that what is open is what
// counts.
func (t *tail) rotated(ctx context.Context, fn func(line []byte), lost func()) error {
	f, err := t.open()
	if err != nil {
		return err
	}
	if f == nil {
		if (t.pos != position{}) {
			lost()
		}
		t.pos = position{}
		return nil
	}
	defer func() { _ = f.Close() }()
	for ctx.Err() == nil {
		lines, more, err := t.readFrom(f)
		if err != nil {
			return err
		}
		t.advance(lines)
		t.each(lines, fn)
		if !more {
			t.pos = position{Before: headOf(f)}
			break
		}
	}
	return ctx.Err()
}

// open opens the rotated file to go on with, nil if it is not there. A file moves up only, so looking from the newest on does not miss it.
func (t *tail) open() (*os.File, error) {
	if t.pos == (position{}) {
		return t.oldest()
	}
	for n := 1; n <= keptLogs; n++ {
		f, err := os.Open(t.copied(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if t.pos.Head != "" && t.same(f) || t.pos.Head == "" && t.headOf(n+1) == t.pos.Before {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, nil
}

func (t *tail) oldest() (*os.File, error) {
	for n := keptLogs; n >= 1; n-- {
		f, err := os.Open(t.copied(n))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, nil
}

// newest is how the newest rotated file begins, which is not the first while another is being made.
func (t *tail) newest() (head string) {
	for n := 1; n <= keptLogs && head == ""; n++ {
		head = t.headOf(n)
	}
	return head
}

// headOf is how a rotated file begins, empty if there is none.
func (t *tail) headOf(n int) string {
	f, err := os.Open(t.copied(n))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return headOf(f)
}

// headOf is how a file begins.
func headOf(f *os.File) string {
	head := make([]byte, headBytes)
	n, _ := f.ReadAt(head, 0)
	return string(head[:n])
}

func (t *tail) copied(n int) string { return t.path + "." + strconv.Itoa(n) }

// each gives lines to fn, one after the other, and notes when the last was written.
func (t *tail) each(lines []byte, fn func(line []byte)) {
	var line []byte
	for rest := lines; len(rest) > 0; {
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		fn(line)
	}
	if at := eventTime(line); !at.IsZero() {
		t.at = at
	}
}
