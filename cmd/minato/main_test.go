package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/internal/home"
	"minato.dev/minato/server"
)

func TestExitCodes(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"version"}, exitDone},
		{[]string{"help"}, exitDone},
		{[]string{"nonsense"}, exitUsage},
		{[]string{"up", "--nonsense"}, exitUsage},
		{[]string{"up", "--account", "12"}, exitUsage},
		{[]string{"up", "--listen", "4566"}, exitUsage},
		{[]string{"up", "--test-clock", "tomorrow"}, exitUsage},
		{[]string{"up", "--version", "1.35"}, exitUsage},
		{[]string{"up", "--cluster", "a", "--version", "2.0"}, exitUsage},
		{[]string{"backup"}, exitUsage},
		{[]string{"status", "-o", "yaml"}, exitUsage},
		{[]string{"access", "policy"}, exitDone},
		{[]string{"access", "nonsense"}, exitUsage},
		{[]string{"access", "explain", "nonsense"}, exitUsage},
		{[]string{"identity", "explain", "--cluster", "prod"}, exitUsage},
		{[]string{"identity", "explain", "--cluster", "c", "-n", "n", "--service-account", "s", "--resource", "*"}, exitUsage},
		{[]string{"access", "policy", "nonsense"}, exitUsage},
		{[]string{"access", "policy", "put", "Debugger"}, exitUsage},
		{[]string{"access", "policy", "get"}, exitUsage},
		{[]string{"access", "policy", "get", ""}, exitUsage},
		{[]string{"access", "policy", "list", "Debugger"}, exitUsage},
		{[]string{"access", "policy", "delete", "a", "b"}, exitUsage},
		{[]string{"access", "policy", "list", "--home", empty}, exitFailed},
		{[]string{"access", "policy", "put", "--home", empty, "Debugger", filepath.Join(empty, "none")}, exitFailed},
		{[]string{"status", "--home", empty}, exitFailed},
		{[]string{"down", "--home", empty}, exitFailed},
		{[]string{"env", "--home", empty}, exitFailed},
		{[]string{"restore", "--home", empty, filepath.Join(empty, "none")}, exitFailed},
	} {
		if got := run(t.Context(), c.args); got != c.want {
			t.Errorf("minato %v exits with %d, want %d", c.args, got, c.want)
		}
	}
}

// TestUmask is that a shell's umask cannot open what we and our processes write to others.
func TestUmask(t *testing.T) {
	before := syscall.Umask(0)
	run(t.Context(), []string{"version"})
	if got := syscall.Umask(before); got != 0o077 {
		t.Errorf("minato runs with umask %o, want 077", got)
	}
}

func TestParseTestClock(t *testing.T) {
	for s, want := range map[string]time.Time{
		"":                     {},
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T12:00:00Z": time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
	} {
		if got, err := parseTestClock(s); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
}

func TestCheckOptions(t *testing.T) {
	if err := checkOptions(server.Options{Cluster: "demo", Version: "1.35", Accounts: []string{"111122223333"}, Listen: "[::1]:4566"}); err != nil {
		t.Errorf("good options are refused: %v", err)
	}
}

// TestPurgeSparesStrangers keeps `minato down --purge` from deleting a folder that is no home.
func TestPurgeSparesStrangers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.Purge(home.Dir(dir)); err == nil {
		t.Error("a folder without config.json was purged")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}
