package ec2

import (
	"encoding/binary"
	"net/netip"

	"minato.dev/minato"
)

// reserved is how many addresses of a subnet AWS keeps: the first four and the last.
const (
	reservedFirst = 4
	reserved      = reservedFirst + 1
)

// AddressUse says which addresses of a subnet have been given out. It lies in the subnet's record, so that what takes addresses
// and what deletes the subnet cannot both succeed.
type AddressUse struct {
	// Bits has a bit for each address that is taken, counted from the subnet's first, up to the last taken.
	Bits []byte `json:"bits,omitempty"`
	Used int    `json:"used,omitempty"`
	// Next is where to look next: an address that has just been given back should not be met again at once.
	Next int `json:"next,omitempty"`
}

func (u *AddressUse) taken(i int) bool { return i/8 < len(u.Bits) && u.Bits[i/8]&(1<<(i%8)) != 0 }

func (u *AddressUse) set(i int) {
	for len(u.Bits) <= i/8 {
		u.Bits = append(u.Bits, 0)
	}
	u.Bits[i/8] |= 1 << (i % 8)
	u.Used++
}

// size is how many addresses the subnet has, with those that AWS keeps.
func (n Subnet) size() int { return 1 << (n.CIDR.Addr().BitLen() - n.CIDR.Bits()) }

// AvailableAddresses is how many addresses of the subnet can still be given out.
func (n Subnet) AvailableAddresses() int { return n.size() - reserved - n.Addresses.Used }

// take gives out count addresses. The subnet has them, or the error says that it is full.
func (n *Subnet) take(count int) ([]netip.Addr, error) {
	if count > n.AvailableAddresses() {
		return nil, n.full()
	}
	addresses := make([]netip.Addr, 0, count)
	first, last := reservedFirst, n.size()-2
	at := max(n.Addresses.Next, first)
	for len(addresses) < count {
		if at > last {
			at = first
		}
		if !n.Addresses.taken(at) {
			n.Addresses.set(at)
			addresses = append(addresses, n.address(at))
		}
		at++
	}
	n.Addresses.Next = at
	return addresses, nil
}

func (n *Subnet) full() error {
	return minato.Errorf(minato.LimitExceeded, "The specified subnet '%s' does not have enough free addresses to satisfy the request: %d are free",
		n.ID, n.AvailableAddresses()).Because("InsufficientFreeAddressesInSubnet")
}

// claim gives out one certain address.
func (n *Subnet) claim(a netip.Addr) error {
	i, ok := n.offset(a)
	if !ok || i < reservedFirst || i > n.size()-2 {
		return minato.Errorf(minato.Invalid, "Address %s does not fall within the subnet's address range, or is reserved by AWS", a).
			Because("InvalidParameterValue")
	}
	if n.Addresses.taken(i) {
		return minato.Errorf(minato.InUse, "Address %s is in use.", a).Because("InvalidIPAddress.InUse")
	}
	n.Addresses.set(i)
	return nil
}

// give takes addresses back.
func (n *Subnet) give(addresses []netip.Addr) {
	for _, a := range addresses {
		if i, ok := n.offset(a); ok && n.Addresses.taken(i) {
			n.Addresses.Bits[i/8] &^= 1 << (i % 8)
			n.Addresses.Used--
		}
	}
}

func (n *Subnet) address(i int) netip.Addr {
	base := n.CIDR.Masked().Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+uint32(i))
	return netip.AddrFrom4(b)
}

func (n *Subnet) offset(a netip.Addr) (int, bool) {
	if !a.Is4() || !n.CIDR.Contains(a) {
		return 0, false
	}
	base, b := n.CIDR.Masked().Addr().As4(), a.As4()
	return int(binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(base[:])), true
}

// takeWith gives out count addresses, the first of which is the one given, if one is.
func (n *Subnet) takeWith(first netip.Addr, count int) ([]netip.Addr, error) {
	if !first.IsValid() {
		return n.take(count)
	}
	if err := n.claim(first); err != nil {
		return nil, err
	}
	rest, err := n.take(count - 1)
	return append([]netip.Addr{first}, rest...), err
}
