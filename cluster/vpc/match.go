package vpc

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"minato.dev/minato/service/ec2"
)

const (
	ingressSuffix = "-in"
	egressSuffix  = "-out"

	protocolICMP    = unix.IPPROTO_ICMP
	protocolTCP     = unix.IPPROTO_TCP
	protocolUDP     = unix.IPPROTO_UDP
	icmpEchoRequest = 8

	// Where addresses lie in an IPv4 header.
	sourceOffset      = 12
	destinationOffset = 16

	lastPort = 65535
)

var (
	accept = &expr.Verdict{Kind: expr.VerdictAccept}
)

// then is a rule: a verdict on what all matches match.
func then(verdict expr.Any, matches ...[]expr.Any) []expr.Any {
	return append(slices.Concat(matches...), verdict)
}

// known accepts what belongs to a connection that was let through when it began.
func known() []expr.Any {
	bits := expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	return then(accept, []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	})
}

func fromLoopback(key expr.MetaKey) []expr.Any {
	return then(accept, []expr.Any{&expr.Meta{Key: key, Register: 1}, equal(linkKey("lo"))})
}

func equal(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }

// lookup gives the verdict that a map has for a link.
func (r *ruleset) lookup(name string, key expr.MetaKey) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Lookup{SourceRegister: 1, IsDestRegSet: true, SetName: name, SetID: r.sets[name].ID},
	}
}

func protocol(number byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{number})}
}

// within matches packets whose address at offset is in a network.
func within(offset uint32, p netip.Prefix) []expr.Any {
	if p.Bits() == 0 {
		return nil
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: net.CIDRMask(p.Bits(), 32), Xor: make([]byte, 4)},
		equal(p.Masked().Addr().AsSlice()),
	}
}

// memberOf matches packets whose address at offset is a member's of a group.
func (r *ruleset) memberOf(offset uint32, group string) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Lookup{SourceRegister: 1, SetName: group, SetID: r.sets[group].ID},
	}
}

// spokenBy matches the packets of control planes that speak as members of a group.
func spokenBy(group string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, equal(binaryutil.NativeEndian.PutUint32(groupMark(group)))}
}

// ports matches packets to a range of TCP or UDP ports.
func ports(from, to int) []expr.Any {
	if from <= 0 && (to >= lastPort || to < 0) {
		return nil
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: port(from), ToData: port(to)},
	}
}

func port(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

// icmp matches a type and a code, or all where they are negative.
func icmp(kind, code int) []expr.Any {
	if kind < 0 {
		return nil
	}
	match := []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, equal([]byte{byte(kind)})}
	if code < 0 {
		return match
	}
	return append(match, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 1, Len: 1}, equal([]byte{byte(code)}))
}

// traffic matches what a rule is about; not ok is a protocol that does not come by here.
func traffic(rule ec2.Rule) (match []expr.Any, ok bool) {
	switch rule.Protocol {
	case "", ec2.AllProtocols:
		return nil, true
	case "tcp", strconv.Itoa(protocolTCP):
		return append(protocol(protocolTCP), ports(rule.FromPort, rule.ToPort)...), true
	case "udp", strconv.Itoa(protocolUDP):
		return append(protocol(protocolUDP), ports(rule.FromPort, rule.ToPort)...), true
	case "icmp", strconv.Itoa(protocolICMP):
		return append(protocol(protocolICMP), icmp(rule.FromPort, rule.ToPort)...), true
	}
	number, err := strconv.ParseUint(rule.Protocol, 10, 8)
	return protocol(byte(number)), err == nil
}

// addRules adds what a security group's rule allows with those whose address is at offset.
func (r *ruleset) addRules(chain *nftables.Chain, rule ec2.Rule, offset uint32) {
	match, ok := traffic(rule)
	if !ok {
		return
	}
	add := func(peer []expr.Any) {
		r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: then(accept, peer, match)})
	}
	for _, group := range rule.Groups {
		add(r.memberOf(offset, group))
		if offset == sourceOffset {
			add(spokenBy(group))
		}
	}
	for _, cidr := range rule.CIDRs {
		if cidr.Addr().Is4() {
			add(within(offset, cidr))
		}
	}
}

// addLists adds the chains of all lists of groups: of each group's chain in turn.
func (r *ruleset) addLists(f firewall) {
	for list, groups := range f.lists {
		for _, suffix := range []string{ingressSuffix, egressSuffix} {
			chain := r.addChain(list + suffix)
			for _, group := range groups {
				if _, ok := f.rules[group]; !ok {
					continue // it is gone
				}
				jump := &expr.Verdict{Kind: expr.VerdictJump, Chain: group + suffix}
				r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: []expr.Any{jump}})
			}
		}
	}
}
