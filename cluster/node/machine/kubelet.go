package machine

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
)

// Where nodes keep kubelet's files, as on Amazon Linux 2023.
const (
	kubeletConfigFile = "/etc/kubernetes/kubelet/config.json"
	kubeconfigFile    = "/var/lib/kubelet/kubeconfig"
	clusterCAFile     = "/etc/kubernetes/pki/ca.crt"
)

type object = map[string]any

// writeKubeletConfig writes what kubelet reads, and answers its arguments.
func writeKubeletConfig(s Spec) ([]string, error) {
	config, err := json.MarshalIndent(kubeletConfig(s), "", "  ")
	if err != nil {
		return nil, err
	}
	kubeconfig, err := json.MarshalIndent(kubeconfig(s), "", "  ")
	if err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{kubeletConfigFile: config, kubeconfigFile: kubeconfig, clusterCAFile: s.Cluster.CA} {
		if err := writeFile(path, string(content), 0o644); err != nil {
			return nil, err
		}
	}
	return kubeletArgs(s), nil
}

// kubeletArgs are kubelet's arguments. Those of the user data come last, so that they add to labels and win otherwise.
func kubeletArgs(s Spec) []string {
	args := []string{
		"--config=" + kubeletConfigFile,
		"--kubeconfig=" + kubeconfigFile,
		"--hostname-override=" + s.Name,
		"--node-ip=" + s.Network.Primary().String(),
		"--v=2",
		fmt.Sprintf("--node-labels=topology.kubernetes.io/region=%s,topology.kubernetes.io/zone=%s,node.kubernetes.io/instance-type=%s,"+
			"failure-domain.beta.kubernetes.io/region=%[1]s,failure-domain.beta.kubernetes.io/zone=%[2]s,beta.kubernetes.io/instance-type=%[3]s",
			s.Region, s.Zone, s.InstanceType),
	}
	return append(args, s.KubeletFlags...)
}

// kubeconfig has kubelet sign in with the credentials of the node's role, by a program that gets them from the metadata service.
func kubeconfig(s Spec) object {
	return object{
		"apiVersion": "v1", "kind": "Config", "current-context": "kubelet",
		"clusters": []object{{"name": "kubernetes", "cluster": object{"server": s.Cluster.Endpoint, "certificate-authority": clusterCAFile}}},
		"contexts": []object{{"name": "kubelet", "context": object{"cluster": "kubernetes", "user": "kubelet"}}},
		"users": []object{{"name": "kubelet", "user": object{"exec": object{
			"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
			"command": programsFolder + "/minato", "args": []string{"token", "--cluster-name", s.Cluster.Name, "--region", s.Region},
		}}}},
	}
}

// kubeletConfig is the KubeletConfiguration: ours, with the fields of the user data over it.
func kubeletConfig(s Spec) object {
	config := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address": "0.0.0.0",
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true, "cacheTTL": "2m0s"},
			"x509":      object{"clientCAFile": clusterCAFile},
		},
		"authorization": object{"mode": "Webhook", "webhook": object{"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"}},
		"cgroupDriver":  "cgroupfs", "cgroupRoot": "/", "failCgroupV1": false,
		"clusterDNS": []string{s.Cluster.DNS.String()}, "clusterDomain": "cluster.local",
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"evictionHard":             object{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
		"hairpinMode":              "hairpin-veth",
		"kubeReserved":             reserved(s.Size),
		"makeIPTablesUtilChains":   false, // kube-proxy uses nftables
		"maxPods":                  s.Size.MaxPods,
		"protectKernelDefaults":    true, // and they are as it wants them: see HostSysctls
		"providerID":               "aws:///" + s.Zone + "/" + s.InstanceID,
		"readOnlyPort":             0,
		"resolvConf":               "/etc/resolv.conf",
		"serializeImagePulls":      false,
		"serverTLSBootstrap":       true,
		"shutdownGracePeriod":      "0s",
		"staticPodPath":            "/etc/kubernetes/manifests",
		"volumePluginDir":          "/var/lib/kubelet/volume-plugins",
	}
	merge(config, s.KubeletConfig)
	return config
}

// merge puts the fields of over into those of config, object by object.
func merge(config, over object) {
	for key, value := range over {
		inner, isObject := value.(object)
		old, hasObject := config[key].(object)
		if isObject && hasObject {
			merged := maps.Clone(old)
			merge(merged, inner)
			value = merged
		}
		config[key] = value
	}
}

// reserved is what is kept from pods for the node's own programs, by the formulas of EKS's images (nodeadm: 255 MiB and 11 MiB a
// pod; 6 % of the first processor, 1 % of the second, 0.5 % of the next two, 0.25 % of the others).
func reserved(size Size) object {
	millis := 0
	for i := range size.VCPUs {
		switch {
		case i == 0:
			millis += 600
		case i == 1:
			millis += 100
		case i < 4:
			millis += 50
		default:
			millis += 25
		}
	}
	return object{
		"cpu":               strconv.Itoa(millis/10) + "m",
		"memory":            strconv.Itoa(255+11*size.MaxPods) + "Mi",
		"ephemeral-storage": "1Gi",
	}
}
