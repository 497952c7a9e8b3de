package doctor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A node's kubelet and containerd, and most programs in its pods, watch files, all as root.
const (
	wantNodeInotifyInstances = 1024
	wantNodeInotifyWatches   = 65536
)

// Controllers that a node's cgroup has, by which its size and that of its pods are enforced.
var (
	controllersV1 = []string{"cpu", "cpuset", "devices", "freezer", "memory", "pids"}
	controllersV2 = []string{"cpu", "cpuset", "memory", "pids"}
)

func (h host) cgroups() Check {
	check := Check{Name: "cgroups", Part: Nodes}
	var missing []string
	if b, err := os.ReadFile(h.path("sys/fs/cgroup/cgroup.controllers")); err == nil {
		check.Detail = "version 2, which nodes are written for and have not been tested with"
		there := strings.Fields(string(b))
		missing = slices.DeleteFunc(slices.Clone(controllersV2), func(c string) bool { return slices.Contains(there, c) })
	} else if _, err := os.Stat(h.path("sys/fs/cgroup/memory")); err == nil {
		check.Detail = "version 1, which the kubelet takes when told so"
		missing = slices.DeleteFunc(slices.Clone(controllersV1), func(c string) bool {
			_, err := os.Stat(h.path("sys/fs/cgroup/" + c))
			return err == nil
		})
	} else {
		check.Detail, check.Fix = "none mounted", "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
		return check
	}
	check.OK = len(missing) == 0
	if !check.OK {
		check.Detail += "; without the controllers " + strings.Join(missing, " ")
		check.Fix = "cat /proc/cgroups    # what the kernel has: see cgroup_disable= and cgroup_enable= on its command line"
	}
	return check
}

// devices are for the file systems of nodes, and for what kubelets read of the kernel's log.
func (h host) devices() Check {
	check := Check{Name: "devices", Part: Nodes, OK: true, Detail: "/dev/loop-control and /dev/kmsg"}
	for _, device := range []struct{ name, use, fix string }{
		{"loop-control", "the nodes' disks", "modprobe loop"},
		{"kmsg", "kubelets do not start without it", "mknod -m 600 /dev/kmsg c 1 11"},
	} {
		if _, err := os.Stat(h.path("dev/" + device.name)); err != nil {
			check.OK, check.Detail, check.Fix = false, "there is no /dev/"+device.name+" ("+device.use+")", device.fix
			return check
		}
	}
	return check
}

func programs(c Config) Check {
	check := Check{Name: "programs of nodes", Part: Nodes, OK: len(c.NotBuilt) == 0, Detail: "containerd, runc and the others are built"}
	if !check.OK {
		check.Detail, check.Fix = "not built: "+strings.Join(c.NotBuilt, ", "), c.BuildCommand
	}
	return check
}

func (h host) nodesInotify() Check {
	check := Check{Name: "inotify for nodes", Part: Nodes}
	instances, err1 := h.number("proc/sys/fs/inotify/max_user_instances")
	watches, err2 := h.number("proc/sys/fs/inotify/max_user_watches")
	if err := errors.Join(err1, err2); err != nil {
		check.Detail, check.Fix = oneLine(err), "mount -t proc proc /proc"
		return check
	}
	check.OK = instances >= wantNodeInotifyInstances && watches >= wantNodeInotifyWatches
	check.Detail = fmt.Sprintf("%d instances and %d watches a user", instances, watches)
	if !check.OK {
		check.Detail += fmt.Sprintf(", want %d and %d for a handful of nodes", wantNodeInotifyInstances, wantNodeInotifyWatches)
		check.Fix = fmt.Sprintf("sysctl -w fs.inotify.max_user_instances=%d fs.inotify.max_user_watches=%d",
			max(instances, wantNodeInotifyInstances), max(watches, wantNodeInotifyWatches))
	}
	return check
}

func (h host) network() Check {
	check := Check{Name: "networks", Part: Nodes, OK: true, Detail: "the kernel has namespaces, bridges, veth and nftables"}
	if h.euid != 0 {
		check.OK, check.Detail, check.Fix = false, "only root can make networks", "sudo -E minato up"
		return check
	}
	if err := h.links(); err != nil {
		check.OK, check.Detail, check.Fix = false, oneLine(err), "modprobe -a bridge veth nf_tables nft_chain_nat"
	}
	return check
}

// tryLinks makes a bridge, a veth pair and a table in a network namespace of its own, which ends with the thread that made it.
func tryLinks() error {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		tried <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("a network namespace: %w", err)
			}
			bridge, veth := netlink.NewLinkAttrs(), netlink.NewLinkAttrs()
			bridge.Name, veth.Name = "bridge", "veth"
			if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: bridge}); err != nil {
				return fmt.Errorf("a bridge: %w", err)
			}
			if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: veth, PeerName: "peer"}); err != nil {
				return fmt.Errorf("a veth pair: %w", err)
			}
			conn, err := nftables.New()
			if err != nil {
				return fmt.Errorf("nftables: %w", err)
			}
			conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "minato"})
			if err := conn.Flush(); err != nil {
				return fmt.Errorf("nftables: %w", err)
			}
			return nil
		}()
	}()
	return <-tried
}
