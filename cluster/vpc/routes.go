package vpc

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// ensureRoutes sets up the VPC's end of an interface, in the namespace that the thread is in: a route for each address and
// none for others. Where there is no link nothing is done: Plug does it when there is.
func (p Port) ensureRoutes() error {
	name := LinkName(p.InterfaceID)
	link, err := netlink.LinkByName(name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, s := range []struct{ path, value string }{
		// Answer ARP for every other address of the VPC, at once: machines of one subnet look for each other that way.
		{filepath.Join("net/ipv4/conf", name, "proxy_arp"), "1"},
		{filepath.Join("net/ipv4/neigh", name, "proxy_delay"), "0"},
	} {
		if err := writeSysctl(s.path, s.value); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	index := link.Attrs().Index
	// The machine's MAC address is known and stays: whatever it says in ARP, frames go there.
	neighbor := &netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: p.Addresses[0].AsSlice(), HardwareAddr: p.MAC}
	if err := netlink.NeighSet(neighbor); err != nil {
		return fmt.Errorf("setting the MAC address of %s: %w", p.Addresses[0], err)
	}
	return p.routeAddresses(index)
}

func (p Port) routeAddresses(index int) error {
	has, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{LinkIndex: index}, netlink.RT_FILTER_OIF)
	if err != nil {
		return err
	}
	old := map[netip.Addr]netlink.Route{}
	for _, r := range has {
		if addr, ok := routed(r); ok {
			old[addr] = r
		}
	}
	for i, addr := range p.Addresses {
		_, there := old[addr]
		delete(old, addr)
		if there {
			continue
		}
		r := &netlink.Route{LinkIndex: index, Dst: host(addr), Src: Gateway(p.Subnet).AsSlice(), Scope: netlink.SCOPE_LINK}
		if i > 0 {
			r.Gw, r.Scope = p.Addresses[0].AsSlice(), netlink.SCOPE_UNIVERSE
		}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("routing %s to %s: %w", addr, LinkName(p.InterfaceID), err)
		}
	}
	for addr, r := range old {
		if err := netlink.RouteDel(&r); err != nil {
			return fmt.Errorf("taking the route to %s from %s: %w", addr, LinkName(p.InterfaceID), err)
		}
	}
	return nil
}

// routed is the address that a route is for.
func routed(r netlink.Route) (netip.Addr, bool) {
	if r.Dst == nil {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(r.Dst.IP.To4())
}
