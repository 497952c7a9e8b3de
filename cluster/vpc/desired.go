package vpc

import (
	"cmp"
	"net/netip"
	"slices"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/service/ec2"
)

// desired is what a VPC is to be, from the records.
type desired struct {
	subnets  []netip.Prefix
	ports    map[string]Port         // by interface id
	planes   map[string][]netip.Addr // of control planes' interfaces, by cluster id
	clusters map[string]gate.Route   // by cluster id
	firewall firewall
	problems []error // records that cannot be
}

// wanted are the VPCs that are to be there, by id: those with a cluster or an interface in them.
func (c *Controller) wanted() map[string]desired {
	wanted := map[string]desired{}
	for item := range c.vpcs.All() {
		wanted[item.Value.ID] = desired{ports: map[string]Port{}, planes: map[string][]netip.Addr{}, clusters: map[string]gate.Route{}, firewall: newFirewall()}
	}
	used := map[string]bool{}
	for item := range c.routes.All() {
		if d, ok := wanted[item.Value.VPCID]; ok {
			d.clusters[item.Value.ClusterID] = item.Value
			used[item.Value.VPCID] = true
		}
	}
	subnets := map[string]ec2.Subnet{}
	for item := range c.subnets.All() {
		subnets[item.Value.ID] = item.Value
		if d, ok := wanted[item.Value.VPCID]; ok {
			d.subnets = append(d.subnets, item.Value.CIDR.Masked())
			wanted[item.Value.VPCID] = d
		}
	}
	for item := range c.groups.All() {
		if d, ok := wanted[item.Value.VPCID]; ok {
			d.firewall.addGroup(item.Value)
		}
	}
	for item := range c.interfaces.All() {
		d, ok := wanted[item.Value.VPCID]
		if !ok {
			continue
		}
		used[item.Value.VPCID] = true
		subnet, ok := subnets[item.Value.SubnetID]
		if !ok {
			continue // its record is on the way
		}
		port, err := PortOf(item.Value, subnet.CIDR)
		if err != nil {
			d.problems = append(d.problems, err)
			wanted[item.Value.VPCID] = d
			continue
		}
		if cluster := item.Value.ClusterID; cluster != "" { // nothing is plugged in there
			d.planes[cluster] = append(d.planes[cluster], port.Addresses...)
			d.firewall.addMembers(item.Value)
			continue
		}
		d.ports[port.InterfaceID] = port
		d.firewall.addInterface(item.Value)
	}
	for id, d := range wanted {
		if !used[id] {
			delete(wanted, id)
			continue
		}
		for _, addresses := range d.planes {
			slices.SortFunc(addresses, netip.Addr.Compare)
		}
		slices.SortFunc(d.subnets, func(a, b netip.Prefix) int { return cmp.Or(a.Addr().Compare(b.Addr()), a.Bits()-b.Bits()) })
	}
	return wanted
}

// planeAddresses are those of all control planes, sorted.
func (d desired) planeAddresses() []netip.Addr {
	return slices.SortedFunc(func(yield func(netip.Addr) bool) {
		for _, addresses := range d.planes {
			for _, a := range addresses {
				if !yield(a) {
					return
				}
			}
		}
	}, netip.Addr.Compare)
}
