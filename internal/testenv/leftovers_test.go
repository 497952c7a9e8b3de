package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/home"
)

func TestLeftovers(t *testing.T) {
	t.Parallel()
	e := &Env{Home: home.Dir(filepath.Join(t.TempDir(), "home"))}
	if left := e.Leftovers(); len(left) != 0 {
		t.Fatalf("a home that never was left %v", left)
	}

	if err := os.Mkdir(string(e.Home), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.Args[0] = e.Home.Path("some-process")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	left := fmt.Sprint(e.Leftovers())
	for _, want := range []string{fmt.Sprintf("process %d is left", cmd.Process.Pid), string(e.Home) + " is left"} {
		if !strings.Contains(left, want) {
			t.Errorf("want %q in %s", want, left)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"+strings.Repeat("x", 500)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	tail(&b, path, 2)
	want := fmt.Sprintf("---- %s, last 2 of 3 lines\ntwo\n%s…\n", path, strings.Repeat("x", 400))
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestClientCommands(t *testing.T) {
	t.Parallel()
	c := new(Env).Anonymous(t)
	if got := c.With("FRUIT=fig", "FRUIT=plum").Shell(t, `echo "$FRUIT"; pwd >&2`); got != "plum" {
		t.Errorf("got %q, want the later value of the variable", got)
	}
	r := c.Run(t, "sh", "-c", "echo no >&2; exit 3")
	if r.ExitCode != 3 || r.Stderr != "no\n" {
		t.Errorf("got %s, want exit code 3 and the message", r)
	}
}
