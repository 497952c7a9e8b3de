package vpc

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"minato.dev/minato/service/ec2"
)

// MTU is that of every interface, as on AWS.
const MTU = 9001

// Port is a network interface's place in a VPC.
type Port struct {
	VPCID       string
	InterfaceID string
	MAC         net.HardwareAddr
	// Subnet is the network that the interface is in.
	Subnet netip.Prefix
	// Addresses are the interface's, the primary one first.
	Addresses []netip.Addr
}

// PortOf is the place of an interface in a subnet.
func PortOf(i ec2.Interface, subnet netip.Prefix) (Port, error) {
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return Port{}, fmt.Errorf("interface %s has the MAC address %q: %w", i.ID, i.MAC, err)
	}
	p := Port{VPCID: i.VPCID, InterfaceID: i.ID, MAC: mac, Subnet: subnet.Masked(), Addresses: i.Addresses}
	return p, p.check()
}

func (p Port) check() error {
	if p.VPCID == "" || p.InterfaceID == "" || len(p.MAC) != 6 || len(p.Addresses) == 0 || !p.Subnet.IsValid() {
		return fmt.Errorf("interface %q of %q is incomplete: it needs a MAC address, a subnet and an address", p.InterfaceID, p.VPCID)
	}
	for _, a := range p.Addresses {
		if !a.Is4() || !p.Subnet.Contains(a) || a == Gateway(p.Subnet) {
			return fmt.Errorf("interface %s cannot have the address %s in %s", p.InterfaceID, a, p.Subnet)
		}
	}
	return nil
}

// linkPrefix begins the name of every interface's link in its VPC's namespace.
const linkPrefix = "eni"

// LinkName is the name of an interface's link in its VPC's namespace. A link's name has 15 bytes at most, so that of an id's
// 16 random digits the last 12 are in it; that is enough to tell the interfaces of one VPC apart.
func LinkName(interfaceID string) string {
	id := strings.TrimPrefix(interfaceID, "eni-")
	return linkPrefix + id[max(0, len(id)-12):]
}
