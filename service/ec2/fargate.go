package ec2

import (
	"fmt"
	"strings"
)

// Fargate machines run one pod each. They are no instance types of EC2's: their names say how large they are.
const fargatePrefix = "fargate."

// FargatePrefix is what the private DNS names of Fargate machines begin with, as on EKS.
const FargatePrefix = "fargate-"

// What a Fargate machine has beside what its pod is given, so that a pod which asks for all of that fits: for the kubelet's reserve, and
// for kube-proxy, the CNI and the Pod Identity agent.
const (
	fargateSystemMilliCPU  = 500
	fargateSystemMemoryMiB = 512
	fargateSystemPods      = 10 // on the node's own network: these, and what other DaemonSets run there
)

// FargateType is the type of the Fargate machine of a pod that is given so much. A machine counts whole processors only, so a part of one is
// rounded up.
func FargateType(milliCPU, memoryMiB int) InstanceType {
	return InstanceType{
		Name: fmt.Sprintf("%s%dm-%dmib", fargatePrefix, milliCPU, memoryMiB), VCPUs: (milliCPU + fargateSystemMilliCPU + 999) / 1000, MemoryMiB: memoryMiB + fargateSystemMemoryMiB,
		Interfaces: 1, Addresses: 2, Architecture: HostArchitecture(), Network: "Up to 5 Gigabit",
	}
}

// fargateType reads the name that FargateType gave.
func fargateType(name string) (InstanceType, bool) {
	var milliCPU, memoryMiB int
	if _, err := fmt.Sscanf(name, fargatePrefix+"%dm-%dmib", &milliCPU, &memoryMiB); err != nil || milliCPU < 1 || memoryMiB < 1 {
		return InstanceType{}, false
	}
	t := FargateType(milliCPU, memoryMiB)
	return t, t.Name == name
}

// Fargate is whether the type is that of a Fargate machine.
func (t InstanceType) Fargate() bool { return strings.HasPrefix(t.Name, fargatePrefix) }

// Fargate is whether the instance is a Fargate machine.
func (i Instance) Fargate() bool { return strings.HasPrefix(i.Type, fargatePrefix) }

// SessionName is what the sessions of the instance's role are called: its id, and for a Fargate machine its node's name, by which its access
// entry calls it.
func (i Instance) SessionName() string {
	if i.Fargate() {
		return i.PrivateDNSName
	}
	return i.ID
}
