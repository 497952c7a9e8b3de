package supervisor

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAdoptionAfterKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runKilled(t, "supervisor", dir, 0)
	s := open(t, dir)
	if names := s.OnFile(); !slices.Equal(names, []string{"web"}) {
		t.Fatalf("on file: %q", names)
	}
	spec := serving(testSpec(dir, "web", "serve"))
	st := ensure(t, s, spec)
	if !st.Adopted || st.Started.IsZero() {
		t.Errorf("status = %+v, want adopted", st)
	}
	if pids := pidsIn(spec.Log); !slices.Equal(pids, []int{st.PID}) {
		t.Errorf("processes started: %v, want only %d", pids, st.PID)
	}
	if names := s.OnFile(); len(names) != 0 {
		t.Errorf("still on file: %q", names)
	}

	// An adopted process is kept alive like any other.
	if err := unix.Kill(st.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process runs", func() bool {
		now, _ := s.Status("web")
		return now.State == Running && now.PID != st.PID && !now.Adopted && now.LastExit == unknownExit
	})
}

func TestAdoptedProcessOfAnotherSpecIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runKilled(t, "supervisor", dir, 0)
	s := open(t, dir)
	old := s.onFile["web"].PID
	mustRun(t, old)
	spec := serving(testSpec(dir, "web", "serve", "--changed"))
	st := ensure(t, s, spec)
	if st.Adopted || st.PID == old {
		t.Errorf("status = %+v", st)
	}
	mustNotRun(t, old)
}

func TestLingeringProcessIsStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runKilled(t, "supervisor", dir, 0)
	s := open(t, dir)
	pid := s.onFile["web"].PID
	mustRun(t, pid)
	stopProcess(t, s, "web")
	mustNotRun(t, pid)
	if names := s.OnFile(); len(names) != 0 {
		t.Errorf("still on file: %q", names)
	}
	if _, err := os.Stat(s.records.path("web")); err == nil {
		t.Error("the file is still there")
	}
}

// Between the fork and the writing of the pid a supervisor can die, too: its child must be found, and not be doubled.
func TestDeathBeforePIDIsRecorded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runKilled(t, "unrecorded", dir, 0)
	rec, err := readRecord(records{filepath.Join(dir, "processes")}.path("web"), "web")
	if err != nil || rec.PID != 0 {
		t.Fatalf("record %+v, err %v: the test wants one without a pid", rec, err)
	}
	s := open(t, dir)
	spec := serving(testSpec(dir, "web", "serve"))
	st := ensure(t, s, spec)
	if !st.Adopted {
		t.Errorf("status = %+v, want adopted", st)
	}
	if pids := pidsIn(spec.Log); !slices.Equal(pids, []int{st.PID}) {
		t.Errorf("processes started: %v, want only %d", pids, st.PID)
	}
}

// Wherever in a stop and a start a supervisor is killed, there is one process afterwards: the right one.
func TestDeathAnywhereLeavesOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 20 {
		runKilled(t, "churning", dir, rand.N(20*time.Millisecond))
		s := open(t, dir)
		st := ensure(t, s, testSpec(dir, "web", "serve", "the right one"))
		live, err := findOrphans(s.id)
		if err != nil {
			t.Fatal(err)
		}
		if len(live) != 1 || live[0].PID != st.PID {
			t.Fatalf("round %d: processes %+v, want only %d", round, live, st.PID)
		}
		s.Close()
	}
	stopProcess(t, open(t, dir), "web")
}

func TestCloseLeavesProcessesRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	spec := serving(testSpec(dir, "web", "serve"))
	st := ensure(t, first, spec)
	if _, err := New(first.records.dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second supervisor in the same folder: err = %v", err)
	}
	first.Close()
	first.Close()
	mustRun(t, st.PID)
	if err := first.Ensure(t.Context(), spec); err == nil || !strings.Contains(err.Error(), ErrClosed.Error()) {
		t.Errorf("Ensure after Close: err = %v", err)
	}
	if again := ensure(t, open(t, dir), spec); again.PID != st.PID || !again.Adopted {
		t.Errorf("status = %+v, want process %d adopted", again, st.PID)
	}
}

// bystander is a process that is none of ours, and whose pid stands in a file as if it were.
func bystander(t *testing.T) identity {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "play:serve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	id, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRecycledPIDIsNeverTouched(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(*identity){
		"another start time": func(id *identity) { id.StartTime-- },
		"another boot":       func(id *identity) { id.BootID = "11111111-2222-3333-4444-555555555555" },
		"a boot unnamed":     func(id *identity) { id.BootID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			id := bystander(t)
			innocent := id.PID
			forge(&id)
			specs := []Spec{testSpec(dir, "kept", "serve"), testSpec(dir, "stopped", "serve"), testSpec(dir, "changed", "serve")}
			r := records{filepath.Join(dir, "processes")}
			if err := os.Mkdir(r.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, spec := range specs {
				rec := newRecord(spec)
				rec.identity = id
				if err := r.write(rec); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, dir)
			if st := ensure(t, s, serving(specs[0])); st.Adopted || st.PID == innocent {
				t.Errorf("took over an innocent process: %+v", st)
			}
			stopProcess(t, s, "stopped")
			specs[2].Args = append(specs[2].Args, "--changed")
			ensure(t, s, serving(specs[2]))
			for _, spec := range specs {
				stopProcess(t, s, spec.Name)
			}
			mustRun(t, innocent)
		})
	}
}

func TestCorruptFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty":          "",
		"not JSON":       "\x00\xff{",
		"cut":            `{"v":1,"spec":{"name":"we`,
		"newer":          `{"v":999,"spec":{"name":"web"}}`,
		"another's":      `{"v":1,"spec":{"name":"other"},"pid":1}`,
		"of wrong types": `{"v":1,"spec":{"name":"web"},"pid":"one"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			runKilled(t, "supervisor", dir, 0)
			file := records{filepath.Join(dir, "processes")}.path("web")
			rec, err := readRecord(file, "web")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			if names := s.OnFile(); !slices.Equal(names, []string{"web"}) {
				t.Fatalf("on file: %q", names)
			}
			// What it ran by is not known any more, so it is replaced: found by its environment, stopped, started.
			st := ensure(t, s, serving(testSpec(dir, "web", "serve")))
			if st.Adopted || st.PID == rec.PID {
				t.Errorf("status = %+v", st)
			}
			mustNotRun(t, rec.PID)
		})
	}
}

func TestCorruptFileWithoutAProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := records{filepath.Join(dir, "processes")}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{r.path("web"), filepath.Join(r.dir, "p-%zz.json"), filepath.Join(r.dir, "notes.txt")} {
		if err := os.WriteFile(f, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	if names := s.OnFile(); !slices.Equal(names, []string{"web"}) {
		t.Fatalf("on file: %q", names)
	}
	stopProcess(t, s, "web")
	if _, err := os.Stat(r.path("web")); err == nil {
		t.Error("the file is still there")
	}
}

// A descendant carries the marker of the process that started it. It is not that process.
func TestOrphansAreSessionLeadersOfThisSupervisor(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	start := func(value string, session bool) int {
		cmd := exec.Command(self, "play:serve")
		cmd.Env = []string{markerVar + "=" + value}
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: session}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd.Process.Pid
	}
	id := fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
	ours := start(marker(id, "n1", "a/b"), true)
	start(marker(id, "n1", "a/b"), false)
	start(marker("another", "n1", "a/b"), true)
	start("nonsense", true)
	found, err := findOrphans(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].PID != ours || found[0].name != "a/b" || found[0].nonce != "n1" {
		t.Errorf("found %+v, want process %d", found, ours)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	tail := " S 1 2 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 10"
	for _, name := range []string{"(web)", "(a) b)", "(()", "( S 1 2 3)"} {
		st, err := parseStat("17 " + name + tail)
		if err != nil || st != (stat{'S', 42, 98765}) {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
	for _, bad := range []string{"", "17", "17 (web) S 1", "17 (web)" + strings.Replace(tail, "98765", "x", 1)} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q parses", bad)
		}
	}
}
