package doctor

import (
	"errors"
	"fmt"
	"runtime"
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
