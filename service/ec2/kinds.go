package ec2

import (
	"slices"
	"strconv"

	"minato.dev/minato"
)

// The kinds of resources with the filters that the EC2 API reference lists for them.

// one makes a filter of a resource's single value.
func one[T any](value func(T) string) func(T) []string {
	return func(v T) []string { return []string{value(v)} }
}

// yes makes a filter of something that is true or false.
func yes[T any](value func(T) bool) func(T) []string {
	return func(v T) []string { return []string{strconv.FormatBool(value(v))} }
}

// fixed makes a filter of something that is the same for all resources here.
func fixed[T any](values ...string) func(T) []string {
	return func(T) []string { return values }
}

// withNone adds filters of EC2 for what nothing here has: they match nothing.
func withNone[T any](filters map[string]func(T) []string, names ...string) map[string]func(T) []string {
	for _, name := range names {
		filters[name] = fixed[T]()
	}
	return filters
}

var vpcKind = kind[VPC]{
	noun: "vpc ID", notFound: "InvalidVpcID.NotFound",
	resource: "vpc", prefix: "vpc-", parameter: "VpcId", records: VPCs,
	id:    func(v VPC) string { return v.ID },
	order: func(v VPC) string { return v.ID },
	tags:  func(v *VPC) *minato.Tags { return &v.Tags },
	filters: map[string]func(VPC) []string{
		"cidr":                                        one(func(v VPC) string { return v.CIDR.String() }),
		"cidr-block-association.association-id":       func(v VPC) []string { return texts(v.Blocks(), func(b CIDRBlock) string { return b.AssociationID }) },
		"cidr-block-association.cidr-block":           func(v VPC) []string { return texts(v.Blocks(), func(b CIDRBlock) string { return b.CIDR.String() }) },
		"cidr-block-association.state":                fixed[VPC]("associated"),
		"dhcp-options-id":                             one(func(v VPC) string { return v.DHCPOptionsID }),
		"ipv6-cidr-block-association.association-id":  fixed[VPC](),
		"ipv6-cidr-block-association.ipv6-cidr-block": fixed[VPC](),
		"ipv6-cidr-block-association.ipv6-pool":       fixed[VPC](),
		"ipv6-cidr-block-association.state":           fixed[VPC](),
		"is-default":                                  yes(func(v VPC) bool { return v.IsDefault }),
		"isDefault":                                   yes(func(v VPC) bool { return v.IsDefault }),
		"owner-id":                                    one(func(v VPC) string { return v.Scope.Account }),
		"state":                                       fixed[VPC]("available"),
		"vpc-id":                                      one(func(v VPC) string { return v.ID }),
	},
}

var (
	subnetCIDR    = one(func(n Subnet) string { return n.CIDR.String() })
	subnetZone    = one(func(n Subnet) string { return n.Zone })
	subnetZoneID  = one(func(n Subnet) string { return n.ZoneID })
	subnetDefault = yes(func(n Subnet) bool { return n.DefaultForAZ })
)

var subnetKind = kind[Subnet]{
	noun: "subnet ID", notFound: "InvalidSubnetID.NotFound",
	resource: "subnet", prefix: "subnet-", parameter: "SubnetId", records: SubnetsOf,
	id:    func(n Subnet) string { return n.ID },
	order: func(n Subnet) string { return n.VPCID + " " + n.Zone + " " + n.ID },
	tags:  func(n *Subnet) *minato.Tags { return &n.Tags },
	filters: map[string]func(Subnet) []string{
		"availability-zone":          subnetZone,
		"availabilityZone":           subnetZone,
		"availability-zone-id":       subnetZoneID,
		"availabilityZoneId":         subnetZoneID,
		"available-ip-address-count": one(func(n Subnet) string { return strconv.Itoa(n.AvailableAddresses()) }),
		"cidr":                       subnetCIDR,
		"cidr-block":                 subnetCIDR,
		"cidrBlock":                  subnetCIDR,
		"customer-owned-ipv4-pool":   fixed[Subnet](),
		"default-for-az":             subnetDefault,
		"defaultForAz":               subnetDefault,
		"enable-dns64":               fixed[Subnet]("false"),
		"enable-lni-at-device-index": fixed[Subnet](),
		"ipv6-cidr-block-association.association-id":       fixed[Subnet](),
		"ipv6-cidr-block-association.ipv6-cidr-block":      fixed[Subnet](),
		"ipv6-cidr-block-association.state":                fixed[Subnet](),
		"ipv6-native":                                      fixed[Subnet]("false"),
		"map-customer-owned-ip-on-launch":                  fixed[Subnet]("false"),
		"map-public-ip-on-launch":                          yes(func(n Subnet) bool { return n.MapPublicIP }),
		"outpost-arn":                                      fixed[Subnet](),
		"owner-id":                                         one(func(n Subnet) string { return n.Scope.Account }),
		"private-dns-name-options-on-launch.hostname-type": fixed[Subnet]("ip-name"),
		"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    fixed[Subnet]("false"),
		"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": fixed[Subnet]("false"),
		"state":      fixed[Subnet]("available"),
		"subnet-arn": one(func(n Subnet) string { return n.ARN().String() }),
		"subnet-id":  one(func(n Subnet) string { return n.ID }),
		"vpc-id":     one(func(n Subnet) string { return n.VPCID }),
	},
}

var securityGroupKind = kind[SecurityGroup]{
	noun: "security group", notFound: "InvalidGroup.NotFound", malformed: "InvalidGroupId.Malformed",
	resource: "security-group", prefix: "sg-", parameter: "GroupId", records: SecurityGroupsOf,
	id:    func(g SecurityGroup) string { return g.ID },
	order: func(g SecurityGroup) string { return g.VPCID + " " + g.ID },
	tags:  func(g *SecurityGroup) *minato.Tags { return &g.Tags },
	filters: map[string]func(SecurityGroup) []string{
		"description":                         one(func(g SecurityGroup) string { return g.Description }),
		"egress.ip-permission.cidr":           func(g SecurityGroup) []string { return cidrsOf(g.Egress, true) },
		"egress.ip-permission.from-port":      ofEgress(func(r Rule) string { return r.portText(r.FromPort) }),
		"egress.ip-permission.group-id":       func(g SecurityGroup) []string { return groupsOf(g.Egress) },
		"egress.ip-permission.group-name":     func(g SecurityGroup) []string { return g.ownName(g.Egress) },
		"egress.ip-permission.ipv6-cidr":      func(g SecurityGroup) []string { return cidrsOf(g.Egress, false) },
		"egress.ip-permission.prefix-list-id": fixed[SecurityGroup](),
		"egress.ip-permission.protocol":       ofEgress(Rule.ProtocolName),
		"egress.ip-permission.to-port":        ofEgress(func(r Rule) string { return r.portText(r.ToPort) }),
		"egress.ip-permission.user-id":        func(g SecurityGroup) []string { return times(len(groupsOf(g.Egress)), g.Scope.Account) },
		"group-id":                            one(func(g SecurityGroup) string { return g.ID }),
		"group-name":                          one(func(g SecurityGroup) string { return g.Name }),
		"ip-permission.cidr":                  func(g SecurityGroup) []string { return cidrsOf(g.Ingress, true) },
		"ip-permission.from-port":             ofIngress(func(r Rule) string { return r.portText(r.FromPort) }),
		"ip-permission.group-id":              func(g SecurityGroup) []string { return groupsOf(g.Ingress) },
		"ip-permission.group-name":            func(g SecurityGroup) []string { return g.ownName(g.Ingress) },
		"ip-permission.ipv6-cidr":             func(g SecurityGroup) []string { return cidrsOf(g.Ingress, false) },
		"ip-permission.prefix-list-id":        fixed[SecurityGroup](),
		"ip-permission.protocol":              ofIngress(Rule.ProtocolName),
		"ip-permission.to-port":               ofIngress(func(r Rule) string { return r.portText(r.ToPort) }),
		"ip-permission.user-id":               func(g SecurityGroup) []string { return times(len(groupsOf(g.Ingress)), g.Scope.Account) },
		"owner-id":                            one(func(g SecurityGroup) string { return g.Scope.Account }),
		"vpc-id":                              one(func(g SecurityGroup) string { return g.VPCID }),
	},
}

func ofIngress(value func(Rule) string) func(SecurityGroup) []string {
	return func(g SecurityGroup) []string { return texts(g.Ingress, value) }
}

func ofEgress(value func(Rule) string) func(SecurityGroup) []string {
	return func(g SecurityGroup) []string { return texts(g.Egress, value) }
}

func (r Rule) portText(port int) string {
	if !r.HasPorts() {
		return ""
	}
	return strconv.Itoa(port)
}

func groupsOf(rules []Rule) (ids []string) {
	for _, r := range rules {
		ids = append(ids, r.Groups...)
	}
	return ids
}

// cidrsOf are the blocks that rules name, of IPv4 or of IPv6.
func cidrsOf(rules []Rule, v4 bool) (cidrs []string) {
	for _, r := range rules {
		for _, c := range r.CIDRs {
			if c.Addr().Is4() == v4 {
				cidrs = append(cidrs, c.String())
			}
		}
	}
	return cidrs
}

// ownName is the group's name, if its rules name itself. A filter cannot see the names of others.
func (g SecurityGroup) ownName(rules []Rule) []string {
	if slices.Contains(groupsOf(rules), g.ID) {
		return []string{g.Name}
	}
	return nil
}

var zoneKind = kind[Zone]{
	noun: "availability zone", notFound: "InvalidParameterValue",
	id:    func(z Zone) string { return z.Name },
	order: func(z Zone) string { return z.Name },
	filters: map[string]func(Zone) []string{
		"group-long-name":  fixed[Zone](),
		"group-name":       one(Zone.GroupName),
		"message":          fixed[Zone](),
		"opt-in-status":    fixed[Zone]("opt-in-not-required"),
		"parent-zone-id":   fixed[Zone](),
		"parent-zone-name": fixed[Zone](),
		"region-name":      one(func(z Zone) string { return string(z.Region) }),
		"state":            fixed[Zone]("available"),
		"zone-id":          one(func(z Zone) string { return z.ID }),
		"zone-name":        one(func(z Zone) string { return z.Name }),
		"zone-type":        fixed[Zone]("availability-zone"),
	},
}

var templateKind = kind[LaunchTemplate]{
	noun: "launch template", notFound: "InvalidLaunchTemplateId.NotFound", malformed: "InvalidLaunchTemplateId.Malformed",
	says:     "The specified launch template, with template ID %s, does not exist.",
	resource: "launch-template", prefix: "lt-", parameter: "LaunchTemplateId", records: LaunchTemplates,
	id:    func(t LaunchTemplate) string { return t.ID },
	order: func(t LaunchTemplate) string { return t.ID },
	tags:  func(t *LaunchTemplate) *minato.Tags { return &t.Tags },
	filters: map[string]func(LaunchTemplate) []string{
		"create-time":          one(func(t LaunchTemplate) string { return t.CreatedAt.Format("2006-01-02T15:04:05.000Z") }),
		"launch-template-name": one(func(t LaunchTemplate) string { return t.Name }),
	},
}

var ruleKind = kind[RuleView]{
	noun: "security group rule ID", notFound: "InvalidSecurityGroupRuleId.NotFound",
	resource: "security-group-rule", prefix: "sgr-", parameter: "SecurityGroupRuleId",
	id:    func(r RuleView) string { return r.ID },
	order: func(r RuleView) string { return r.GroupID + " " + r.ID },
	tags:  func(r *RuleView) *minato.Tags { return &r.Tags },
	filters: map[string]func(RuleView) []string{
		"group-id":               one(func(r RuleView) string { return r.GroupID }),
		"security-group-rule-id": one(func(r RuleView) string { return r.ID }),
	},
}
