package machine

import (
	"fmt"
	"net"
	"net/netip"

	"minato.dev/minato/cluster/vpc"
)

// port is the network as the VPC knows it.
func (n Network) port() (vpc.Port, error) {
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return vpc.Port{}, fmt.Errorf("interface %s: %w", n.InterfaceID, err)
	}
	return vpc.Port{VPCID: n.VPCID, InterfaceID: n.InterfaceID, MAC: mac, Subnet: n.Subnet.Masked(), Addresses: n.Addresses}, nil
}

// resolver is resolv.conf. A VPC's resolver has the third address of the network.
func resolver(n Network) string {
	if len(n.VPCCIDRs) == 0 {
		return ""
	}
	return fmt.Sprintf("nameserver %s\noptions timeout:2 attempts:5\n", resolverOf(n.VPCCIDRs[0]))
}

func resolverOf(vpc netip.Prefix) netip.Addr { return vpc.Masked().Addr().Next().Next() }
