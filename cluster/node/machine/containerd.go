package machine

import "minato.dev/minato/cluster/node/containerd"

const (
	containerdConfigFile = "/etc/containerd/config.toml"
	containerdSocket     = "/run/containerd/containerd.sock"
	certsFolder          = "/etc/containerd/certs.d"
	pluginFolder         = "/opt/cni/bin"
	networksFolder       = "/etc/cni/net.d"
	// localRegistry is the name of the local registry in the names of images.
	localRegistry = "minato.local"
)

// writeContainerdConfig writes containerd's configuration, and where minato.local is.
func writeContainerdConfig(p Programs) error {
	config := containerd.Config{
		Root: containerdRoot, State: "/run/containerd", Socket: containerdSocket, Certs: certsFolder, Pause: p.Pause,
		Plugins: pluginFolder, Networks: networksFolder, Runc: runcFolder + "/runc", NoSync: true,
	}
	if err := writeFile(containerdConfigFile, config.TOML(), 0o644); err != nil {
		return err
	}
	if p.Registry == "" {
		return nil
	}
	return writeFile(certsFolder+"/"+localRegistry+"/hosts.toml", containerd.Hosts(p.Registry), 0o644)
}
