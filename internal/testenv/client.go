package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Client runs the real clients as one user: with the environment that `minato env` prints and an own, empty home folder.
type Client struct {
	vars []string
	dir  string
	told *told
}

// told is what a client has logged last, so that a command that is tried until it succeeds does not fill the log.
type told struct {
	mu      sync.Mutex
	command string
	times   int
}

// log notes a command the first, second, fourth, eighth … time in a row.
func (l *told) log(t testing.TB, command string, took time.Duration) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.command != command {
		l.command, l.times = command, 0
	}
	l.times++
	switch {
	case l.times == 1:
		t.Logf("%.1fs %.160s", took.Seconds(), command)
	case l.times&(l.times-1) == 0:
		t.Logf("%.1fs the same, %d times now", took.Seconds(), l.times)
	}
}

// Admin is the administrator of the first account.
func (e *Env) Admin(t testing.TB) *Client {
	t.Helper()
	return e.As(t, "")
}

// As is the administrator of an account; empty is the first.
func (e *Env) As(t testing.TB, account string) *Client {
	t.Helper()
	c := e.Anonymous(t)
	args := []string{"env"}
	if account != "" {
		args = append(args, "--account", account)
	}
	// Evaluated by a shell, as users do it.
	script := `vars="$("$0" "$@")"; eval "$vars"; env -0`
	out := c.Run(t, "sh", append([]string{"-euc", script, e.binary}, args...)...).must(t)
	c.vars = strings.Split(strings.TrimRight(out, "\x00"), "\x00")
	return c
}

// With is the same client with more environment variables, NAME=value each; later ones win.
func (c *Client) With(vars ...string) *Client {
	with := *c
	with.vars = append(c.vars[:len(c.vars):len(c.vars)], vars...)
	return &with
}

// Anonymous is a user with an empty home folder, no credentials, and minato on the PATH.
func (e *Env) Anonymous(t testing.TB) *Client {
	t.Helper()
	dir := t.TempDir()
	path := []string{filepath.Dir(e.binary), os.Getenv("PATH")}
	aws, err := awsDir()
	if err != nil {
		t.Fatal(err)
	}
	if aws != "" {
		path = append([]string{aws}, path...)
	}
	return &Client{dir: dir, told: &told{}, vars: append(minimalEnviron(),
		"HOME="+dir,
		"MINATO_HOME="+string(e.Home),
		"PATH="+strings.Join(path, string(os.PathListSeparator)),
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=",
	)}
}

// Getenv is a variable of the client's environment; empty where there is none.
func (c *Client) Getenv(name string) (value string) {
	for _, v := range c.vars {
		if after, ok := strings.CutPrefix(v, name+"="); ok {
			value = after
		}
	}
	return value
}

// Result is what a command said.
type Result struct {
	Command        string
	Stdout, Stderr string
	ExitCode       int
}

// String is the whole of it, for messages.
func (r Result) String() string {
	return fmt.Sprintf("$ %s\n%s%s(exit code %d)", r.Command, r.Stdout, r.Stderr, r.ExitCode)
}

func (r Result) must(t testing.TB) string {
	t.Helper()
	if r.ExitCode != 0 {
		t.Fatalf("failed: %s", r)
	}
	return strings.TrimSpace(r.Stdout)
}

// AWS runs the AWS CLI; it must succeed. It returns its standard output without the space around it.
func (c *Client) AWS(t testing.TB, args ...string) string {
	t.Helper()
	return c.TryAWS(t, args...).must(t)
}

// TryAWS is AWS for a command that may fail.
func (c *Client) TryAWS(t testing.TB, args ...string) Result {
	t.Helper()
	return c.Run(t, "aws", args...)
}

// RefusedAWS runs the AWS CLI, which must fail with every one of the texts in its message.
func (c *Client) RefusedAWS(t testing.TB, texts []string, args ...string) {
	t.Helper()
	r := c.TryAWS(t, args...)
	if r.ExitCode == 0 {
		t.Fatalf("was not refused: %s", r)
	}
	for _, text := range texts {
		if !strings.Contains(r.Stderr, text) {
			t.Fatalf("refused without saying %q: %s", text, r)
		}
	}
}

// Kubeconfig has the AWS CLI write a kubeconfig for a cluster and returns its path.
func (c *Client) Kubeconfig(t testing.TB, cluster string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	c.AWS(t, "eks", "update-kubeconfig", "--name", cluster, "--kubeconfig", path)
	return path
}

// Kubectl runs kubectl with a kubeconfig; it must succeed. Each run gets a new IAM token from the AWS CLI.
func (c *Client) Kubectl(t testing.TB, kubeconfig string, args ...string) string {
	t.Helper()
	return c.TryKubectl(t, kubeconfig, args...).must(t)
}

// TryKubectl is Kubectl for a command that may fail.
func (c *Client) TryKubectl(t testing.TB, kubeconfig string, args ...string) Result {
	t.Helper()
	return c.Run(t, "kubectl", append([]string{"--kubeconfig", kubeconfig}, args...)...)
}

// Shell runs a bash script in an empty folder, stopping at the first command that fails; it must succeed.
func (c *Client) Shell(t testing.TB, script string) string {
	t.Helper()
	return c.Run(t, "bash", "-euo", "pipefail", "-c", script).must(t)
}

// Run runs any program with the client's environment.
func (c *Client) Run(t testing.TB, name string, args ...string) Result {
	t.Helper()
	path, ok := c.lookPath(name)
	if !ok {
		t.Fatalf("these tests drive the real clients, and %s is not on PATH; `bin/minato doctor` says how to install it", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir = c.vars, c.dir
	cmd.WaitDelay = 10 * time.Second // a grandchild may hold the pipes
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := Result{Command: filepath.Base(name) + " " + strings.Join(args, " "), Stdout: stdout.String(), Stderr: stderr.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.ExitCode = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("running %s: %v", name, err)
	}
	c.told.log(t, r.Command, time.Since(start))
	if ctx.Err() != nil {
		t.Fatalf("no end after %s: %s", commandTimeout, r)
	}
	return r
}

// lookPath finds a program on the client's own PATH.
func (c *Client) lookPath(name string) (string, bool) {
	if filepath.IsAbs(name) {
		return name, true
	}
	for _, dir := range filepath.SplitList(c.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}
