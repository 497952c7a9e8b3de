package nodegroup

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/service/eks"
)

// userData is the NodeConfig of the nodegroup's nodes, merged with the one in the launch template, which may add to the kubelet's
// configuration and flags.
func userData(p *pass, t template) ([]byte, error) {
	var own *nodeadm.NodeConfig
	if len(t.userData) > 0 {
		if !nodeadm.Multipart(t.userData) { // what EKS adds is a part of it
			return nil, problemf(issueTemplateInvalid, []string{p.group.Spec.Template.ID}, "User data was not in the MIME multipart format.")
		}
		parsed, err := nodeadm.Parse(t.userData)
		if err != nil {
			return nil, problemf(issueTemplateInvalid, []string{p.group.Spec.Template.ID}, "The user data of the launch template cannot be used: %w", err)
		}
		own = &parsed
	}
	return nodeConfig(&p.cluster, nodeLabels(&p.group, t.imageID), p.group.Spec.Taints, own)
}

// nodeConfig is the NodeConfig of a node of a cluster.
func nodeConfig(cluster *eks.Cluster, labels map[string]string, taints []eks.Taint, own *nodeadm.NodeConfig) ([]byte, error) {
	ca, err := base64.StdEncoding.DecodeString(cluster.Status.CAData)
	if err != nil {
		return nil, fmt.Errorf("the cluster's CA: %w", err)
	}
	endpoint, err := vpcEndpoint(cluster.Status.Endpoint)
	if err != nil {
		return nil, err
	}
	config := nodeadm.NodeConfig{Cluster: nodeadm.Cluster{
		Name: cluster.Name, APIServerEndpoint: endpoint, CertificateAuthority: ca, CIDR: cluster.Spec.ServiceIPv4CIDR,
	}}
	if own != nil {
		config = own.Merge(config)
	}
	config.Kubelet.Flags = append(config.Kubelet.Flags, nodeadm.LabelsFlag(labels))
	if len(taints) > 0 {
		config.Kubelet.Flags = append(config.Kubelet.Flags, nodeadm.TaintsFlag(nodeTaints(taints)))
	}
	return nodeadm.Render(config)
}

// vpcEndpoint is where a cluster's endpoint is found in its VPC: on the same port.
func vpcEndpoint(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Port() == "" {
		return "", fmt.Errorf("the cluster's endpoint %q has no port", endpoint)
	}
	return "https://" + net.JoinHostPort(gate.VPCAddress.String(), u.Port()), nil
}

func nodeLabels(n *eks.Nodegroup, imageID string) map[string]string {
	labels := map[string]string{nodegroupLabel: n.Name, imageLabel: imageID, capacityLabel: n.Spec.CapacityType}
	maps.Copy(labels, n.Spec.Labels)
	return labels
}

// effects are the effects of taints in Kubernetes' spelling, by the EKS API's.
var effects = map[string]string{"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}

func nodeTaints(taints []eks.Taint) (out []nodeadm.Taint) {
	for _, t := range taints {
		out = append(out, nodeadm.Taint{Key: t.Key, Value: t.Value, Effect: effects[t.Effect]})
	}
	return out
}
