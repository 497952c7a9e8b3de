package podagent

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"
)

const linkName = "pod-id-link0"

// ensureLink makes the link that has the agent's addresses on this node. One that is there already stays.
func ensureLink() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = linkName
	link := &netlink.Dummy{LinkAttrs: attributes}
	if err := netlink.LinkAdd(link); err != nil && !errors.Is(err, syscall.EEXIST) {
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

// noIPv6 is whether an error says that the node has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EAFNOSUPPORT)
}
