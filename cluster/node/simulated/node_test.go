package simulated

import (
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/service/ec2"
)

func TestNodeOf(t *testing.T) {
	i := ec2.Instance{
		Scope: scope, ID: "i-1", Type: "t3.medium", Minor: "1.35", Zone: "us-east-1a", DiskGiB: 20,
		PrivateIP: netip.MustParseAddr("172.31.0.4"), PrivateDNSName: "ip-172-31-0-4.ec2.internal",
	}
	config := nodeadm.NodeConfig{Kubelet: nodeadm.Kubelet{Flags: []string{
		"--node-labels=team=a,minato.dev/simulated=false", "--register-with-taints=gpu=true:NoSchedule",
	}}}
	n, err := nodeOf(i, config)
	if err != nil {
		t.Fatal(err)
	}
	labels := n["metadata"].(doc)["labels"].(map[string]string)
	for label, want := range map[string]string{
		Label: "true", "team": "a", "topology.kubernetes.io/zone": "us-east-1a", "node.kubernetes.io/instance-type": "t3.medium",
	} {
		if labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, labels[label], want)
		}
	}
	spec := n["spec"].(doc)
	if spec["providerID"] != "aws:///us-east-1a/i-1" || spec["taints"].([]nodeadm.Taint)[0].Key != "gpu" {
		t.Errorf("the spec is %v", spec)
	}
	// As a t3.medium of EKS has it, whose memory is a little less than its instance type's.
	got := n["status"].(doc)["allocatable"].(doc)
	if got["cpu"] != "1930m" || got["pods"] != "17" || got["memory"] != "3554Mi" {
		t.Errorf("allocatable is %v", got)
	}
	if v := n["status"].(doc)["nodeInfo"].(doc)["kubeletVersion"].(string); !strings.HasPrefix(v, "v1.35.") {
		t.Errorf("the kubelet's version is %s", v)
	}
}

func TestMaxPodsOfConfig(t *testing.T) {
	i := ec2.Instance{Scope: scope, Type: "t3.medium"}
	n, err := nodeOf(i, nodeadm.NodeConfig{Kubelet: nodeadm.Kubelet{Config: map[string]any{"maxPods": float64(110)}}})
	if err != nil || n["status"].(doc)["capacity"].(doc)["pods"] != "110" {
		t.Errorf("%v, %v", n, err)
	}
}

func TestStagesAreDocuments(t *testing.T) {
	var names []string
	for text := range strings.SplitSeq(string(stages), "\n---\n") {
		var d struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		names = append(names, d.Kind+" "+d.Metadata.Name)
	}
	want := "KwokConfiguration ;Stage node-ready;Stage node-heartbeat;Stage pod-ready;Stage pod-ready-again;Stage pod-complete;Stage pod-delete"
	if got := strings.Join(names, ";"); got != want {
		t.Errorf("stages.yaml has %s", got)
	}
}
