package ec2

import (
	"net/netip"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Where the records that machines are made from lie: + account/region/id.
const (
	InstancesPrefix  = "/minato/ec2/instances/"
	InterfacesPrefix = "/minato/ec2/network-interfaces/"
)

// InstanceState is the state of an instance, spelled as EC2 spells it.
type InstanceState string

// The states of an instance. There is no stopped one: a node is there or is not.
const (
	InstancePending      InstanceState = "pending"
	InstanceRunning      InstanceState = "running"
	InstanceShuttingDown InstanceState = "shutting-down"
	InstanceTerminated   InstanceState = "terminated"
)

// Instance is the record of a virtual machine. API calls and nodegroups write the spec and move State to shutting-down; what
// runs machines moves it to running and terminated.
type Instance struct {
	Scope   minato.Scope `json:"scope"`
	ID      string       `json:"id"`
	Type    string       `json:"type"` // "t3.medium"
	ImageID string       `json:"imageId"`
	// Minor and Simulated are what the image says: the Kubernetes minor ("1.35"), and whether kwok makes the machine up.
	Minor     string `json:"minor"`
	Simulated bool   `json:"simulated,omitempty"`
	VPCID     string `json:"vpcId"`
	SubnetID  string `json:"subnetId"`
	Zone      string `json:"zone"`
	// InterfaceID is the primary network interface, whose primary address is PrivateIP.
	InterfaceID string     `json:"interfaceId"`
	PrivateIP   netip.Addr `json:"privateIp"`
	// PrivateDNSName is "ip-172-31-0-4.ec2.internal", in other regions than us-east-1 with REGION.compute.internal.
	PrivateDNSName string   `json:"privateDnsName"`
	SecurityGroups []string `json:"securityGroups"`
	// ProfileARN is the instance profile that RoleARN comes from; both are empty for an instance without a role.
	ProfileARN minato.ARN `json:"profileArn,omitzero"`
	RoleARN    minato.ARN `json:"roleArn,omitzero"`
	// UserData is what the machine reads first; for a node a nodeadm NodeConfig (node.eks.aws/v1alpha1), as on AL2023.
	UserData []byte `json:"userData,omitempty"`
	// DiskGiB is the size of the root volume.
	DiskGiB     int             `json:"diskGib"`
	Spot        bool            `json:"spot,omitempty"`
	Template    *TemplateRef    `json:"template,omitempty"`
	Metadata    MetadataOptions `json:"metadata"`
	ClientToken string          `json:"clientToken,omitempty"`
	// ReservationID is the same for all instances of one launch, and LaunchIndex their number in it; RequesterID is the service
	// that launched it for itself, such as amazon-eks.
	ReservationID string          `json:"reservationId"`
	LaunchIndex   int             `json:"launchIndex,omitempty"`
	RequesterID   string          `json:"requesterId,omitempty"`
	Tags          minato.Tags     `json:"tags,omitempty"`
	LaunchedAt    time.Time       `json:"launchedAt"`
	State         InstanceState   `json:"state"`
	Reason        *InstanceReason `json:"reason,omitempty"` // why the state changed
}

// InstanceReason is why an instance changed its state, as EC2 says it: "Client.UserInitiatedShutdown".
type InstanceReason struct {
	Code    string    `json:"code"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// TemplateRef is a version of a launch template.
type TemplateRef struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

// MetadataOptions say how an instance reaches its metadata service.
type MetadataOptions struct {
	// HopLimit is the IP TTL of answers: 1 keeps containers with a network of their own away.
	HopLimit int `json:"hopLimit"`
	// TokensOptional lets in IMDSv1, which asks for no token.
	TokensOptional bool `json:"tokensOptional,omitempty"`
}

// ARN is the instance's ARN.
func (i Instance) ARN() minato.ARN {
	return minato.NewARN("ec2", string(i.Scope.Region), i.Scope.Account, "instance/"+i.ID)
}

// Interface is the record of a network interface: a place in a subnet with its addresses.
type Interface struct {
	Scope       minato.Scope `json:"scope"`
	ID          string       `json:"id"`
	VPCID       string       `json:"vpcId"`
	SubnetID    string       `json:"subnetId"`
	Zone        string       `json:"zone"`
	Type        string       `json:"type,omitempty"` // nat_gateway; empty for an ordinary one
	MAC         string       `json:"mac"`            // "02:…"
	Description string       `json:"description"`
	// Addresses are its IPv4 addresses, the primary one first. Those of a node's interface but the first are its pods'.
	Addresses      []netip.Addr `json:"addresses"`
	SecurityGroups []string     `json:"securityGroups"`
	// InstanceID is the instance that it is attached to, which is another account's, and not to be seen, for a control plane's; RequesterID
	// is the service that made it for itself.
	InstanceID   string    `json:"instanceId,omitempty"`
	AttachmentID string    `json:"attachmentId,omitempty"`
	AttachedAt   time.Time `json:"attachedAt,omitzero"`
	DeviceIndex  int       `json:"deviceIndex"`
	// DeleteOnTermination is whether the interface goes with its instance.
	DeleteOnTermination bool   `json:"deleteOnTermination,omitempty"`
	RequesterID         string `json:"requesterId,omitempty"`
	// ClusterID is the cluster whose control plane the interface leads to; empty for all others.
	ClusterID string      `json:"clusterId,omitempty"`
	Tags      minato.Tags `json:"tags,omitempty"`
	// Simulated is whether its instance is: nobody answers at its addresses.
	Simulated bool `json:"simulated,omitempty"`
}

// Instances is the collection of instances.
func Instances(s store.Store) *store.Collection[Instance] {
	return store.NewCollection[Instance](s, InstancesPrefix)
}

// Interfaces is the collection of network interfaces.
func Interfaces(s store.Store) *store.Collection[Interface] {
	return store.NewCollection[Interface](s, InterfacesPrefix)
}

// VPCs is the collection of VPCs.
func VPCs(s store.Store) *store.Collection[VPC] { return store.NewCollection[VPC](s, vpcsPrefix) }

// SubnetsOf is the collection of subnets.
func SubnetsOf(s store.Store) *store.Collection[Subnet] {
	return store.NewCollection[Subnet](s, SubnetsPrefix)
}

// SecurityGroupsOf is the collection of security groups.
func SecurityGroupsOf(s store.Store) *store.Collection[SecurityGroup] {
	return store.NewCollection[SecurityGroup](s, SecurityGroupsPrefix)
}

// RecordID is the id of a record of this service.
func RecordID(scope minato.Scope, id string) string { return recordID(scope, id) }
