package simulated

import (
	"maps"
	"runtime"
	"strconv"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/ec2"
)

const (
	// Label is on every simulated node.
	Label = "minato.dev/simulated"
	// fakeAnnotation is what kwok knows its nodes by, see stages.yaml.
	fakeAnnotation, fakeValue = "kwok.x-k8s.io/node", "fake"

	runtimeVersion = "simulated://kwok"
	osImage        = "Minato simulated node"
)

type doc = kubeapi.Object

// providerID is what ties a Node to its instance, as the AWS cloud provider writes it.
func providerID(i ec2.Instance) string { return "aws:///" + i.Zone + "/" + i.ID }

// nodeOf is the Node that an instance registers as, by what its user data says.
func nodeOf(i ec2.Instance, c nodeadm.NodeConfig) (doc, error) {
	labels, err := c.Labels()
	if err != nil {
		return nil, err
	}
	taints, err := c.Taints()
	if err != nil {
		return nil, err
	}
	all := ownLabels(i)
	maps.Copy(all, labels)
	all[Label] = "true"
	size, _ := ec2.InstanceTypeByName(i.Type)
	return doc{
		"apiVersion": "v1", "kind": "Node",
		"metadata": doc{
			"name":        i.PrivateDNSName,
			"labels":      all,
			"annotations": doc{fakeAnnotation: fakeValue, "node.alpha.kubernetes.io/ttl": "0"},
		},
		"spec": doc{"providerID": providerID(i), "taints": taints},
		"status": doc{
			"addresses": []any{
				doc{"type": "InternalIP", "address": i.PrivateIP.String()},
				doc{"type": "InternalDNS", "address": i.PrivateDNSName},
				doc{"type": "Hostname", "address": i.PrivateDNSName},
			},
			"capacity":    capacity(i, size, c),
			"allocatable": allocatable(i, size, c),
			"nodeInfo":    nodeInfo(i),
		},
	}, nil
}

// ownLabels are those that kubelet and the AWS cloud provider give a node.
func ownLabels(i ec2.Instance) map[string]string {
	region := string(i.Scope.Region)
	return map[string]string{
		"kubernetes.io/hostname": i.PrivateDNSName,
		"kubernetes.io/arch":     runtime.GOARCH, "beta.kubernetes.io/arch": runtime.GOARCH,
		"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux",
		"node.kubernetes.io/instance-type": i.Type, "beta.kubernetes.io/instance-type": i.Type,
		"topology.kubernetes.io/region": region, "failure-domain.beta.kubernetes.io/region": region,
		"topology.kubernetes.io/zone": i.Zone, "failure-domain.beta.kubernetes.io/zone": i.Zone,
	}
}

func maxPods(size ec2.InstanceType, c nodeadm.NodeConfig) int {
	if n := c.MaxPods(); n > 0 {
		return n
	}
	return size.MaxPods()
}

func capacity(i ec2.Instance, size ec2.InstanceType, c nodeadm.NodeConfig) doc {
	return doc{
		"cpu":               strconv.Itoa(size.VCPUs),
		"memory":            strconv.Itoa(size.MemoryMiB) + "Mi",
		"ephemeral-storage": strconv.Itoa(i.DiskGiB) + "Gi",
		"pods":              strconv.Itoa(maxPods(size, c)),
	}
}

func allocatable(i ec2.Instance, size ec2.InstanceType, c nodeadm.NodeConfig) doc {
	pods := maxPods(size, c)
	reserved := nodeadm.KubeReserved(size.VCPUs, pods)
	return doc{
		"cpu":               strconv.Itoa(max(0, size.VCPUs*1000-reserved.CPUMillis)) + "m",
		"memory":            strconv.Itoa(nodeadm.AllocatableMemoryMiB(size.MemoryMiB, reserved)) + "Mi",
		"ephemeral-storage": strconv.Itoa(i.DiskGiB) + "Gi",
		"pods":              strconv.Itoa(pods),
	}
}

func nodeInfo(i ec2.Instance) doc {
	version := ""
	if v, ok := kube.Lookup(i.Minor); ok {
		version = v.Patch
	}
	return doc{
		"architecture": runtime.GOARCH, "operatingSystem": "linux", "osImage": osImage, "kernelVersion": "simulated",
		"containerRuntimeVersion": runtimeVersion, "kubeletVersion": version, "kubeProxyVersion": version,
		"machineID": i.ID, "systemUUID": i.ID, "bootID": i.ID,
	}
}
