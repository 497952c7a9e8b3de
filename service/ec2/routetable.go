package ec2

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// RouteTable says where the traffic of subnets goes.
type RouteTable struct {
	Scope        minato.Scope  `json:"scope"`
	ID           string        `json:"id"` // "rtb-0…"
	VPCID        string        `json:"vpcId"`
	Associations []Association `json:"associations,omitempty"`
	// Routes are those that were added; the one to the VPC itself is always there.
	Routes []Route     `json:"routes,omitempty"`
	Tags   minato.Tags `json:"tags,omitempty"`
}

// Association puts a route table to a subnet, or to all that have no other, which makes it the main one.
type Association struct {
	ID       string `json:"id"` // "rtbassoc-0…"
	SubnetID string `json:"subnetId,omitempty"`
	Main     bool   `json:"main,omitempty"`
}

// Route sends traffic for a destination to one target.
type Route struct {
	Destination  netip.Prefix `json:"destination"`
	GatewayID    string       `json:"gatewayId,omitempty"` // an internet gateway
	NATGatewayID string       `json:"natGatewayId,omitempty"`
	InterfaceID  string       `json:"interfaceId,omitempty"`
	InstanceID   string       `json:"instanceId,omitempty"` // that the interface belongs to
}

const routeTablesPrefix = "/minato/ec2/route-tables/"

// RouteTables is the collection of route tables.
func RouteTables(s store.Store) *store.Collection[RouteTable] {
	return store.NewCollection[RouteTable](s, routeTablesPrefix)
}

func (s *Service) routeTables() *store.Collection[RouteTable] { return RouteTables(s.Store) }

// Main is whether the table is the main one of its VPC.
func (t RouteTable) Main() bool {
	return slices.ContainsFunc(t.Associations, func(a Association) bool { return a.Main })
}

// maxRoutes is how many routes a table may have (Amazon VPC quotas, the most that it can be raised to).
const maxRoutes = 1000

func newRouteTable(v VPC, main bool) RouteTable {
	t := RouteTable{Scope: v.Scope, ID: newID("rtb"), VPCID: v.ID}
	if main {
		t.Associations = []Association{{ID: newID("rtbassoc"), Main: true}}
	}
	return t
}

// CreateRouteTable makes a route table of a VPC.
func (s *Service) CreateRouteTable(ctx context.Context, c Caller, vpcID string, tags minato.Tags) (RouteTable, error) {
	vpc, err := s.findPart(ctx, c, "ec2:CreateRouteTable", routeTableKind.resource, tags, vpcID)
	if err != nil {
		return RouteTable{}, err
	}
	t := newRouteTable(vpc, false)
	t.Tags = tags
	return t, s.commit(ctx, func() ([]store.Op, error) {
		if _, err := need(ctx, s, &vpcKind, c.Scope, vpcID); err != nil {
			return nil, err
		}
		return []store.Op{s.joinOp(c.Scope, vpcID), s.routeTables().CreateOp(recordID(c.Scope, t.ID), t)}, nil
	})
}

// DeleteRouteTable removes a route table that nothing is associated with.
func (s *Service) DeleteRouteTable(ctx context.Context, c Caller, id string) error {
	if _, err := find(ctx, s, c, "ec2:DeleteRouteTable", &routeTableKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &routeTableKind, c.Scope, id)
		if err == nil && len(item.Value.Associations) > 0 {
			err = dependency("The routeTable '%s' has dependencies and cannot be deleted.", id)
		}
		return []store.Op{s.routeTables().DeleteOp(item)}, err
	})
}

// NewRoute is a route to be made; one of the targets is named.
type NewRoute struct {
	TableID      string
	Destination  string
	GatewayID    string
	NATGatewayID string
	InterfaceID  string
	InstanceID   string
}

// CreateRoute adds a route to a route table.
func (s *Service) CreateRoute(ctx context.Context, c Caller, n NewRoute) error {
	return s.putRoute(ctx, c, "ec2:CreateRoute", n, func(t *RouteTable, r Route) error {
		if i := t.find(r.Destination); i >= 0 {
			return minato.Errorf(minato.AlreadyExists, "The route identified by %s already exists.", r.Destination).Because("RouteAlreadyExists")
		}
		if len(t.Routes) >= maxRoutes {
			return minato.Errorf(minato.LimitExceeded, "The maximum number of routes has been reached: %d", maxRoutes).Because("RouteLimitExceeded")
		}
		t.Routes = append(t.Routes, r)
		return nil
	})
}

// ReplaceRoute gives a route of a route table another target.
func (s *Service) ReplaceRoute(ctx context.Context, c Caller, n NewRoute) error {
	return s.putRoute(ctx, c, "ec2:ReplaceRoute", n, func(t *RouteTable, r Route) error {
		i := t.find(r.Destination)
		if i < 0 {
			return noRoute(t.ID, r.Destination)
		}
		t.Routes[i] = r
		return nil
	})
}

func (t *RouteTable) find(destination netip.Prefix) int {
	return slices.IndexFunc(t.Routes, func(r Route) bool { return r.Destination == destination })
}

func noRoute(table string, destination netip.Prefix) error {
	return minato.Errorf(minato.NotFound, "no route with destination-cidr-block %s in route table %s", destination, table).Because("InvalidRoute.NotFound")
}

func (s *Service) putRoute(ctx context.Context, c Caller, action string, n NewRoute, put func(*RouteTable, Route) error) error {
	table, err := find(ctx, s, c, action, &routeTableKind, n.TableID)
	if err != nil {
		return err
	}
	destination, err := parseDestination(n.Destination)
	if err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		if table, err = need(ctx, s, &routeTableKind, c.Scope, n.TableID); err != nil {
			return nil, err
		}
		vpc, err := need(ctx, s, &vpcKind, c.Scope, table.Value.VPCID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(vpc.Value.Blocks(), func(b CIDRBlock) bool { return b.CIDR == destination }) {
			return nil, invalid("The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. "+
				"This route can target only an interface or an instance.", destination)
		}
		r, err := s.routeTarget(ctx, c.Scope, table.Value, n)
		if err != nil {
			return nil, err
		}
		r.Destination = destination
		err = put(&table.Value, r)
		return []store.Op{s.routeTables().UpdateOp(table)}, err
	})
}

func parseDestination(destination string) (netip.Prefix, error) {
	if destination == "" {
		return netip.Prefix{}, missingParameter("destinationCidrBlock")
	}
	return parseBlock(destination)
}

// routeTarget is a route to the one target that is named, which must be in the table's VPC.
func (s *Service) routeTarget(ctx context.Context, scope minato.Scope, t RouteTable, n NewRoute) (Route, error) {
	named := 0
	for _, id := range []string{n.GatewayID, n.NATGatewayID, n.InterfaceID, n.InstanceID} {
		if id != "" {
			named++
		}
	}
	switch {
	case named == 0:
		return Route{}, missingParameter("GatewayId, NatGatewayId, NetworkInterfaceId or InstanceId")
	case named > 1:
		return Route{}, minato.Errorf(minato.Invalid, "A route has one target: want only one of GatewayId, NatGatewayId, NetworkInterfaceId and InstanceId").
			Because("InvalidParameterCombination")
	case n.GatewayID != "":
		g, err := need(ctx, s, &internetGatewayKind, scope, n.GatewayID)
		if err == nil && g.Value.VPCID != t.VPCID {
			err = invalid("route table %s and network gateway %s belong to different networks", t.ID, n.GatewayID)
		}
		return Route{GatewayID: n.GatewayID}, err
	case n.NATGatewayID != "":
		g, err := need(ctx, s, &natGatewayKind, scope, n.NATGatewayID)
		if err == nil && g.Value.VPCID != t.VPCID {
			err = invalid("route table %s and NAT gateway %s belong to different networks", t.ID, n.NATGatewayID)
		}
		return Route{NATGatewayID: n.NATGatewayID}, err
	case n.InstanceID != "":
		i, err := need(ctx, s, &instanceKind, scope, n.InstanceID)
		if err != nil {
			return Route{}, err
		}
		n.InterfaceID = i.Value.InterfaceID
	}
	nic, err := need(ctx, s, &interfaceKind, scope, n.InterfaceID)
	if err == nil && nic.Value.VPCID != t.VPCID {
		err = invalid("route table %s and interface %s belong to different networks", t.ID, n.InterfaceID)
	}
	return Route{InterfaceID: n.InterfaceID, InstanceID: nic.Value.InstanceID}, err
}

// DeleteRoute takes a route out of a route table.
func (s *Service) DeleteRoute(ctx context.Context, c Caller, tableID, destination string) error {
	_, err := modify(ctx, s, c, "ec2:DeleteRoute", &routeTableKind, tableID, func(t *RouteTable) error {
		block, err := parseDestination(destination)
		if err != nil {
			return err
		}
		vpc, err := need(ctx, s, &vpcKind, c.Scope, t.VPCID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(vpc.Value.Blocks(), func(b CIDRBlock) bool { return b.CIDR == block }) {
			return invalid("cannot remove local route %s in route table %s", block, t.ID)
		}
		i := t.find(block)
		if i < 0 {
			return noRoute(t.ID, block)
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		return nil
	})
	return err
}

// RouteView is a route as it is described, with those that a table has without being told.
type RouteView struct {
	Route
	Local     bool // to the VPC itself
	Blackhole bool // its target is gone, or not in this VPC any more
}

// RouteTableView is a route table as it is described.
type RouteTableView struct {
	RouteTable
	Routes []RouteView
}

// DescribeRouteTables lists the route tables of the caller's account and region.
func (s *Service) DescribeRouteTables(ctx context.Context, c Caller, d Describe) (Page[RouteTableView], error) {
	return describe(ctx, s, c, "ec2:DescribeRouteTables", d, &routeTableViewKind, func() ([]RouteTableView, error) {
		tables, err := list(ctx, s, s.routeTables(), c.Scope)
		if err != nil {
			return nil, err
		}
		return s.viewRoutes(ctx, c.Scope, tables)
	})
}

// ViewRouteTable is a route table that has just been made, as it is described.
func (s *Service) ViewRouteTable(ctx context.Context, t RouteTable) (RouteTableView, error) {
	views, err := s.viewRoutes(ctx, t.Scope, []RouteTable{t})
	if err != nil {
		return RouteTableView{}, err
	}
	return views[0], nil
}

func (s *Service) viewRoutes(ctx context.Context, scope minato.Scope, tables []RouteTable) ([]RouteTableView, error) {
	vpcs, err := list(ctx, s, s.vpcs(), scope)
	if err != nil {
		return nil, err
	}
	blocks := map[string][]CIDRBlock{}
	for _, v := range vpcs {
		blocks[v.ID] = v.Blocks()
	}
	targets, err := s.liveTargets(ctx, scope)
	if err != nil {
		return nil, err
	}
	views := make([]RouteTableView, len(tables))
	for i, t := range tables {
		view := RouteTableView{RouteTable: t}
		for _, b := range blocks[t.VPCID] {
			view.Routes = append(view.Routes, RouteView{Route: Route{Destination: b.CIDR, GatewayID: "local"}, Local: true})
		}
		for _, r := range t.Routes {
			to := cmp.Or(r.GatewayID, r.NATGatewayID, r.InterfaceID)
			view.Routes = append(view.Routes, RouteView{Route: r, Blackhole: targets[to] != t.VPCID})
		}
		views[i] = view
	}
	return views, nil
}

// liveTargets are the VPCs of all that a route can lead to.
func (s *Service) liveTargets(ctx context.Context, scope minato.Scope) (map[string]string, error) {
	gateways, err := list(ctx, s, s.internetGateways(), scope)
	if err != nil {
		return nil, err
	}
	nats, err := list(ctx, s, s.natGateways(), scope)
	if err != nil {
		return nil, err
	}
	nics, err := list(ctx, s, s.interfaces(), scope)
	if err != nil {
		return nil, err
	}
	live := map[string]string{}
	for _, g := range gateways {
		live[g.ID] = g.VPCID
	}
	for _, g := range nats {
		if g.State == NATAvailable {
			live[g.ID] = g.VPCID
		}
	}
	for _, n := range nics {
		live[n.ID] = n.VPCID
	}
	return live, nil
}
