package machine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// overlayFolder holds, inside a node, the files that are shown in the kernel's place.
const overlayFolder = "run/minato/kernel"

// showSize has /proc and /sys of a new root show the size of the instance type, where kubelet and containerd look for it. What
// is used of it is not told there but in the control groups, whose limits are the same.
func showSize(root string, size Size) error {
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	files := map[string]string{
		"proc/meminfo": meminfo(size.MemoryMiB),
		"proc/cpuinfo": repeatProcessor(string(cpuinfo), size.VCPUs),
	}
	if err := replace(root, files); err != nil {
		return err
	}
	// The folder has links and no files for processors, so it is replaced as a whole.
	system := filepath.Join(root, "sys/devices/system")
	if err := unix.Mount("tmpfs", system, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=4m"); err != nil {
		return fmt.Errorf("mounting %s: %w", system, err)
	}
	for name, content := range processors(size, hasProcessors(size.VCPUs)) {
		path := filepath.Join(system, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o444); err != nil {
			return err
		}
	}
	return unix.Mount("", system, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// replace mounts files over those of the kernel.
func replace(root string, files map[string]string) error {
	for path, content := range files {
		source := filepath.Join(root, overlayFolder, path)
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(source, []byte(content), 0o444); err != nil {
			return err
		}
		if err := bindReadOnly(source, filepath.Join(root, path)); err != nil {
			return err
		}
	}
	return nil
}

// meminfo is /proc/meminfo of a machine without swap that uses none of its memory.
func meminfo(mib int) string {
	var b strings.Builder
	for _, line := range []struct {
		name string
		kib  int
	}{
		{"MemTotal", mib << 10}, {"MemFree", mib << 10}, {"MemAvailable", mib << 10}, {"Buffers", 0}, {"Cached", 0}, {"SwapCached", 0},
		{"Active", 0}, {"Inactive", 0}, {"SwapTotal", 0}, {"SwapFree", 0}, {"Dirty", 0}, {"Writeback", 0}, {"AnonPages", 0}, {"Mapped", 0},
		{"Shmem", 0}, {"Slab", 0}, {"SReclaimable", 0}, {"SUnreclaim", 0},
	} {
		fmt.Fprintf(&b, "%-16s%8d kB\n", line.name+":", line.kib)
	}
	return b.String() + "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n"
}

// repeatProcessor is /proc/cpuinfo with n processors like the first one.
func repeatProcessor(cpuinfo string, n int) string {
	first, _, _ := strings.Cut(cpuinfo, "\n\n")
	numbers := map[string]int{"siblings": n, "cpu cores": n, "physical id": 0}
	var b strings.Builder
	for i := range n {
		maps.Copy(numbers, map[string]int{"processor": i, "core id": i, "apicid": i, "initial apicid": i})
		for line := range strings.Lines(first + "\n") {
			name, _, _ := strings.Cut(line, ":")
			if number, ok := numbers[strings.TrimSpace(name)]; ok {
				line = name + ": " + strconv.Itoa(number) + "\n"
			}
			b.WriteString(line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// hasProcessors is whether this machine has the processors 0 to n-1, and we may use them.
func hasProcessors(n int) bool {
	var ours unix.CPUSet
	if unix.SchedGetaffinity(0, &ours) != nil {
		return false
	}
	for i := range n {
		if !ours.IsSet(i) {
			return false
		}
	}
	return true
}

// processors are the files of /sys/devices/system for one node with processors that share nothing. kubelet confines its pods to all
// processors whose topology it finds, and the kernel refuses those that are not there: of an instance type with more than this machine
// has, only their number is shown.
func processors(size Size, there bool) map[string]string {
	all := "0-" + strconv.Itoa(size.VCPUs-1) + "\n"
	if size.VCPUs == 1 {
		all = "0\n"
	}
	files := map[string]string{
		"cpu/online": all, "cpu/possible": all, "cpu/present": all, "cpu/offline": "\n", "cpu/isolated": "\n", "cpu/kernel_max": strconv.Itoa(size.VCPUs-1) + "\n",
	}
	for i := range size.VCPUs {
		files["cpu/cpu"+strconv.Itoa(i)+"/online"] = "1\n"
	}
	if there {
		maps.Copy(files, topology(size, all))
	}
	return files
}

// topology is how the processors, and the memory, lie.
func topology(size Size, all string) map[string]string {
	files := map[string]string{
		"node/online": "0\n", "node/possible": "0\n", "node/has_cpu": "0\n", "node/has_memory": "0\n",
		"node/node0/cpulist": all, "node/node0/distance": "10\n", "node/node0/meminfo": fmt.Sprintf("Node 0 MemTotal: %15d kB\nNode 0 MemFree: %16d kB\n", size.MemoryMiB<<10, size.MemoryMiB<<10),
	}
	for i := range size.VCPUs {
		id := strconv.Itoa(i)
		for _, parent := range []string{"cpu", "node/node0"} {
			of := parent + "/cpu" + id + "/topology/"
			files[of+"core_id"], files[of+"physical_package_id"] = id+"\n", "0\n"
			files[of+"thread_siblings_list"], files[of+"core_siblings_list"], files[of+"package_cpus_list"] = id+"\n", all, all
		}
	}
	return files
}

// HostSysctls are settings of the whole machine that kubelet wants to have, by path from the root: it finds them so inside, and none is
// changed.
var HostSysctls = map[string]string{
	"proc/sys/vm/overcommit_memory":      "1\n",
	"proc/sys/vm/panic_on_oom":           "0\n",
	"proc/sys/kernel/panic":              "10\n",
	"proc/sys/kernel/panic_on_oops":      "1\n",
	"proc/sys/kernel/keys/root_maxkeys":  "1000000\n",
	"proc/sys/kernel/keys/root_maxbytes": "25000000\n",
}

func keepSysctls(root string) error { return replace(root, HostSysctls) }
