package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary play the supervised processes and, to be killed, the supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role, ok := strings.CutPrefix(os.Args[1], "play:"); ok {
			os.Exit(play(role, os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func play(role string, args []string) int {
	switch role {
	case "serve": // until SIGTERM
		fmt.Println("serving", os.Getpid())
		return linger()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("serving", os.Getpid())
		return linger()
	case "exit":
		fmt.Println("serving", os.Getpid())
		code, _ := strconv.Atoi(args[0])
		return code
	case "report":
		return report(args)
	case "supervisor":
		return superviseUntilKilled(args[0])
	case "churning":
		return restartUntilKilled(args[0])
	case "unrecorded":
		return dieBeforeRecording(args[0])
	}
	fmt.Fprintln(os.Stderr, "no such role:", role)
	return 2
}

// linger waits for a signal, and not for ever: should a test fail to clean up, its processes end on their own.
func linger() int {
	time.Sleep(5 * time.Minute)
	return 1
}

// surroundings are what a child sees of itself.
type surroundings struct {
	UID, GID, SID, PID int
	Groups             []int
	Dir                string
	Env                []string
	Status             map[string]string // of /proc/self/status
	FDs                map[string]string // number to target
}

// report tells the first stream and standard output about itself, through the stream's path.
func report([]string) int {
	s := surroundings{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), Env: os.Environ()}
	s.SID, _ = unix.Getsid(0)
	s.Groups, _ = os.Getgroups()
	s.Dir, _ = os.Readlink("/proc/self/cwd")
	s.Status, s.FDs = map[string]string{}, map[string]string{}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		k, v, _ := strings.Cut(line, ":")
		s.Status[k] = strings.TrimSpace(v)
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, e := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "/") {
			s.FDs[e.Name()] = to
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return 1
	}
	stream, err := os.OpenFile("/proc/self/fd/3", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(stream, "streamed")
	return linger()
}

// superviseUntilKilled runs a supervisor of a child "serve" in dir and says so.
func superviseUntilKilled(dir string) int {
	s, err := New(filepath.Join(dir, "processes"), slog.New(slog.DiscardHandler))
	if err == nil {
		err = s.Ensure(context.Background(), testSpec(dir, "web", "serve"))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("supervising")
	return linger()
}

// restartUntilKilled runs a supervisor that changes its child's spec again and again.
func restartUntilKilled(dir string) int {
	s, err := New(filepath.Join(dir, "processes"), slog.New(slog.DiscardHandler))
	for i := 0; err == nil; i++ {
		if i == 1 {
			fmt.Println("supervising")
		}
		err = s.Ensure(context.Background(), testSpec(dir, "web", "serve", strconv.Itoa(i)))
	}
	fmt.Println(err)
	return 1
}

// dieBeforeRecording is killed after the fork and before the child's pid is on file.
func dieBeforeRecording(dir string) int {
	s, err := New(filepath.Join(dir, "processes"), slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s.launch = func(spec Spec, marker string) (*child, error) {
		if _, err := launch(spec, marker); err != nil {
			return nil, err
		}
		fmt.Println("supervising")
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	fmt.Println(s.Ensure(context.Background(), testSpec(dir, "web", "serve")))
	return 1
}

// testSpec is a spec for the test binary in a role.
func testSpec(dir, name, role string, args ...string) Spec {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Spec{
		Name: name,
		Path: self,
		Args: append([]string{name, "play:" + role}, args...),
		Env:  []string{"GOCOVERDIR=" + dir},
		Log:  filepath.Join(dir, "logs", name+".log"),
	}
}

// serving makes a spec ready once its process has written its first line.
func serving(spec Spec) Spec {
	spec.Ready = func(context.Context) error {
		if len(pidsIn(spec.Log)) == 0 {
			return fmt.Errorf("%s has no line yet", spec.Log)
		}
		return nil
	}
	return spec
}

// pidsIn reads the pids that children of a log have announced, in order.
func pidsIn(log string) (pids []int) {
	b, _ := os.ReadFile(log)
	for line := range strings.Lines(string(b)) {
		if pid, ok := strings.CutPrefix(line, "serving "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(pid))
			pids = append(pids, n)
		}
	}
	return pids
}

// open makes a supervisor that stops all it knows when the test ends.
func open(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := New(filepath.Join(dir, "processes"), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		names := s.OnFile()
		for _, st := range s.List() {
			names = append(names, st.Name)
		}
		for _, name := range names {
			if err := s.Stop(ctx, name); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		s.Close()
	})
	return s
}

func ensure(t *testing.T, s *Supervisor, spec Spec) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Ensure(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(ctx, spec.Name); err != nil {
		t.Fatal(err)
	}
	st, ok := s.Status(spec.Name)
	if !ok {
		t.Fatalf("%s has no status", spec.Name)
	}
	return st
}

func stopProcess(t *testing.T, s *Supervisor, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Stop(ctx, name); err != nil {
		t.Fatal(err)
	}
}

// runKilled plays a role that is killed with SIGKILL, by itself or by us, so long after it has said "supervising".
func runKilled(t *testing.T, role, dir string, after time.Duration) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "play:"+role, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if line != "supervising\n" {
		t.Fatalf("the supervisor to be killed said %q", line)
	}
}

// mustRun fails the test unless pid runs.
func mustRun(t *testing.T, pid int) {
	t.Helper()
	if !runs(pid) {
		t.Fatalf("process %d does not run", pid)
	}
}

// mustNotRun fails the test if pid runs.
func mustNotRun(t *testing.T, pid int) {
	t.Helper()
	if runs(pid) {
		t.Fatalf("process %d runs", pid)
	}
}

func runs(pid int) bool {
	id, err := identify(pid)
	if err != nil {
		return false
	}
	alive, err := id.alive()
	return err == nil && alive
}

// eventually waits for something outside of this process to become true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still not so: %s", what)
		}
	}
}
