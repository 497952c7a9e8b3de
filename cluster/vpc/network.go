package vpc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/internal/home"
)

// Network is what a VPC is made of before there is anything in it.
type Network struct {
	ID      string
	Subnets []netip.Prefix
	// Planes are the addresses of control planes' interfaces, from which this machine speaks for them.
	Planes []netip.Addr
}

// Gateway is the address at which a subnet's machines find everything outside of it: the first after the network's own.
func Gateway(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }

// sysctls of a VPC's namespace. It forwards; it takes in from an interface only what would be sent out by it, so that nobody
// can use another's address; and it speaks no IPv6.
var sysctls = []struct{ path, value string }{
	{"net/ipv4/ip_forward", "1"},
	{"net/ipv4/conf/all/rp_filter", "1"},
	{"net/ipv4/conf/default/rp_filter", "1"},
	{"net/ipv4/conf/all/accept_redirects", "0"},
	{"net/ipv4/conf/default/accept_redirects", "0"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv6/conf/all/disable_ipv6", "1"},
	{"net/ipv6/conf/default/disable_ipv6", "1"},
}

// Make makes a VPC, or makes one that is there what it should be. Whatever is plugged in stays.
func Make(h home.Dir, n Network) error {
	if err := makeNamespace(h, n.ID); err != nil {
		return err
	}
	err := In(Namespace(h, n.ID), func() error {
		for _, s := range sysctls {
			if err := writeSysctl(s.path, s.value); err != nil {
				return err
			}
		}
		return ensureOwnAddresses(n)
	})
	if err != nil {
		return fmt.Errorf("making %s: %w", n.ID, err)
	}
	return nil
}

// Remove takes a VPC down with all links in it.
func Remove(h home.Dir, vpcID string) error { return removeNamespace(h, vpcID) }

// ensureOwnAddresses gives the namespace that the thread is in its own addresses: the subnets' gateways, those of control planes, and the one
// at which the machine outside is found. They are on the loopback device, from which Linux answers ARP on every link.
func ensureOwnAddresses(n Network) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	want := append([]netip.Addr{gate.VPCAddress}, n.Planes...)
	for _, subnet := range n.Subnets {
		want = append(want, Gateway(subnet))
	}
	addrs, err := netlink.AddrList(lo, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		has, _ := netip.AddrFromSlice(a.IP.To4())
		i := slices.Index(want, has)
		switch {
		case i >= 0:
			want = slices.Delete(want, i, i+1)
		case !has.IsLoopback(): // of a subnet or control plane that is gone
			if err := netlink.AddrDel(lo, &a); err != nil {
				return err
			}
		}
	}
	for _, a := range want {
		if err := netlink.AddrReplace(lo, &netlink.Addr{IPNet: host(a)}); err != nil {
			return fmt.Errorf("adding %s: %w", a, err)
		}
	}
	return nil
}

// writeSysctl sets a value of the network namespace that the thread is in. A kernel without IPv6 has none of its values.
func writeSysctl(path, value string) error {
	err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
	if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(path, "net/ipv6/") {
		return nil
	}
	return err
}

// host is the network of one address.
func host(a netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(a, a.BitLen())) }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
