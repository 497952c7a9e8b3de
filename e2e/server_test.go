package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestUpRefuses starts servers that cannot be. Each ends with a clear message and leaves nothing running.
func TestUpRefuses(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for _, tt := range []struct {
		name  string
		home  string // empty is a new one
		args  []string
		code  int
		texts []string
	}{
		{"port taken", "", []string{"--listen", taken.Addr().String()}, 1, []string{taken.Addr().String(), "--listen"}},
		{"home in use", string(e.Home), nil, 1, []string{"a server is running in this home", string(e.Home)}},
		{"account too short", "", []string{"--account", "12"}, 2, []string{`"12"`, "12 digits"}},
		{"no address", "", []string{"--listen", "here"}, 2, []string{`"here"`, "127.0.0.1:4566"}},
		{"unknown minor", "", []string{"--cluster", "demo", "--version", "1.2"}, 2, []string{`"1.2"`}},
		{"not a date", "", []string{"--test-clock", "tomorrow"}, 2, []string{`"tomorrow"`, "2026-11-01"}},
		{"unknown flag", "", []string{"--fast"}, 2, []string{"--fast"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			home := tt.home
			if home == "" {
				home = filepath.Join(t.TempDir(), "home")
			}
			r := e.Anonymous(t).With("MINATO_HOME="+home).Run(t, "minato", append([]string{"up"}, tt.args...)...)
			if r.ExitCode != tt.code {
				t.Errorf("want exit code %d: %s", tt.code, r)
			}
			for _, text := range tt.texts {
				if !strings.Contains(r.Stderr, text) {
					t.Errorf("the message lacks %q: %s", text, r)
				}
			}
			if tt.home == "" {
				if pids := testenv.ProcessesOf(home); len(pids) > 0 {
					t.Errorf("processes %v are left", pids)
				}
			}
		})
	}
}

// TestDetached is `make up` in the background: when the command returns, its cluster can be used.
func TestDetached(t *testing.T) {
	t.Parallel()
	e := testenv.New(t, testenv.Options{})
	up := e.Minato(t, "up", "--listen", e.Listen, "--cluster", "demo", "--version", "1.35", "--detach")
	for _, want := range []string{"etcd", "demo", "http://" + e.Listen, "minato env"} {
		if !strings.Contains(up, want) {
			t.Errorf("minato up does not tell of %q:\n%s", want, up)
		}
	}
	admin := e.Admin(t)
	demo := &cluster{name: "demo", client: admin, config: admin.Kubeconfig(t, "demo")}
	if got := demo.kubectl(t, "get", "--raw", "/readyz"); got != "ok" {
		t.Errorf("/readyz: got %q, want ok", got)
	}
	e.Minato(t, "down")
	// The same command again finds the cluster that is there.
	e.Minato(t, "up", "--listen", e.Listen, "--cluster", "demo", "--version", "1.35", "--detach")
	if got := admin.AWS(t, "eks", "list-clusters", "--query", "clusters", "--output", "text"); got != "demo" {
		t.Errorf("clusters: %q, want demo", got)
	}
}

// TestHomeIsPrivate: nobody else may read the keys.
func TestHomeIsPrivate(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	for _, path := range []string{e.Home.Credentials(), e.Home.SealKey()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", path, mode)
		}
	}
	const secretName = "AWS_SECRET_ACCESS_KEY"
	secret := e.Admin(t).Getenv(secretName)
	if len(secret) < 40 {
		t.Fatalf("minato env gives no %s", secretName)
	}
	logs, err := filepath.Glob(e.Home.Logs("*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs to look at: %v", err)
	}
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), secret) {
			t.Errorf("%s holds the administrator's secret key", path)
		}
	}
}

// TestCommands runs what needs no cluster.
func TestCommands(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	status := e.Minato(t, "status")
	for _, want := range []string{e.Listen, "etcd", "hook", "gate"} {
		if !strings.Contains(status, want) {
			t.Errorf("minato status lacks %q:\n%s", want, status)
		}
	}
	if got := e.Minato(t, "doctor"); !strings.Contains(got, "✓  Kubernetes") || !strings.Contains(got, "port "+e.Listen) {
		t.Errorf("minato doctor:\n%s", got)
	}
	if got := e.Minato(t, "doctor", "--systemd"); !strings.Contains(got, "KillMode=process") {
		t.Errorf("minato doctor --systemd:\n%s", got)
	}
	if got := e.Minato(t, "version"); got == "" {
		t.Error("minato version says nothing")
	}
	if r := e.TryMinato(t, "fly"); r.ExitCode != 2 || !strings.Contains(r.Stderr, `"fly"`) {
		t.Errorf("an unknown command: %s", r)
	}
	if r := e.TryMinato(t, "env", "--account", "999999999999"); r.ExitCode != 1 || !strings.Contains(r.Stderr, "999999999999") {
		t.Errorf("an unknown account: %s", r)
	}
	if r := e.TryMinato(t, "logs", "nowhere"); r.ExitCode != 1 || !strings.Contains(r.Stderr, `"nowhere"`) {
		t.Errorf("logs of no cluster: %s", r)
	}
}
