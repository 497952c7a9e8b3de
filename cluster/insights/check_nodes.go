package insights

import (
	"context"
	"fmt"
	"strings"

	"minato.dev/minato/service/eks"
)

const (
	nodesPath      = "/api/v1/nodes"
	daemonSetsPath = "/apis/apps/v1/daemonsets"
	// maxSkew is how many minors a kubelet or kube-proxy may be behind its API server (Kubernetes, "Version Skew Policy").
	maxSkew = 3
)

// node is what is read of a Node.
type node struct {
	Metadata struct{ Labels map[string]string }
	Status   struct {
		NodeInfo   struct{ KubeletVersion, OSImage string }
		Conditions []struct{ Type, Status, Message string }
	}
}

// nodes are those nodes that are so.
func (v *view) nodes(ctx context.Context, is func(n *node) (eks.InsightStatus, bool)) (found []eks.InsightResource, err error) {
	all, err := v.list(ctx, nodesPath)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		var n node
		if err := o.into(&n); err != nil {
			return nil, err
		}
		if status, is := is(&n); is {
			found = append(found, eks.InsightResource{Status: status, URI: o.uri(nodesPath)})
		}
	}
	return found, nil
}

// skew judges the version of something on nodes for an upgrade to the next minor.
func (v *view) skew(version string) (eks.InsightStatus, bool) {
	n := minorOf(version)
	switch {
	case n > v.minor:
		return eks.InsightStatus{Status: eks.InsightError, Reason: fmt.Sprintf("%s is newer than the control plane, which is %s", version, minorName(v.minor))}, true
	case v.minor+1-n > maxSkew:
		return eks.InsightStatus{Status: eks.InsightError, Reason: fmt.Sprintf("%s is too old for a control plane of %s: at most %d minor versions", version, v.target(), maxSkew)}, true
	case v.minor+1-n == maxSkew && n < v.minor:
		return eks.InsightStatus{Status: eks.InsightWarning, Reason: fmt.Sprintf("%s will be as old as a control plane of %s allows", version, v.target())}, true
	}
	return eks.InsightStatus{}, false
}

// kubelets is the check that nodes are not too old for the next minor.
func kubelets(v *view) check {
	return check{
		name: "Kubelet version skew", category: eks.UpgradeReadiness, version: v.target(),
		description: "Checks for kubelet versions of worker nodes in the cluster to see if upgrade would cause noncompliance with supported Kubernetes kubelet version skew policy.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.nodes(ctx, func(n *node) (eks.InsightStatus, bool) { return v.skew(n.Status.NodeInfo.KubeletVersion) })
			return trouble(eks.InsightWarning, bad, "Node kubelet versions match the cluster control plane version.",
				"Node kubelet versions do not match what the next control plane version needs.",
				"Upgrade your worker node(s) to match the Kubernetes version of your cluster control plane."), err
		},
	}
}

// kubeProxy is the check that kube-proxy is not too old for the next minor.
func kubeProxy(v *view) check {
	return check{
		name: "kube-proxy version skew", category: eks.UpgradeReadiness, version: v.target(),
		description: "Checks version of kube-proxy in cluster to see if upgrade would cause noncompliance with supported Kubernetes kube-proxy version skew policy.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.kubeProxies(ctx, v.skew)
			return trouble(eks.InsightWarning, bad, "kube-proxy versions match the cluster control plane version.",
				"The kube-proxy version does not match what the next control plane version needs.",
				"Update the kube-proxy add-on to a version for your cluster's Kubernetes version."), err
		},
	}
}

// kubeProxies are those kube-proxies whose version is so.
func (v *view) kubeProxies(ctx context.Context, is func(version string) (eks.InsightStatus, bool)) (found []eks.InsightResource, err error) {
	sets, err := v.list(ctx, daemonSetsPath)
	if err != nil {
		return nil, err
	}
	for _, o := range sets {
		if o.Metadata.Namespace != "kube-system" || o.Metadata.Name != "kube-proxy" {
			continue
		}
		version, err := imageVersion(o)
		if err != nil {
			return nil, err
		}
		if status, is := is(version); is && version != "" {
			found = append(found, eks.InsightResource{Status: status, URI: o.uri(daemonSetsPath)})
		}
	}
	return found, nil
}

// imageVersion is the tag of the first container's image.
func imageVersion(o object) (string, error) {
	var w workload
	if err := o.into(&w); err != nil {
		return "", err
	}
	for _, c := range w.Spec.Template.Spec.Containers {
		image, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
			return image[i+1:], nil
		}
	}
	return "", nil
}

// nodeImages is the check for nodes of an operating system that the next minors have no images for.
func nodeImages(v *view) check {
	return check{
		name: "Amazon Linux 2 compatibility", category: eks.UpgradeReadiness, version: v.target(),
		description: "Checks if nodes run Amazon Linux 2, whose support ended on 2025-11-26. There are no Amazon Linux 2 images for Kubernetes 1.33 and later.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.nodes(ctx, func(n *node) (eks.InsightStatus, bool) {
				os := n.Status.NodeInfo.OSImage
				return eks.InsightStatus{Reason: "runs " + os}, strings.HasPrefix(os, "Amazon Linux 2") && !strings.HasPrefix(os, "Amazon Linux 2023")
			})
			status := eks.InsightWarning
			if v.minor+1 >= 33 { // the first without images
				status = eks.InsightError
			}
			return trouble(status, bad, "No Amazon Linux 2 nodes detected.", "Amazon Linux 2 nodes detected.",
				"Move to Amazon Linux 2023 or Bottlerocket."), err
		},
	}
}

// hybridNodes is the check that hybrid nodes are where the cluster's remote networks say.
func hybridNodes(v *view) check {
	return check{
		name: "Hybrid nodes not ready", category: eks.Misconfiguration, version: minorName(v.minor),
		description: "Checks that the hybrid nodes of the cluster are ready: one that is not, often cannot be reached from the cluster's VPC, or is outside of the remote node networks.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.nodes(ctx, func(n *node) (eks.InsightStatus, bool) {
				reason := n.notReady()
				return eks.InsightStatus{Reason: reason}, reason != "" && n.Metadata.Labels["eks.amazonaws.com/compute-type"] == "hybrid"
			})
			return trouble(eks.InsightWarning, bad, "All hybrid nodes are ready.", "Hybrid nodes are not ready.",
				"See the conditions of the nodes, and whether they can reach the cluster's endpoint."), err
		},
	}
}

// notReady is why a node is not ready, empty if it is.
func (n *node) notReady() string {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" && c.Status != "True" {
			return "not ready: " + c.Message
		}
	}
	return ""
}
