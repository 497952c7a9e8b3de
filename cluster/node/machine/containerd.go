package machine

import (
	"fmt"
	"strings"
)

const (
	containerdConfigFile = "/etc/containerd/config.toml"
	containerdSocket     = "/run/containerd/containerd.sock"
	certsFolder          = "/etc/containerd/certs.d"
	// localRegistry is the name of the local registry in the names of images.
	localRegistry = "minato.local"
)

// writeContainerdConfig writes containerd's configuration, and where minato.local is.
func writeContainerdConfig(p Programs) error {
	if err := writeFile(containerdConfigFile, containerdConfig(p.Pause), 0o644); err != nil {
		return err
	}
	if p.Registry == "" {
		return nil
	}
	hosts := fmt.Sprintf("server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", p.Registry, p.Registry)
	return writeFile(certsFolder+"/"+localRegistry+"/hosts.toml", hosts, 0o644)
}

// containerdConfig is config.toml. What it leaves out is what containerd itself would choose.
func containerdConfig(pause string) string {
	return strings.NewReplacer(
		"ROOT", containerdRoot, "SOCKET", containerdSocket, "RUNC", runcFolder, "CERTS", certsFolder, "PAUSE", pause, "PLUGINS", pluginFolder, "NETWORKS", networksFolder,
	).Replace(`version = 4
root = "ROOT"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs", "io.containerd.differ.v1.erofs",
  "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]

[plugins.'io.containerd.server.v1.grpc']
  address = "SOCKET"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  discard_unpacked_layers = true
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "PAUSE"
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = "CERTS"

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE nobody can make a process harder to kill than we are.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = "RUNC/runc"
    SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["PLUGINS"]
    conf_dir = "NETWORKS"
    use_internal_loopback = true
`)
}

const (
	pluginFolder   = "/opt/cni/bin"
	networksFolder = "/etc/cni/net.d"
)
