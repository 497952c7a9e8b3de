package ec2

import (
	"net/netip"
	"strconv"
	"time"

	"minato.dev/minato"
)

var routeTableKind = kind[RouteTable]{
	noun: "routeTable ID", notFound: "InvalidRouteTableID.NotFound",
	resource: "route-table", prefix: "rtb-", parameter: "RouteTableId", records: RouteTables,
	id:    func(t RouteTable) string { return t.ID },
	order: func(t RouteTable) string { return t.ID },
	tags:  func(t *RouteTable) *minato.Tags { return &t.Tags },
}

var routeTableViewKind = kind[RouteTableView]{
	noun: routeTableKind.noun, notFound: routeTableKind.notFound,
	id:    func(t RouteTableView) string { return t.ID },
	order: func(t RouteTableView) string { return t.VPCID + " " + t.ID },
	tags:  func(t *RouteTableView) *minato.Tags { return &t.Tags },
	filters: map[string]func(RouteTableView) []string{
		"association.gateway-id":                 fixed[RouteTableView](),
		"association.main":                       ofAssociations(func(a Association) string { return boolText(a.Main) }),
		"association.route-table-association-id": ofAssociations(func(a Association) string { return a.ID }),
		"association.route-table-id":             func(t RouteTableView) []string { return times(len(t.Associations), t.ID) },
		"association.subnet-id":                  ofAssociations(func(a Association) string { return a.SubnetID }),
		"owner-id":                               one(func(t RouteTableView) string { return t.Scope.Account }),
		"route-table-id":                         one(func(t RouteTableView) string { return t.ID }),
		"route.destination-cidr-block":           ofRoutes(func(r RouteView) string { return r.Destination.String() }),
		"route.destination-ipv6-cidr-block":      fixed[RouteTableView](),
		"route.destination-prefix-list-id":       fixed[RouteTableView](),
		"route.egress-only-internet-gateway-id":  fixed[RouteTableView](),
		"route.gateway-id":                       ofRoutes(func(r RouteView) string { return r.GatewayID }),
		"route.instance-id":                      ofRoutes(func(r RouteView) string { return r.InstanceID }),
		"route.nat-gateway-id":                   ofRoutes(func(r RouteView) string { return r.NATGatewayID }),
		"route.origin":                           ofRoutes(RouteView.Origin),
		"route.state":                            ofRoutes(RouteView.State),
		"route.transit-gateway-id":               fixed[RouteTableView](),
		"route.vpc-peering-connection-id":        fixed[RouteTableView](),
		"vpc-id":                                 one(func(t RouteTableView) string { return t.VPCID }),
	},
}

// Origin is how the route came, as EC2 spells it.
func (r RouteView) Origin() string {
	if r.Local {
		return "CreateRouteTable"
	}
	return "CreateRoute"
}

// State is the route's state, as EC2 spells it.
func (r RouteView) State() string {
	if r.Blackhole {
		return "blackhole"
	}
	return "active"
}

func ofAssociations(value func(Association) string) func(RouteTableView) []string {
	return func(t RouteTableView) []string { return texts(t.Associations, value) }
}

func ofRoutes(value func(RouteView) string) func(RouteTableView) []string {
	return func(t RouteTableView) []string { return texts(t.Routes, value) }
}

// texts are the values of a list that are not empty.
func texts[T any](list []T, value func(T) string) (out []string) {
	for _, v := range list {
		if text := value(v); text != "" {
			out = append(out, text)
		}
	}
	return out
}

func times(n int, s string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// unlessEmpty makes a filter of a value that a resource may not have.
func unlessEmpty[T any](value func(T) string) func(T) []string {
	return func(v T) []string { return texts([]T{v}, value) }
}

func ipText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

var internetGatewayKind = kind[InternetGateway]{
	noun: "internetGateway ID", notFound: "InvalidInternetGatewayID.NotFound",
	resource: "internet-gateway", prefix: "igw-", parameter: "InternetGatewayId", records: InternetGateways,
	id:    func(g InternetGateway) string { return g.ID },
	order: func(g InternetGateway) string { return g.ID },
	tags:  func(g *InternetGateway) *minato.Tags { return &g.Tags },
	filters: map[string]func(InternetGateway) []string{
		"attachment.state": func(g InternetGateway) []string {
			if g.VPCID == "" {
				return nil
			}
			return []string{"available"}
		},
		"attachment.vpc-id":   unlessEmpty(func(g InternetGateway) string { return g.VPCID }),
		"internet-gateway-id": one(func(g InternetGateway) string { return g.ID }),
		"owner-id":            one(func(g InternetGateway) string { return g.Scope.Account }),
	},
}

var elasticIPKind = kind[ElasticIP]{
	noun: "allocation ID", notFound: "InvalidAllocationID.NotFound",
	resource: "elastic-ip", prefix: "eipalloc-", parameter: "AllocationId", records: ElasticIPs,
	id:    func(a ElasticIP) string { return a.ID },
	order: func(a ElasticIP) string { return a.ID },
	tags:  func(a *ElasticIP) *minato.Tags { return &a.Tags },
	filters: map[string]func(ElasticIP) []string{
		"allocation-id":              one(func(a ElasticIP) string { return a.ID }),
		"association-id":             unlessEmpty(func(a ElasticIP) string { return a.AssociationID }),
		"domain":                     fixed[ElasticIP]("vpc"),
		"instance-id":                fixed[ElasticIP](),
		"network-border-group":       one(func(a ElasticIP) string { return string(a.Scope.Region) }),
		"network-interface-id":       unlessEmpty(func(a ElasticIP) string { return a.InterfaceID }),
		"network-interface-owner-id": one(func(a ElasticIP) string { return a.Scope.Account }),
		"private-ip-address":         unlessEmpty(func(a ElasticIP) string { return ipText(a.PrivateIP) }),
		"public-ip":                  one(func(a ElasticIP) string { return a.PublicIP.String() }),
	},
}

var natGatewayKind = kind[NATGateway]{
	noun: "NAT gateway", notFound: "NatGatewayNotFound", malformed: "NatGatewayMalformed", says: "NAT gateway %s was not found",
	resource: "natgateway", prefix: "nat-", parameter: "NatGatewayId", records: NATGateways,
	id:    func(g NATGateway) string { return g.ID },
	order: func(g NATGateway) string { return g.ID },
	tags:  func(g *NATGateway) *minato.Tags { return &g.Tags },
	filters: map[string]func(NATGateway) []string{
		"nat-gateway-id": one(func(g NATGateway) string { return g.ID }),
		"state":          one(func(g NATGateway) string { return string(g.State) }),
		"subnet-id":      one(func(g NATGateway) string { return g.SubnetID }),
		"vpc-id":         one(func(g NATGateway) string { return g.VPCID }),
	},
}

var interfaceKind = kind[Interface]{
	noun: "networkInterface ID", notFound: "InvalidNetworkInterfaceID.NotFound", malformed: "InvalidNetworkInterfaceId.Malformed",
	resource: "network-interface", prefix: "eni-", parameter: "NetworkInterfaceId", records: Interfaces,
	id:    func(n Interface) string { return n.ID },
	order: func(n Interface) string { return n.ID },
	tags:  func(n *Interface) *minato.Tags { return &n.Tags },
}

var interfaceViewKind = kind[InterfaceView]{
	noun: interfaceKind.noun, notFound: interfaceKind.notFound, malformed: interfaceKind.malformed, prefix: interfaceKind.prefix,
	id:    func(n InterfaceView) string { return n.ID },
	order: func(n InterfaceView) string { return n.ID },
	tags:  func(n *InterfaceView) *minato.Tags { return &n.Tags },
	filters: withNone(map[string]func(InterfaceView) []string{
		"addresses.primary":            func(n InterfaceView) []string { return []string{"true", boolText(len(n.Addresses) < 2)} },
		"addresses.private-ip-address": InterfaceView.addresses,
		"association.allocation-id":    ofPublic(func(a ElasticIP) string { return a.ID }),
		"association.association-id":   ofPublic(func(a ElasticIP) string { return a.AssociationID }),
		"association.public-ip":        ofPublic(func(a ElasticIP) string { return a.PublicIP.String() }),
		"attachment.attachment-id":     unlessEmpty(func(n InterfaceView) string { return n.AttachmentID }),
		"attachment.device-index":      ofAttachment(func(n InterfaceView) string { return strconv.Itoa(n.DeviceIndex) }),
		"attachment.instance-id":       unlessEmpty(func(n InterfaceView) string { return n.InstanceID }),
		"attachment.instance-owner-id": ofAttachment(func(n InterfaceView) string { return n.AttachmentOwner() }),
		"attachment.status":            ofAttachment(func(InterfaceView) string { return "attached" }),
		"availability-zone":            one(func(n InterfaceView) string { return n.Zone }),
		"description":                  one(func(n InterfaceView) string { return n.Description }),
		"group-id":                     func(n InterfaceView) []string { return n.SecurityGroups },
		"group-name": func(n InterfaceView) []string {
			return texts(n.SecurityGroups, func(id string) string { return n.GroupNames[id] })
		},
		"interface-type":              one(InterfaceView.KindName),
		"ipv6-addresses.ipv6-address": fixed[InterfaceView](),
		"mac-address":                 one(func(n InterfaceView) string { return n.MAC }),
		"network-interface-id":        one(func(n InterfaceView) string { return n.ID }),
		"owner-id":                    one(func(n InterfaceView) string { return n.Scope.Account }),
		"private-dns-name":            one(func(n InterfaceView) string { return PrivateDNSName(n.Scope.Region, n.Addresses[0]) }),
		"private-ip-address":          InterfaceView.addresses,
		"requester-id":                unlessEmpty(func(n InterfaceView) string { return n.RequesterID }),
		"requester-managed":           yes(func(n InterfaceView) bool { return n.RequesterManaged() }),
		"source-dest-check":           fixed[InterfaceView]("true"),
		"status":                      one(InterfaceView.Status),
		"subnet-id":                   one(func(n InterfaceView) string { return n.SubnetID }),
		"vpc-id":                      one(func(n InterfaceView) string { return n.VPCID }),

		"addresses.association.owner-id":   ofPublic(func(a ElasticIP) string { return a.Scope.Account }),
		"addresses.association.public-ip":  ofPublic(func(a ElasticIP) string { return a.PublicIP.String() }),
		"association.ip-owner-id":          ofPublic(func(a ElasticIP) string { return a.Scope.Account }),
		"attachment.attach-time":           ofAttachment(func(n InterfaceView) string { return n.AttachedAt.UTC().Format(time.RFC3339) }),
		"attachment.delete-on-termination": ofAttachment(func(n InterfaceView) string { return boolText(n.DeleteOnTermination) }),
		"availability-zone-id":             one(func(n InterfaceView) string { return n.ZoneID }),
		"operator.managed":                 fixed[InterfaceView]("false"),
	}, "association.public-dns-name", "operator.principal"),
}

func (n InterfaceView) addresses() []string { return texts(n.Addresses, ipText) }

// KindName is the interface's type, as EC2 spells it.
func (n InterfaceView) KindName() string {
	if n.Type == "" {
		return "interface"
	}
	return n.Type
}

// Status is whether the interface is used, as EC2 spells it.
func (n InterfaceView) Status() string {
	if n.InUse() {
		return "in-use"
	}
	return "available"
}

func ofPublic(value func(ElasticIP) string) func(InterfaceView) []string {
	return func(n InterfaceView) []string {
		if n.Public == nil {
			return nil
		}
		return []string{value(*n.Public)}
	}
}

func ofAttachment(value func(InterfaceView) string) func(InterfaceView) []string {
	return func(n InterfaceView) []string {
		if n.AttachmentID == "" {
			return nil
		}
		return []string{value(n)}
	}
}
