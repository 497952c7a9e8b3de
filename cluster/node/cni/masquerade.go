package cni

import (
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	tableName = "minato-vpc-cni"
	uplink    = "eth0"
)

// Where addresses lie in an IPv4 header.
const (
	sourceOffset      = 12
	destinationOffset = 16
	addressBytes      = 4
)

// masquerade has packets of pods that leave the VPC carry the node's address, as on AWS, where a pod's address means nothing
// outside. It puts the table as a whole in the place of an earlier one.
func masquerade(n node) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: tableName}
	c.AddTable(table) // so that there is one to delete
	c.DelTable(table)
	c.AddTable(table)
	chain := c.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, uplink)
	rule := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: addressBytes},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: n.primary.AsSlice()},
	}
	for _, block := range n.vpc {
		mask := net.CIDRMask(block.Bits(), 8*addressBytes)
		rule = append(rule,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destinationOffset, Len: addressBytes},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: addressBytes, Mask: mask, Xor: binaryutil.NativeEndian.PutUint32(0)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: block.Masked().Addr().AsSlice()},
		)
	}
	rule = append(rule,
		&expr.Immediate{Register: 1, Data: n.primary.AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, FullyRandom: true},
	)
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
	return c.Flush()
}
