// Package containerd writes the configuration of a node's container runtime. Nodes of this machine, hybrid nodes and the one that
// unpacks the images that every node begins with have the same, so that what one has pulled is another's.
package containerd

import (
	"fmt"
	"strings"
)

// Config is where the parts of one containerd are.
type Config struct {
	Root   string // what it keeps
	State  string // what ends with it
	Socket string
	Certs  string // a folder for each registry with a hosts.toml in it; see Hosts
	Pause  string // the image of pod sandboxes, which is never collected
	// Plugins and Networks are the folders of CNI's programs and of their configurations.
	Plugins, Networks string
	Runc              string // the program; empty where no container is to run
	Collect           bool   // removes layers as soon as they are unpacked
	NoSync            bool   // does not wait until what it knows is on disk; whoever sets it deals with what a power cut leaves
}

// TOML is config.toml. What it leaves out is what containerd itself would choose.
func (c Config) TOML() string {
	text := base
	if c.Runc != "" {
		text += runtime
	}
	if c.Collect {
		text += collect
	}
	if c.NoSync {
		text += noSync
	}
	return strings.NewReplacer("ROOT", c.Root, "STATE", c.State, "SOCKET", c.Socket, "CERTS", c.Certs, "PAUSE", c.Pause,
		"PLUGINS", c.Plugins, "NETWORKS", c.Networks, "RUNC", c.Runc).Replace(text)
}

// Hosts is the hosts.toml of a registry that is reached at a URL, whatever the name of it in the names of images.
func Hosts(url string) string {
	return fmt.Sprintf("server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", url, url)
}

const base = `version = 4
root = "ROOT"
state = "STATE"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs", "io.containerd.differ.v1.erofs",
  "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]

[plugins.'io.containerd.server.v1.grpc']
  address = "SOCKET"

[plugins.'io.containerd.server.v1.ttrpc']
  address = "SOCKET.ttrpc"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  discard_unpacked_layers = true
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "PAUSE"
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = "CERTS"

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["PLUGINS"]
  conf_dir = "NETWORKS"
  use_internal_loopback = true
`

const runtime = `
[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE nobody can make a process harder to kill than we are.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = "RUNC"
    SystemdCgroup = false
`

const collect = `
[plugins.'io.containerd.gc.v1.scheduler']
  mutation_threshold = 1
  deletion_threshold = 1
`

const noSync = `
[plugins.'io.containerd.metadata.v1.bolt']
  no_sync = true
`
