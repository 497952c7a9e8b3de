package ec2

import (
	_ "embed"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
)

// instanceTypesJSON has some of EC2's instance types, with what their pages say (EC2 instance types guide, "Specifications";
// its table of network interfaces and addresses).
//
//go:embed instancetypes.json
var instanceTypesJSON []byte

// InstanceType is how large a machine is.
type InstanceType struct {
	Name      string `json:"type"` // "t3.medium"
	VCPUs     int    `json:"vcpus"`
	MemoryMiB int    `json:"memoryMib"`
	// Interfaces is how many network interfaces the type takes, and Addresses how many IPv4 addresses each of them.
	Interfaces   int    `json:"interfaces"`
	Addresses    int    `json:"addresses"`
	Architecture string `json:"architecture"` // x86_64 or arm64
	Network      string `json:"network"`      // its bandwidth in words: "Up to 5 Gigabit"
	Burstable    bool   `json:"burstable"`
}

// PodAddresses is how many pods a node of the type has addresses for: on AWS all addresses of its interfaces but their
// primary ones.
func (t InstanceType) PodAddresses() int { return t.Interfaces * (t.Addresses - 1) }

// MaxPods is how many pods a node of the type runs, as AWS computes it for the VPC CNI: those with an address, and two that use the
// node's own network on every node, kube-proxy and the CNI. A Fargate machine, whose only address is its pod's, has room for
// more of the latter.
func (t InstanceType) MaxPods() int {
	if t.Fargate() {
		return t.PodAddresses() + fargateSystemPods
	}
	return t.PodAddresses() + 2
}

// Cores is how many cores the type's virtual CPUs are: on x86 two to a core, where there are two; on arm64 each is one.
func (t InstanceType) Cores() int {
	if t.Architecture == "arm64" || t.VCPUs == 1 {
		return t.VCPUs
	}
	return t.VCPUs / 2
}

var instanceTypes = func() []InstanceType {
	var types []InstanceType
	if err := json.Unmarshal(instanceTypesJSON, &types); err != nil {
		panic("ec2: instancetypes.json: " + err.Error())
	}
	slices.SortFunc(types, func(x, y InstanceType) int { return strings.Compare(x.Name, y.Name) })
	return types
}()

// InstanceTypes are all instance types that can be launched here, by name.
func InstanceTypes() []InstanceType { return slices.Clone(instanceTypes) }

// InstanceTypeByName finds an instance type, those of Fargate machines among them.
func InstanceTypeByName(name string) (InstanceType, bool) {
	if t, ok := fargateType(name); ok {
		return t, true
	}
	i := slices.IndexFunc(instanceTypes, func(t InstanceType) bool { return t.Name == name })
	if i < 0 {
		return InstanceType{}, false
	}
	return instanceTypes[i], true
}

// HostArchitecture is this machine's architecture in EC2's word: nodes run on it, not in an emulator.
func HostArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}
