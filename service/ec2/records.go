package ec2

import (
	"net/netip"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// VPC is a virtual network.
type VPC struct {
	Scope         minato.Scope `json:"scope"`
	ID            string       `json:"id"`
	CIDR          netip.Prefix `json:"cidr"`
	AssociationID string       `json:"associationId"` // of the CIDR block with the VPC
	DHCPOptionsID string       `json:"dhcpOptionsId"`
	IsDefault     bool         `json:"isDefault"`
	// Secondary are CIDR blocks that were added.
	Secondary    []CIDRBlock `json:"secondary,omitempty"`
	NetworkACLID string      `json:"networkAclId,omitempty"` // its default one, and only one
	// NoDNSSupport and DNSHostnames are its attributes enableDnsSupport, turned round, and enableDnsHostnames.
	NoDNSSupport bool        `json:"noDnsSupport,omitempty"`
	DNSHostnames bool        `json:"dnsHostnames,omitempty"`
	Tags         minato.Tags `json:"tags,omitempty"`
}

// CIDRBlock is a block of addresses of a VPC.
type CIDRBlock struct {
	AssociationID string       `json:"associationId"`
	CIDR          netip.Prefix `json:"cidr"`
}

// Blocks are all blocks of a VPC, that which it was made with first.
func (v VPC) Blocks() []CIDRBlock {
	return append([]CIDRBlock{{v.AssociationID, v.CIDR}}, v.Secondary...)
}

// ARN is the VPC's ARN.
func (v VPC) ARN() minato.ARN {
	return minato.NewARN("ec2", string(v.Scope.Region), v.Scope.Account, "vpc/"+v.ID)
}

// Subnet is a part of a VPC in one zone.
type Subnet struct {
	Scope        minato.Scope `json:"scope"`
	ID           string       `json:"id"`
	VPCID        string       `json:"vpcId"`
	CIDR         netip.Prefix `json:"cidr"`
	Zone         string       `json:"zone"` // its name: "us-east-1a"
	ZoneID       string       `json:"zoneId"`
	DefaultForAZ bool         `json:"defaultForAz"`
	// MapPublicIP is its attribute mapPublicIpOnLaunch.
	MapPublicIP bool        `json:"mapPublicIp,omitempty"`
	Addresses   AddressUse  `json:"addresses,omitzero"`
	Tags        minato.Tags `json:"tags,omitempty"`
}

// ARN is the subnet's ARN.
func (n Subnet) ARN() minato.ARN {
	return minato.NewARN("ec2", string(n.Scope.Region), n.Scope.Account, "subnet/"+n.ID)
}

// SecurityGroup is a set of rules of who may talk to whom.
type SecurityGroup struct {
	Scope       minato.Scope `json:"scope"`
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	VPCID       string       `json:"vpcId"`
	Ingress     []Rule       `json:"ingress,omitempty"`
	Egress      []Rule       `json:"egress,omitempty"`
	Tags        minato.Tags  `json:"tags,omitempty"`
}

// ARN is the security group's ARN.
func (g SecurityGroup) ARN() minato.ARN {
	return minato.NewARN("ec2", string(g.Scope.Region), g.Scope.Account, "security-group/"+g.ID)
}

// Rule allows traffic with the members of some security groups and with some networks.
type Rule struct {
	ID string `json:"id,omitempty"` // "sgr-0…"
	// Protocol is tcp, udp, icmp or a number; empty stands for AllProtocols.
	Protocol string `json:"protocol,omitempty"`
	// FromPort and ToPort bound the ports of tcp and udp; for icmp they are type and code, -1 for all.
	FromPort    int            `json:"fromPort,omitempty"`
	ToPort      int            `json:"toPort,omitempty"`
	Groups      []string       `json:"groups,omitempty"`
	CIDRs       []netip.Prefix `json:"cidrs,omitempty"`
	Description string         `json:"description,omitempty"`
	Tags        minato.Tags    `json:"tags,omitempty"`
}

// AllProtocols is how EC2 writes the protocol of a rule for all traffic.
const AllProtocols = "-1"

// Where the records of this service lie, + account/region/id; a default network's has no id.
const (
	vpcsPrefix           = "/minato/ec2/vpcs/"
	SubnetsPrefix        = "/minato/ec2/subnets/"
	SecurityGroupsPrefix = "/minato/ec2/security-groups/"
	defaultsPrefix       = "/minato/ec2/defaults/"
	rostersPrefix        = "/minato/ec2/vpc-rosters/"
)

func (s *Service) vpcs() *store.Collection[VPC] {
	return store.NewCollection[VPC](s.Store, vpcsPrefix)
}

func (s *Service) subnets() *store.Collection[Subnet] {
	return store.NewCollection[Subnet](s.Store, SubnetsPrefix)
}

func (s *Service) securityGroups() *store.Collection[SecurityGroup] {
	return store.NewCollection[SecurityGroup](s.Store, SecurityGroupsPrefix)
}

func (s *Service) defaults() *store.Collection[defaultNetwork] {
	return store.NewCollection[defaultNetwork](s.Store, defaultsPrefix)
}

func scopeID(scope minato.Scope) string { return store.ID(scope.Account, string(scope.Region)) }

func recordID(scope minato.Scope, id string) string {
	return store.ID(scope.Account, string(scope.Region), id)
}

func (s *Service) instances() *store.Collection[Instance] { return Instances(s.Store) }

func (s *Service) interfaces() *store.Collection[Interface] { return Interfaces(s.Store) }
