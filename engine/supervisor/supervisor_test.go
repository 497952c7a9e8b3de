package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestManyEnsuresAreOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := serving(testSpec(dir, "clusters/c1/web", "serve"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Ensure(t.Context(), spec); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	st := ensure(t, s, spec)
	if st.State != Running || st.Adopted || st.Restarts != 0 || st.Started.IsZero() {
		t.Errorf("status = %+v", st)
	}
	if pids := pidsIn(spec.Log); !slices.Equal(pids, []int{st.PID}) {
		t.Errorf("processes started: %v, want only %d", pids, st.PID)
	}
	stopProcess(t, s, spec.Name)
	mustNotRun(t, st.PID)
	if _, ok := s.Status(spec.Name); ok {
		t.Error("a stopped process has a status")
	}
	if _, err := os.Stat(s.records.path(spec.Name)); err == nil {
		t.Error("a stopped process has a file")
	}
	stopProcess(t, s, spec.Name) // again: nothing to do
}

func TestSpecChangeRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := serving(testSpec(dir, "web", "serve"))
	old := ensure(t, s, spec)
	again := ensure(t, s, spec)
	if again.PID != old.PID {
		t.Fatalf("an equal spec restarted the process: %d, then %d", old.PID, again.PID)
	}
	spec.Args = append(spec.Args, "--changed")
	changed := ensure(t, s, spec)
	mustNotRun(t, old.PID)
	if changed.PID == old.PID || changed.Restarts != 0 {
		t.Errorf("after a change: %+v", changed)
	}
	if changed.LastExit != "signal: terminated" {
		t.Errorf("LastExit = %q, want the SIGTERM", changed.LastExit)
	}
}

func TestStopEscalatesToKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := serving(testSpec(dir, "web", "stubborn"))
	spec.StopTimeout = 50 * time.Millisecond
	st := ensure(t, s, spec)
	stopProcess(t, s, spec.Name)
	mustNotRun(t, st.PID)
}

func TestEndedProcessIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := testSpec(dir, "web", "exit", "3")
	changes := make(chan Status, 100)
	cancel := s.Subscribe(func(name string) {
		if st, ok := s.Status(name); ok {
			select {
			case changes <- st:
			default:
			}
		}
	})
	defer cancel()
	if err := s.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	for st := range changes {
		if st.Restarts >= 2 && st.State == Starting {
			if st.LastExit != "exit status 3" {
				t.Errorf("LastExit = %q", st.LastExit)
			}
			break
		}
	}
	eventually(t, "three processes ran", func() bool { return len(pidsIn(spec.Log)) >= 3 })
	stopProcess(t, s, "web")
}

func TestKilledProcessIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := serving(testSpec(dir, "web", "serve"))
	st := ensure(t, s, spec)
	if err := unix.Kill(st.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process runs", func() bool {
		now, _ := s.Status("web")
		return now.State == Running && now.PID != st.PID && now.Restarts == 1 && now.LastExit == "signal: killed"
	})
}

func TestProcessThatCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	script, plain, garbage := filepath.Join(dir, "script"), filepath.Join(dir, "plain"), filepath.Join(dir, "garbage")
	if err := errors.Join(os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755), os.WriteFile(plain, nil, 0o644), os.WriteFile(garbage, []byte("garbage"), 0o755)); err != nil {
		t.Fatal(err)
	}
	ofProgram := map[string]bool{"no program": true, "a folder": true, "a script": true, "not executable": true, "garbage": true}
	for name, c := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"no program":     {func(s *Spec) { s.Path = "/nonexistent/prog" }, "/nonexistent/prog: no such file"},
		"a folder":       {func(s *Spec) { s.Path = dir }, "permission denied"},
		"a script":       {func(s *Spec) { s.Path = script }, "is a script"},
		"not executable": {func(s *Spec) { s.Path = plain }, "permission denied"},
		"garbage":        {func(s *Spec) { s.Path = garbage }, "exec format error"},
		"no dir":         {func(s *Spec) { s.Dir = "/nonexistent" }, "/nonexistent: no such file"},
		"log is a dir":   {func(s *Spec) { s.Log = dir }, "is a directory"},
		"log is a link":  {func(s *Spec) { s.Log = link(t, dir, "log", "/dev/null") }, "too many levels of symbolic links"},
		"stream a dev":   {func(s *Spec) { s.Streams = []string{"/dev/null"} }, "not a regular file"},
		"relative":       {func(s *Spec) { s.Path = "prog" }, "must be absolute"},
		"no args":        {func(s *Spec) { s.Args = nil }, "no args"},
		"no name":        {func(s *Spec) { s.Name = "" }, "is empty"},
		"long name":      {func(s *Spec) { s.Name = strings.Repeat("/", 100) }, "longer than"},
	} {
		spec := testSpec(dir, "case/"+name, "serve")
		c.change(&spec)
		err := s.Ensure(t.Context(), spec)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: err = %v, want it to contain %q", name, err, c.want)
		}
		if errors.Is(err, ErrProgram) != ofProgram[name] {
			t.Errorf("%s: err = %v: is it the program: %t", name, err, !ofProgram[name])
		}
		if spec.Name != "" {
			stopProcess(t, s, spec.Name)
		}
	}
	if left := s.List(); len(left) != 0 {
		t.Errorf("after Stop there are still %v", left)
	}
}

func link(t *testing.T, dir, name, to string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFailedStartIsTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := serving(testSpec(dir, "web", "serve"))
	program := spec.Path
	spec.Path = filepath.Join(dir, "later")
	if err := s.Ensure(t.Context(), spec); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("err = %v, want that the program does not exist", err)
	}
	if err := os.Symlink(program, spec.Path); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
}

func TestWaitReadyTellsWhyNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := testSpec(dir, "web", "serve")
	asked := make(chan struct{}, 1)
	spec.Ready = func(context.Context) error {
		if len(pidsIn(spec.Log)) > 0 {
			select {
			case asked <- struct{}{}:
			default:
			}
		}
		return errors.New("not on my watch")
	}
	if err := s.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	<-asked
	<-asked // so the answer of the first has arrived
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("out of patience"))
	defer cancel()
	err := s.WaitReady(ctx, "web")
	if err == nil {
		t.Fatal("it is ready")
	}
	for _, want := range []string{"out of patience", "starting", "not on my watch", "serving"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
	if err := s.WaitReady(t.Context(), "other"); !errors.Is(err, ErrUnknown) {
		t.Errorf("err = %v, want ErrUnknown", err)
	}
}

func TestChildsSurroundings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inherit(t, filepath.Join(dir, "inherited"))
	s := open(t, dir)
	spec := testSpec(dir, "web", "report")
	spec.Dir = filepath.Join(dir, "work")
	spec.Streams = []string{filepath.Join(dir, "streams", "audit.log")}
	spec.Env = append(spec.Env, markerVar+"=of/another/supervisor")
	if err := os.Mkdir(spec.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	got := reported(t, spec)
	if got.SID != got.PID {
		t.Errorf("it is in session %d, want one of its own", got.SID)
	}
	if got.Dir != spec.Dir {
		t.Errorf("it runs in %s, want %s", got.Dir, spec.Dir)
	}
	if len(got.Env) != 2 || !strings.HasPrefix(got.Env[1], markerVar+"="+s.id+"/") {
		t.Errorf("environment = %q", got.Env)
	}
	want := map[string]string{"0": "/dev/null", "1": spec.Log, "2": spec.Log, "3": spec.Streams[0]}
	for fd, to := range got.FDs {
		own := strings.HasPrefix(to, "/proc/") || strings.HasPrefix(to, "/sys/fs/cgroup/") // the listing, Go's runtime
		if want[fd] != to && !own {
			t.Errorf("descriptor %s is %s, want %q", fd, to, want[fd])
		}
	}
	if len(got.FDs) < len(want) {
		t.Errorf("descriptors = %v, want %v", got.FDs, want)
	}
	st, _ := s.Status("web")
	if m := st.WithMemory(); m.RSSBytes < 1<<20 || m.PrivateBytes < 100<<10 || m.PrivateBytes > m.RSSBytes {
		t.Errorf("memory: resident %d, private %d", m.RSSBytes, m.PrivateBytes)
	}
}

// inherit gives this process an open file as if its parent had left it open.
func inherit(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd())) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
}

// More streams than there are descriptors in use: the child's own go over the numbers that ours have.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := testSpec(dir, "web", "report")
	for i := range 300 {
		spec.Streams = append(spec.Streams, filepath.Join(dir, "streams", strconv.Itoa(i)))
	}
	files, err := openFiles(spec)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*os.File{"program": files.program, "folder": files.dir} {
		if f.Fd() < 303 || f.Fd() >= files.log.Fd() {
			t.Errorf("the %s is descriptor %d, which is in the way of the child's 303 files, or not below its log, %d", name, f.Fd(), files.log.Fd())
		}
	}
	files.close()
	if err := s.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	got := reported(t, spec)
	for i, path := range spec.Streams {
		if to := got.FDs[strconv.Itoa(3+i)]; to != path {
			t.Fatalf("descriptor %d is %s, want %s", 3+i, to, path)
		}
	}
}

// reported is what a child in the role "report" said.
func reported(t *testing.T, spec Spec) (got surroundings) {
	t.Helper()
	eventually(t, "the stream is written to", func() bool {
		b, _ := os.ReadFile(spec.Streams[0])
		return string(b) == "streamed\n"
	})
	b, err := os.ReadFile(spec.Log)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	return got
}

// A process under a uid of its own runs a program, in a folder, with a log, all of which lie where that uid cannot go.
func TestChildWithItsOwnUID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	spec := testSpec(dir, "web", "report")
	spec.UID = 23456
	if os.Geteuid() != 0 {
		if err := s.Ensure(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "needs root") {
			t.Errorf("err = %v, want that it needs root", err)
		}
		return
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	spec.Path = filepath.Join(closed, "program")
	if err := os.WriteFile(spec.Path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Dir = filepath.Join(closed, "work")
	if err := os.Mkdir(spec.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Log = filepath.Join(closed, "log")
	spec.Streams = []string{filepath.Join(closed, "audit")}
	// Another test's child may have the program open for writing between its fork and its exec; then the next try starts it.
	if err := s.Ensure(t.Context(), spec); err != nil && !errors.Is(err, unix.ETXTBSY) {
		t.Fatal(err)
	}
	got := reported(t, spec)
	if got.UID != 23456 || got.GID != 23456 || len(got.Groups) != 0 {
		t.Errorf("it runs as %d:%d %v", got.UID, got.GID, got.Groups)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if strings.Trim(got.Status[set], "0") != "" {
			t.Errorf("%s = %s, want none", set, got.Status[set])
		}
	}
	if got.Status["NoNewPrivs"] != "1" {
		t.Errorf("NoNewPrivs = %s", got.Status["NoNewPrivs"])
	}
	if self, _ := os.ReadFile("/proc/thread-self/status"); strings.Contains(string(self), "NoNewPrivs:\t1") {
		t.Error("the supervisor has given up its own privileges")
	}
}
