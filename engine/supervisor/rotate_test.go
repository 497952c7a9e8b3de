package supervisor

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func mustContain(t *testing.T, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	} else if string(b) != want {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), b, want)
	}
}

func TestRotateKeepsThree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := rotate(path, 3); err != nil {
		t.Fatalf("without a file: %v", err)
	}
	for i := range 6 {
		writeFile(t, path, fmt.Sprintf("life %d\n", i))
		if err := rotate(path, 3); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, path, "now")
	if err := rotate(path, 3); err != nil { // not larger than the limit
		t.Fatal(err)
	}
	for file, want := range map[string]string{"": "now", ".1": "life 5\n", ".2": "life 4\n", ".3": "life 3\n"} {
		mustContain(t, path+file, want)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 {
		t.Errorf("files: %q, %v", files, err)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode of the copy: %v, %v", info.Mode(), err)
	}
}

func TestRotateAfterACrashInTheMiddle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	writeFile(t, path, "all of it\n")
	writeFile(t, path+".rotating", "all o")
	if err := rotate(path, 3); err != nil {
		t.Fatal(err)
	}
	mustContain(t, path+".1", "all of it\n")
	mustContain(t, path, "")
	if _, err := os.Stat(path + ".rotating"); err == nil {
		t.Error("the unfinished copy is still there")
	}
}

// A process that can write to its log's folder cannot have another file truncated or overwritten through it.
func TestRotateFollowsNoLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "log")
	writeFile(t, victim, "precious")
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	if err := rotate(path, 3); err == nil {
		t.Error("rotated a link")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "long enough")
	if err := os.Symlink(victim, path+".rotating"); err != nil {
		t.Fatal(err)
	}
	if err := rotate(path, 3); err != nil {
		t.Error(err)
	}
	mustContain(t, victim, "precious")
	mustContain(t, path+".1", "long enough")
}

// racingLog is a log that is written to at the worst times.
type racingLog struct {
	f    *os.File
	t    *testing.T
	ends int // times the end of the file was met
}

func (l *racingLog) Read(b []byte) (int, error) {
	n, err := l.f.Read(b)
	if err == io.EOF {
		l.ends++
		l.write(fmt.Sprintf("after end %d\n", l.ends))
	}
	return n, err
}

func (l *racingLog) Truncate(size int64) error {
	err := l.f.Truncate(size)
	l.write("after truncation\n")
	return err
}

func (l *racingLog) write(line string) {
	w, err := openLog(l.f.Name())
	if err != nil {
		l.t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString(line); err != nil {
		l.t.Error(err)
	}
}

// Lost is what is written after the last read and before the truncation, and nothing else.
func TestRotateLosesWhatItSaysAndNoMore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	writeFile(t, path, "before\n")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := copyAndTruncate(&racingLog{f: f, t: t}, path, 0o640); err != nil {
		t.Fatal(err)
	}
	mustContain(t, path+".1", "before\nafter end 1\n")
	mustContain(t, path, "after truncation\n")
}

// A writer that never pauses loses lines only at the border between two files; everything else is there once, whole and in
// order.
func TestRotateUnderAWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var (
		written int
		stop    = make(chan struct{})
		wg      sync.WaitGroup
	)
	wg.Go(func() {
		for ; ; written++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := fmt.Fprintf(log, "%08d\n", written); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range keptLogs { // so that all copies are there to be read
		size := func() int64 { info, _ := os.Stat(path); return info.Size() }
		eventually(t, "the log has grown", func() bool { return size() > 200<<10 })
		if err := rotate(path, 1); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()

	next := 0
	for _, file := range []string{path + ".3", path + ".2", path + ".1", path} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole := b[:bytes.LastIndexByte(b, '\n')+1] // what follows is a line that was cut
		for i, line := range strings.Split(strings.TrimSuffix(string(whole), "\n"), "\n") {
			if len(whole) == 0 {
				break
			}
			n, err := strconv.Atoi(line)
			if err != nil || len(line) != 8 {
				t.Fatalf("%s has a broken line %q", file, line)
			}
			if n < next || n > next && i > 0 {
				t.Fatalf("%s: line %d follows on line %d", file, n, next-1)
			}
			next = n + 1
		}
	}
	if next > written {
		t.Errorf("line %d was read, %d were written", next-1, written)
	}
}

// Rotation goes on for whatever processes there are, adopted ones too, log and streams.
func TestSupervisorRotatesLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, f := fakeSupervisor(t, dir)
		spec := Spec{Name: "web", Path: "/bin/web", Args: []string{"web"}, Log: filepath.Join(dir, "log"),
			Streams: []string{filepath.Join(dir, "audit")}}
		f.adoptable = newFakeChild(77)
		rec := newRecord(spec)
		rec.identity = f.adoptable.identity
		s.onFile["web"] = rec
		if err := s.Ensure(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{spec.Log, spec.Streams[0]} {
			big, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := big.Truncate(maxLogBytes + 1); err != nil {
				t.Fatal(err)
			}
			big.Close()
		}
		time.Sleep(rotatePace + time.Second)
		synctest.Wait()
		for _, path := range []string{spec.Log, spec.Streams[0]} {
			if info, err := os.Stat(path); err != nil || info.Size() != 0 {
				t.Errorf("%s was not truncated: %v", path, err)
			}
			if info, err := os.Stat(path + ".1"); err != nil || info.Size() != maxLogBytes+1 {
				t.Errorf("%s has no copy: %v", path, err)
			}
		}
	})
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if _, err := logTail(path); !os.IsNotExist(err) {
		t.Errorf("err = %v, want %v", err, fs.ErrNotExist)
	}
	long := strings.Repeat("x", 100)
	var many bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&many, "line %d\n", i)
	}
	for content, want := range map[string]string{
		"":                                 "",
		"one":                              "one",
		"one\ntwo\n\n":                     "one\ntwo",
		many.String():                      "line 990\nline 991\nline 992\nline 993\nline 994\nline 995\nline 996\nline 997\nline 998\nline 999",
		strings.Repeat(long, 50) + "\nend": "end",
	} {
		writeFile(t, path, content)
		if got, err := logTail(path); err != nil || got != want {
			t.Errorf("tail of %.20q…: %q, %v", content, got, err)
		}
	}
}
