package podagent

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"
)

// linkName is the link's name on EKS. peerName is the other end of it, where there is one.
const (
	linkName = "pod-id-link0"
	peerName = "pod-id-peer0"
)

// ensureLink makes the link that has the agent's addresses on this node. One that is there already stays.
func ensureLink() error {
	if err := addLink(); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("making the link %s: %w", linkName, err)
	}
	there, err := netlink.LinkByName(linkName)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", linkName, err)
	}
	for _, a := range Addresses {
		address := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
		if a.Is6() {
			address.Flags = syscall.IFA_F_NODAD // it is good at once
		}
		err := netlink.AddrReplace(there, address)
		if err != nil && a.Is6() && noIPv6(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("giving %s the address %s: %w", linkName, a, err)
		}
	}
	return netlink.LinkSetUp(there)
}

// addLink makes a dummy, as EKS's agent does, or one end of a veth pair where the kernel has no dummies.
func addLink() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = linkName
	err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: attributes})
	if !errors.Is(err, syscall.EOPNOTSUPP) {
		return err
	}
	return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: peerName})
}

// noIPv6 is whether an error says that the node has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EAFNOSUPPORT)
}
