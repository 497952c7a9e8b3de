package join

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"minato.dev/minato/cluster/node/containerd"
)

type object = map[string]any

// layout is where the parts of a node are in its folder.
type layout string

func (l layout) path(names ...string) string {
	return filepath.Join(append([]string{string(l)}, names...)...)
}

func (l layout) socket() string { return l.path("run", "containerd.sock") }

// Programs are the paths of what a node runs.
type Programs struct {
	Minato, Kube, Containerd, Shim, Runc string
	Plugins                              string // folder of CNI plugins
}

// write makes the folders and files of the node.
func (l layout) write(s State, p Programs, registry string) error {
	for _, dir := range []string{"run", "containerd", "kubelet", "kubelet/pki", "pods", "cni", "net.d", "plugins", "logs", "certs.d/minato.local", "volumes"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return err
		}
	}
	dns, err := clusterDNS(s.Cluster.ServiceCIDR)
	if err != nil {
		return err
	}
	files := map[string]any{
		"kubelet.json": l.kubelet(s, dns), "kubeconfig.json": l.kubeconfig(s, p), "containerd.toml": l.containerd(p).TOML(),
		"cluster-ca.crt":                  string(s.Cluster.CA),
		"certs.d/minato.local/hosts.toml": containerd.Hosts(registry),
	}
	if s.PodCIDR.IsValid() {
		files["net.d/10-minato.conflist"] = l.network(s)
	}
	for name, content := range files {
		b, isText := content.(string)
		if !isText {
			j, err := json.MarshalIndent(content, "", "  ")
			if err != nil {
				return err
			}
			b = string(j)
		}
		if err := os.WriteFile(l.path(name), []byte(b), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// clusterDNS is the tenth address of the Service network, as on EKS.
func clusterDNS(serviceCIDR string) (netip.Addr, error) {
	p, err := netip.ParsePrefix(serviceCIDR)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the cluster's Service network: %w", err)
	}
	a := p.Masked().Addr()
	for range 10 {
		a = a.Next()
	}
	return a, nil
}

func (l layout) kubelet(s State, dns netip.Addr) object {
	return object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"authentication": object{
			"anonymous": object{"enabled": false}, "webhook": object{"enabled": true}, "x509": object{"clientCAFile": l.path("cluster-ca.crt")},
		},
		"authorization": object{"mode": "Webhook"},
		"cgroupDriver":  "cgroupfs", "failCgroupV1": false, "failSwapOn": false,
		"clusterDNS": []string{dns.String()}, "clusterDomain": "cluster.local",
		"containerRuntimeEndpoint": "unix://" + l.socket(),
		"makeIPTablesUtilChains":   false, // kube-proxy uses nftables
		"podLogsDir":               l.path("pods"),
		"providerID":               "eks-hybrid:///" + s.Region + "/" + s.Cluster.Name + "/" + s.Name,
		"readOnlyPort":             0, "serializeImagePulls": false,
		"serverTLSBootstrap": true,
		"volumePluginDir":    l.path("volumes"),
	}
}

func (l layout) kubeletArgs(s State) []string {
	return []string{
		"kubelet", "--config=" + l.path("kubelet.json"), "--kubeconfig=" + l.path("kubeconfig.json"), "--root-dir=" + l.path("kubelet"),
		"--cert-dir=" + l.path("kubelet", "pki"), "--hostname-override=" + s.Name, "--node-ip=" + s.Address.String(),
		"--node-labels=eks.amazonaws.com/compute-type=hybrid", "--v=2",
	}
}

func (l layout) kubeconfig(s State, p Programs) object {
	return object{
		"apiVersion": "v1", "kind": "Config", "current-context": "kubelet",
		"clusters": []object{{"name": "kubernetes", "cluster": object{"server": s.Cluster.Endpoint, "certificate-authority": l.path("cluster-ca.crt")}}},
		"contexts": []object{{"name": "kubelet", "context": object{"cluster": "kubernetes", "user": "kubelet"}}},
		"users": []object{{"name": "kubelet", "user": object{"exec": object{
			"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
			"command": p.Minato, "args": []string{"node", "token", "--dir", string(l)},
		}}}},
	}
}

// network gives pods addresses of the node's pod network, and routes to them on the node. How others find them is up to the
// routers between, as with EKS's hybrid nodes.
func (l layout) network(s State) object {
	return object{
		"cniVersion": "1.0.0", "name": "minato",
		"plugins": []object{{
			"type": "ptp", "ipMasq": false,
			"ipam": object{
				"type": "host-local", "dataDir": l.path("cni"), "ranges": [][]object{{{"subnet": s.PodCIDR.String()}}},
				"routes": []object{{"dst": "0.0.0.0/0"}},
			},
		}},
	}
}

func (l layout) containerd(p Programs) containerd.Config {
	return containerd.Config{
		Root: l.path("containerd"), State: l.path("run", "containerd"), Socket: l.socket(), Certs: l.path("certs.d"), Pause: "minato.local/pause",
		Plugins: p.Plugins, Networks: l.path("net.d"), Runc: p.Runc,
	}
}
