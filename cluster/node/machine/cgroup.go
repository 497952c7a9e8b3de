package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where the kernel's control groups are mounted, on the host and in nodes.
const cgroupRoot = "/sys/fs/cgroup"

// cgroupFolder is the group, at the root of each hierarchy, with a group for each node in it.
const cgroupFolder = "minato"

// cgroups are a node's control groups. On a version 1 host there is one in each hierarchy; version 2 has but one.
type cgroups struct {
	id string
	v2 bool
	// hierarchies are the mounts of version 1, by what they mount as: "cpu", "memory", "cpu,cpuacct", "name=systemd".
	hierarchies []hierarchy
}

// hierarchy is one of version 1.
type hierarchy struct {
	name    string // of its folder: "cpu"
	options string // of its mount: "cpu", "none,name=systemd"
}

// findCgroups looks at how this machine mounts its control groups.
func findCgroups(id string) (cgroups, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(cgroupRoot, &s); err != nil {
		return cgroups{}, fmt.Errorf("looking at %s: %w", cgroupRoot, err)
	}
	if s.Type == unix.CGROUP2_SUPER_MAGIC {
		return cgroups{id: id, v2: true}, nil
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return cgroups{}, err
	}
	defer func() { _ = f.Close() }()
	c := cgroups{id: id}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if h, ok := parseHierarchy(lines.Text()); ok {
			c.hierarchies = append(c.hierarchies, h)
		}
	}
	for _, needed := range []string{"cpu", "memory", "pids", "devices", "freezer", "cpuset"} {
		if !slices.ContainsFunc(c.hierarchies, func(h hierarchy) bool { return slices.Contains(strings.Split(h.options, ","), needed) }) {
			return c, fmt.Errorf("no control group hierarchy with the %s controller is mounted below %s", needed, cgroupRoot)
		}
	}
	return c, nil
}

// parseHierarchy reads a line of mountinfo (proc_pid_mountinfo(5)).
func parseHierarchy(line string) (hierarchy, bool) {
	before, after, _ := strings.Cut(line, " - ")
	fields, kind := strings.Fields(before), strings.Fields(after)
	if len(fields) < 5 || len(kind) < 3 || kind[0] != "cgroup" || filepath.Dir(fields[4]) != cgroupRoot {
		return hierarchy{}, false
	}
	var options []string
	for option := range strings.SplitSeq(kind[2], ",") {
		switch {
		case strings.HasPrefix(option, "name="):
			options = append(options, "none", option)
		case option != "rw" && option != "ro" && option != "xattr" && option != "clone_children" && !strings.HasPrefix(option, "release_agent="):
			options = append(options, option)
		}
	}
	return hierarchy{name: filepath.Base(fields[4]), options: strings.Join(options, ",")}, true
}

// paths are the node's groups.
func (c cgroups) paths() []string {
	if c.v2 {
		return []string{filepath.Join(cgroupRoot, cgroupFolder, c.id)}
	}
	var paths []string
	for _, h := range c.hierarchies {
		paths = append(paths, filepath.Join(cgroupRoot, h.name, cgroupFolder, c.id))
	}
	return paths
}

// create makes the node's groups with the limits of its size.
func (c cgroups) create(size Size) error {
	for _, path := range c.paths() {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	if c.v2 {
		return c.limitV2(size)
	}
	return c.limitV1(size)
}

const cpuPeriod = 100_000 // microseconds

func (c cgroups) limitV1(size Size) error {
	for _, h := range c.hierarchies {
		path := filepath.Join(cgroupRoot, h.name, cgroupFolder, c.id)
		for controller := range strings.SplitSeq(h.options, ",") {
			var err error
			switch controller {
			case "cpu":
				err = errors.Join(write(path, "cpu.cfs_period_us", strconv.Itoa(cpuPeriod)), write(path, "cpu.cfs_quota_us", strconv.Itoa(size.VCPUs*cpuPeriod)))
			case "memory":
				err = write(path, "memory.limit_in_bytes", strconv.FormatInt(int64(size.MemoryMiB)<<20, 10))
			case "cpuset": // a new group has no processors and memory of its own until it is told, its parent neither
				err = errors.Join(inherit(filepath.Dir(path), "cpuset.cpus", "cpuset.mems"), inherit(path, "cpuset.cpus", "cpuset.mems"))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit has a group of version 1 use what its parent may use.
func inherit(path string, files ...string) error {
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), file))
		if err != nil {
			return err
		}
		if err := write(path, file, strings.TrimSpace(string(b))); err != nil {
			return err
		}
	}
	return nil
}

func (c cgroups) limitV2(size Size) error {
	for _, parent := range []string{cgroupRoot, filepath.Join(cgroupRoot, cgroupFolder)} {
		b, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for controller := range strings.FieldsSeq(string(b)) {
			if err := write(parent, "cgroup.subtree_control", "+"+controller); err != nil {
				return err
			}
		}
	}
	path := c.paths()[0]
	return errors.Join(
		write(path, "cpu.max", fmt.Sprintf("%d %d", size.VCPUs*cpuPeriod, cpuPeriod)),
		write(path, "memory.max", strconv.FormatInt(int64(size.MemoryMiB)<<20, 10)))
}

// join moves a process into the node's groups.
func (c cgroups) join(pid int) error {
	for _, path := range c.paths() {
		if err := write(path, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

func write(dir, file, value string) error {
	if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
		return fmt.Errorf("writing %q: %w", value, err)
	}
	return nil
}

// removePatience is how long killed processes may take to be gone.
const removePatience = 20 * time.Second

// remove kills what is in the node's groups and removes them.
func (c cgroups) remove() error {
	deadline := time.Now().Add(removePatience)
	for _, path := range c.paths() {
		for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
			err := removeGroup(path)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("removing %s: %w", path, err)
			}
			<-time.After(pause)
		}
	}
	return nil
}

// removeGroup makes one attempt: kill, then remove from the leaves up.
func removeGroup(path string) error {
	var groups []string
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, p)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(groups)
	for _, group := range groups {
		if err := killIn(group); err != nil {
			return err
		}
	}
	for _, group := range groups {
		if err := unix.Rmdir(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", group, err)
		}
	}
	return nil
}

// killIn kills the processes in a group. Their pids cannot be used again while they are in its list.
func killIn(group string) error {
	b, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	for field := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid <= 1 { // 0 is a process of another pid namespace than ours
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// mount mounts the control groups in a new root, seen from the node's own group, which must be the root of the cgroup
// namespace that the thread is in.
func (c cgroups) mount(at string) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RELATIME
	if c.v2 {
		if err := unix.Mount("cgroup2", at, "cgroup2", flags, ""); err != nil {
			return fmt.Errorf("mounting cgroup2: %w", err)
		}
		// A group with processes of its own can have no groups with limits: ours go aside.
		aside := filepath.Join(at, "init")
		if err := os.Mkdir(aside, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return write(aside, "cgroup.procs", "0")
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", flags, "mode=755"); err != nil {
		return err
	}
	for _, h := range c.hierarchies {
		path := filepath.Join(at, h.name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", path, "cgroup", flags, h.options); err != nil {
			return fmt.Errorf("mounting the %s control groups: %w", h.name, err)
		}
	}
	return nil
}
