package gate

import (
	"fmt"
	"net/netip"
)

// allowList is the parsed AllowCIDRs of a route.
//
// Every client is held to it by the address that it connects from, loopback included: the list is about who may reach the
// endpoint, and on a single machine 127.0.0.1 is where all clients come from. An exception for loopback would make
// publicAccessCidrs a word without effect there, and would open every cluster to whatever forwards ports on the machine. A
// person who shuts themselves out opens the list again through the API, which does not go through the gate.
type allowList []netip.Prefix

// parseAllowList reads CIDRs. A bad one is left out, which lets in fewer clients, never more, and is named in the error.
func parseAllowList(cidrs []string) (allowList, error) {
	list := make(allowList, 0, len(cidrs))
	var bad error
	for _, c := range cidrs {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			bad = fmt.Errorf("allowed network %q is not a CIDR such as 10.0.0.0/8: nobody gets in by it", c)
			continue
		}
		list = append(list, p.Masked())
	}
	return list, bad
}

// allows is whether a client may connect from addr. As on EKS an IPv4 network says nothing about IPv6 clients.
func (l allowList) allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range l {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
