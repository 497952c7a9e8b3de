package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dirPrefix begins the name of every folder of ours; the pid of the test process follows.
const dirPrefix = "minato-test-"

// close stops and purges the server and tells what was left behind, which it then removes.
func (e *Env) close() (problems []error) {
	e.rememberNodes()
	if e.Home.Exists() {
		if err := purge(e.binary, string(e.Home)); err != nil {
			problems = append(problems, err)
		}
	}
	if e.server != nil {
		select {
		case <-e.server.ended:
		case <-time.After(10 * time.Second):
			problems = append(problems, fmt.Errorf("minato up (pid %d) outlives minato down", e.server.pid))
		}
	}
	problems = append(problems, e.Leftovers()...)
	for _, p := range processesOf(e.paths()...) {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	_ = unix.Unmount(e.disk(), unix.MNT_DETACH) // when there was one
	for _, path := range append(e.paths(), e.dir) {
		_ = os.RemoveAll(path)
	}
	return problems
}

// purge stops what runs in a home and deletes it.
func purge(binary, home string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	down := exec.CommandContext(ctx, binary, "down", "--purge", "--home", home)
	down.Env = minimalEnviron()
	if out, err := down.CombinedOutput(); err != nil {
		return fmt.Errorf("minato down --purge: %w\n%s", err, out)
	}
	return nil
}

// paths are where everything of this home lies.
func (e *Env) paths() []string { return []string{string(e.Home), e.Home.Run()} }

// Leftovers are the processes, mounts, nodes and files of this home that are still there. After `minato down --purge` there must be
// none.
func (e *Env) Leftovers() (left []error) {
	for _, p := range processesOf(e.paths()...) {
		left = append(left, fmt.Errorf("process %d is left: %s", p.pid, p.command))
	}
	left = append(left, e.nodeLeftovers()...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		left = append(left, err)
	}
	for _, path := range e.paths() {
		for line := range strings.Lines(string(mounts)) {
			if strings.Contains(line, " "+path) {
				left = append(left, fmt.Errorf("a mount is left: %s", strings.TrimSpace(line)))
			}
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, fmt.Errorf("%s is left", path))
		}
	}
	return left
}

// ProcessesOf are the ids of the processes that name a text, such as a cluster's id, on their command line.
func ProcessesOf(text string) []int {
	var pids []int
	for _, p := range processesOf(text) {
		pids = append(pids, p.pid)
	}
	return pids
}

type process struct {
	pid     int
	command string
}

// processesOf reads /proc instead of asking Minato, which is what is being tested. Zombies have no command line.
func processesOf(texts ...string) []process {
	var found []process
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(b, []byte(text)) }) {
			found = append(found, process{pid, strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " "))})
		}
	}
	return found
}

// sweepOnce stops and removes what test processes left behind that were killed before they could clean up.
var sweepOnce = sync.OnceFunc(func() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"[0-9]*"))
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		path, err := binary()
		if err != nil {
			return
		}
		_ = purge(path, filepath.Join(dir, "disk", "home"))
		_ = unix.Unmount(filepath.Join(dir, "disk"), unix.MNT_DETACH)
		_ = os.RemoveAll(dir)
	}
})

func (e *Env) serverLog() string { return filepath.Join(e.dir, "minato-up.log") }

// logs are the ends of all log files, for a test that failed.
func (e *Env) logs() string {
	const (
		linesOfServer  = 80
		linesOfProcess = 15
	)
	var b strings.Builder
	tail(&b, e.serverLog(), linesOfServer)
	_ = filepath.WalkDir(e.Home.Logs(), func(path string, d fs.DirEntry, err error) error {
		// An audit log says too much to be read here.
		if err == nil && d.Type().IsRegular() && !strings.Contains(d.Name(), "audit") {
			tail(&b, path, linesOfProcess)
		}
		return nil
	})
	return b.String()
}

// tail writes the last lines of a file.
func tail(b *strings.Builder, path string, lines int) {
	content, err := os.ReadFile(path)
	if err != nil {
		return
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	fmt.Fprintf(b, "---- %s, last %d of %d lines\n", path, min(lines, len(all)), len(all))
	for _, line := range all[max(0, len(all)-lines):] {
		const enough = 400
		if len(line) > enough {
			line = line[:enough] + "…"
		}
		fmt.Fprintln(b, line)
	}
}
