package eks

import (
	"context"

	"minato.dev/minato"
)

// Compute is what nodegroups and Fargate profiles ask of EC2 and IAM.
type Compute struct {
	// InstanceType finds an instance type that can be launched here.
	InstanceType func(name string) (InstanceType, bool)
	// Release is the patch and build of the image for nodes of a minor: "1.35.4-20260127"; false where it is not built.
	Release func(minor string) (string, bool)
	// Architecture is that of this machine, and so of all nodes: x86_64 or arm64.
	Architecture string
	// Simulated says that all nodes are simulated, because this server cannot run real ones.
	Simulated bool
	// LaunchTemplate reads a version of a launch template, by id or name; an empty version is the default one. An error is of
	// kind NotFound where there is none.
	LaunchTemplate func(ctx context.Context, scope minato.Scope, ref NodegroupTemplate) (LaunchTemplate, error)
	// NodePolicies are the policies of a role.
	NodePolicies func(ctx context.Context, role minato.ARN) (RolePolicies, error)
}

// InstanceType is what matters of an instance type here.
type InstanceType struct {
	Name         string
	Architecture string
	// Addresses is how many addresses of its subnet an instance takes.
	Addresses int
}

// LaunchTemplate is what matters of a version of a launch template here.
type LaunchTemplate struct {
	Ref NodegroupTemplate // with id, name and number
	// ImageID is its own image, of nodes of the minor ImageMinor, which is empty where there is no such image.
	ImageID    string
	ImageMinor string
	// InstanceType is empty where it says none.
	InstanceType    string
	InstanceProfile bool
	Subnet          bool // it has a subnet in a network interface
	// Spot and ShutdownBehavior are whether it asks for spot instances, and says what an instance does that shuts itself down.
	Spot, ShutdownBehavior bool
}

// RolePolicies are the policies that a role has.
type RolePolicies struct {
	// Attached are the names of AWS's managed policies.
	Attached []string
	// Own is whether it has others: inline ones, or managed ones of the account.
	Own bool
}
