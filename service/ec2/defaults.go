package ec2

import (
	"context"
	"errors"
	"net/netip"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// defaultNetwork says that a scope has got its default VPC, and which one it is.
type defaultNetwork struct {
	VPCID string `json:"vpcId"`
	// DHCPOptionsID are the options of all VPCs in the scope. It is empty in what Minatos before nodes have written.
	DHCPOptionsID string `json:"dhcpOptionsId,omitempty"`
}

// The blocks of a default VPC and of its subnets, by zone, as on AWS.
var (
	defaultCIDR        = netip.MustParsePrefix("172.31.0.0/16")
	defaultSubnetCIDRs = []netip.Prefix{
		netip.MustParsePrefix("172.31.0.0/20"), netip.MustParsePrefix("172.31.16.0/20"), netip.MustParsePrefix("172.31.32.0/20"),
	}
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
)

// defaultGroupName is the name of the security group that every VPC has.
const defaultGroupName = "default"

// EnsureDefaults gives an account its default VPC, subnets, security group, internet gateway and route table in a region, unless
// it has them.
func (s *Service) EnsureDefaults(ctx context.Context, scope minato.Scope) error {
	network, err := s.defaults().Get(ctx, scopeID(scope))
	if err == nil {
		return s.complete(ctx, scope, network)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	vpc := newVPC(scope, defaultCIDR)
	vpc.DHCPOptionsID, vpc.IsDefault, vpc.DNSHostnames = newID("dopt"), true, true
	gateway, table := defaultWayOut(vpc)
	ops := append(s.newVPCOps(vpc, table),
		s.defaults().CreateOp(scopeID(scope), defaultNetwork{vpc.ID, vpc.DHCPOptionsID}),
		s.internetGateways().CreateOp(recordID(scope, gateway.ID), gateway),
	)
	for i, zone := range Zones(scope.Region) {
		n := Subnet{
			Scope: scope, ID: newID("subnet"), VPCID: vpc.ID, CIDR: defaultSubnetCIDRs[i], Zone: zone.Name, ZoneID: zone.ID,
			DefaultForAZ: true, MapPublicIP: true,
		}
		ops = append(ops, s.subnets().CreateOp(recordID(scope, n.ID), n))
	}
	_, err = s.Store.Commit(ctx, ops...)
	if errors.Is(err, store.ErrExists) { // somebody else has just done it
		return nil
	}
	return err
}

// defaultWayOut is a default VPC's internet gateway, and the main route table that leads to it.
func defaultWayOut(vpc VPC) (InternetGateway, RouteTable) {
	gateway := InternetGateway{Scope: vpc.Scope, ID: newID("igw"), VPCID: vpc.ID}
	table := newRouteTable(vpc, true)
	table.Routes = []Route{{Destination: anywhere, GatewayID: gateway.ID}}
	return gateway, table
}

// complete adds what a default VPC of a Minato before nodes lacks, and gives ids to rules that have none. It may be run again
// at any time.
func (s *Service) complete(ctx context.Context, scope minato.Scope, network store.Item[defaultNetwork]) error {
	if network.Value.DHCPOptionsID != "" {
		return nil
	}
	if err := s.nameRules(ctx, scope); err != nil {
		return err
	}
	vpc, ok, err := get(ctx, s.vpcs(), scope, network.Value.VPCID)
	if err != nil || !ok {
		return err
	}
	network.Value.DHCPOptionsID = vpc.Value.DHCPOptionsID
	vpc.Value.DNSHostnames, vpc.Value.NetworkACLID = true, newID("acl")
	gateway, table := defaultWayOut(vpc.Value)
	ops := []store.Op{
		s.defaults().UpdateOp(network), s.vpcs().UpdateOp(vpc), s.internetGateways().CreateOp(recordID(scope, gateway.ID), gateway),
		s.routeTables().CreateOp(recordID(scope, table.ID), table),
	}
	if _, has, err := get(ctx, s.rosters(), scope, vpc.Value.ID); err != nil {
		return err
	} else if !has {
		ops = append(ops, s.rosters().CreateOp(recordID(scope, vpc.Value.ID), roster{}))
	}
	subnets, err := s.subnets().List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return err
	}
	for _, n := range subnets.Items {
		n.Value.MapPublicIP = n.Value.DefaultForAZ
		ops = append(ops, s.subnets().UpdateOp(n))
	}
	_, err = s.Store.Commit(ctx, ops...)
	return err
}

func (s *Service) nameRules(ctx context.Context, scope minato.Scope) error {
	groups, err := s.securityGroups().List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return err
	}
	for _, g := range groups.Items {
		_, err := s.securityGroups().Modify(ctx, g.ID, func(g *SecurityGroup) error {
			for _, rules := range [][]Rule{g.Ingress, g.Egress} {
				for i := range rules {
					if rules[i].ID == "" {
						rules[i].ID = newID("sgr")
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newSecurityGroup makes a group whose members may talk to each other, and to everybody if they begin.
func newSecurityGroup(scope minato.Scope, vpcID, name, description string, tags minato.Tags) SecurityGroup {
	id := newID("sg")
	return SecurityGroup{
		Scope: scope, ID: id, Name: name, Description: description, VPCID: vpcID, Tags: tags,
		Ingress: []Rule{{ID: newID("sgr"), Groups: []string{id}}},
		Egress:  []Rule{{ID: newID("sgr"), CIDRs: []netip.Prefix{anywhere}}},
	}
}
