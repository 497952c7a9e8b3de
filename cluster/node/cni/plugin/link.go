package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// gateway is the address behind which a pod finds everybody, on its own link.
var gateway = netip.MustParseAddr("169.254.1.1")

// hostLink is the name of the node's end of a pod's link, made from what the pod's end is known by.
func hostLink(a attachment) string {
	sum := sha256.Sum256([]byte(a.key()))
	return "pod" + hex.EncodeToString(sum[:])[:11]
}

// connect makes the pod's link and the routes to and from it, in place of what is left of an earlier attempt. It answers the
// hardware addresses of the node's end and of the pod's.
func (c call) connect(pod netip.Addr) (nodeMAC, podMAC string, err error) {
	if err := disconnect(c.attachment); err != nil {
		return "", "", err
	}
	ns, err := os.Open(c.netns)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = ns.Close() }()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = hostLink(c.attachment), c.MTU
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: c.Interface, PeerMTU: uint32(c.MTU), PeerNamespace: netlink.NsFd(int(ns.Fd()))}
	if err := netlink.LinkAdd(veth); err != nil {
		return "", "", fmt.Errorf("making the pod's link: %w", err)
	}
	link, err := netlink.LinkByName(attrs.Name)
	if err != nil {
		return "", "", err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return "", "", err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: only(pod)}
	if err := netlink.RouteReplace(route); err != nil {
		return "", "", fmt.Errorf("routing to the pod: %w", err)
	}
	handle, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return "", "", err
	}
	defer handle.Close()
	mac, err := setUpPod(handle, c.Interface, pod, link.Attrs().HardwareAddr)
	return link.Attrs().HardwareAddr.String(), mac, err
}

// setUpPod does what is to be done at the pod's end.
func setUpPod(h *netlink.Handle, name string, address netip.Addr, nodeMAC net.HardwareAddr) (mac string, err error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return "", fmt.Errorf("finding the pod's link: %w", err)
	}
	index := link.Attrs().Index
	if err := h.AddrReplace(link, &netlink.Addr{IPNet: only(address)}); err != nil {
		return "", err
	}
	if err := h.LinkSetUp(link); err != nil {
		return "", err
	}
	// The node does not answer for the gateway's address, so the pod is told.
	neighbour := &netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: gateway.AsSlice(), HardwareAddr: nodeMAC}
	if err := h.NeighSet(neighbour); err != nil {
		return "", err
	}
	for _, r := range []netlink.Route{
		{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: only(gateway)},
		{LinkIndex: index, Gw: gateway.AsSlice(), Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}},
	} {
		if err := h.RouteReplace(&r); err != nil {
			return "", fmt.Errorf("routing from the pod: %w", err)
		}
	}
	return link.Attrs().HardwareAddr.String(), nil
}

// disconnect removes an attachment's link, if there is one, and with it both ends and the routes.
func disconnect(a attachment) error {
	link, err := netlink.LinkByName(hostLink(a))
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil
	}
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

// verify is that both ends are there and the pod has its address.
func (c call) verify(address netip.Addr) error {
	if _, err := netlink.LinkByName(hostLink(c.attachment)); err != nil {
		return fmt.Errorf("the node's end of the pod's link: %w", err)
	}
	ns, err := netns.GetFromPath(c.netns)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	handle, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer handle.Close()
	link, err := handle.LinkByName(c.Interface)
	if err != nil {
		return fmt.Errorf("the pod's end of its link: %w", err)
	}
	addrs, err := handle.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if got, _ := netip.AddrFromSlice(a.IP.To4()); got == address {
			return nil
		}
	}
	return fail(codeOther, "the pod does not have the address %s", address)
}

func only(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}
