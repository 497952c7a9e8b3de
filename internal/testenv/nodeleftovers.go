package testenv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// nodes are the ids of the nodes that a home had at some time: once it is purged, only these tell what was theirs.
type nodes struct {
	mu  sync.Mutex
	ids map[string]bool
}

// rememberNodes looks which nodes there are now.
func (e *Env) rememberNodes() {
	e.nodes.mu.Lock()
	defer e.nodes.mu.Unlock()
	if e.nodes.ids == nil {
		e.nodes.ids = map[string]bool{}
	}
	for _, dir := range []string{e.Home.Path("nodes"), e.Home.Run("nodes")} {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			e.nodes.ids[entry.Name()] = true
		}
	}
}

// nodeLeftovers are the loop devices, control groups and processes of nodes that are still there. What else a node has, its
// namespaces, mounts and links, lives in the namespaces of these processes or is pinned in the run folder, where Leftovers looks.
func (e *Env) nodeLeftovers() (left []error) {
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, loop := range loops {
		if file, err := os.ReadFile(loop); err == nil && bytes.HasPrefix(file, []byte(e.Home)) {
			left = append(left, fmt.Errorf("%s is left, of %s", strings.Split(loop, "/")[3], bytes.TrimSpace(file)))
		}
	}
	e.nodes.mu.Lock()
	defer e.nodes.mu.Unlock()
	for id := range e.nodes.ids {
		for _, pattern := range []string{"/sys/fs/cgroup/minato/", "/sys/fs/cgroup/*/minato/"} {
			groups, _ := filepath.Glob(pattern + id)
			for _, group := range groups {
				left = append(left, fmt.Errorf("control group %s is left", group))
			}
		}
		for _, p := range processesInGroup("/minato/" + id) {
			left = append(left, fmt.Errorf("process %d of node %s is left: %s", p.pid, id, p.command))
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	return left
}

// processesInGroup are those in a control group, or in one below it.
func processesInGroup(group string) []process {
	var found []process
	for _, p := range processesOf("") {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.pid))
		if err == nil && bytes.Contains(b, []byte(":"+group)) {
			found = append(found, p)
		}
	}
	return found
}
