// Package doctor finds out what this machine allows Minato to do. Each finding is a Check: whether it holds, what was seen,
// which part of Minato wants it, and the exact command that mends it.
package doctor

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"
)

// Part is what of Minato wants a thing of the machine.
type Part string

// The parts. ControlPlanes is what every server needs; the others can be done without.
const (
	ControlPlanes Part = "control planes"
	Isolation     Part = "isolation of control planes" // each under a uid of its own
	Clients       Part = "the commands you type"
	Nodes         Part = "nodes"
	S3CSI         Part = "S3 volumes on nodes"
)

// Check is one finding.
type Check struct {
	Name   string `json:"name"`
	Part   Part   `json:"neededFor"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`        // what was seen
	Fix    string `json:"fix,omitempty"` // the command that mends it; empty when OK
}

// Config says what to look at.
type Config struct {
	Home         string   // the home folder; it need not exist yet
	Ports        []string // host:port addresses that `minato up` will listen on
	Running      bool     // a server of this home runs, so it holds the ports itself
	Minors       []string // the Kubernetes minors that are built
	DefaultMinor string   // the one that create-cluster takes when asked for none
	Executable   string   // the minato binary, for the systemd unit
	NotBuilt     []string // programs that nodes run and that are not built
	BuildCommand string   // what builds them
}

// Run makes every check. It changes nothing on the machine.
func Run(ctx context.Context, c Config) []Check { return newHost().run(ctx, c) }

// Failed is whether something is missing that every server needs.
func Failed(checks []Check) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return !c.OK && c.Part == ControlPlanes })
}

// Print writes the checks as a table and, below it, the commands that mend what is missing.
func Print(w io.Writer, checks []Check) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tCHECK\tFOUND\tNEEDED FOR")
	for _, c := range checks {
		mark := "✓"
		if !c.OK {
			mark = "✗"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", mark, c.Name, c.Detail, c.Part)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range checks {
		if c.Fix != "" {
			fmt.Fprintf(t, "  %s\t%s\n", c.Name, c.Fix)
		}
	}
	if slices.ContainsFunc(checks, func(c Check) bool { return c.Fix != "" }) {
		fmt.Fprintln(w, "\nTo mend:")
	}
	return t.Flush()
}

// host is the machine as the checks see it. Tests give another root folder and other programs.
type host struct {
	root     string // prefix of /proc, /sys and /dev
	euid     int
	lookPath func(name string) (string, error)
	output   func(ctx context.Context, name string, args ...string) ([]byte, error)
	disk     func(path string) (freeBytes uint64, err error)
	links    func() error // makes what networks of VPCs are made of, and takes it away again
}

func newHost() host {
	return host{
		root:     "/",
		euid:     os.Geteuid(),
		lookPath: exec.LookPath,
		output: func(ctx context.Context, name string, args ...string) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return exec.CommandContext(ctx, name, args...).Output()
		},
		disk:  freeBytes,
		links: tryLinks,
	}
}

func (h host) run(ctx context.Context, c Config) []Check {
	checks := []Check{
		kubernetes(c),
		h.memory(),
		h.diskSpace(c.Home),
		h.inotify(),
	}
	for _, address := range c.Ports {
		checks = append(checks, port(ctx, address, c.Running))
	}
	return append(checks,
		h.rootUser(),
		h.awsClient(ctx),
		h.kubectlClient(ctx),
		h.cgroups(),
		h.devices(),
		programs(c),
		h.program("mkfs.ext4", "e2fsprogs", Nodes, "the nodes' disks"),
		h.nodesInotify(),
		h.network(),
		h.program("nft", "nftables", Nodes, "Services through kube-proxy"),
		h.filesystem("overlay", Nodes, "container images"),
		h.fuse(),
	)
}
