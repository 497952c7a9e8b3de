package vpc

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mdnetlink "github.com/mdlayher/netlink"

	"minato.dev/minato/cluster/gate"
)

const (
	tableName   = "minato"
	ingressMap  = "ingress"
	egressMap   = "egress"
	batchBuffer = 32 << 20 // bytes of one change: tens of thousands of addresses
	// messageElements is how many elements of a set go into one message, whose length has 16 bits.
	messageElements = 400
)

// ruleset is one change of the firewall of the namespace that the thread is in. All of it happens at once, or nothing.
type ruleset struct {
	conn  *nftables.Conn
	table *nftables.Table
	sets  map[string]*nftables.Set
}

func newRuleset() (*ruleset, error) {
	conn, err := nftables.New(nftables.WithSockOptions(func(c *mdnetlink.Conn) error {
		if err := c.SetReadBuffer(batchBuffer); err != nil {
			return err
		}
		return c.SetWriteBuffer(batchBuffer)
	}))
	if err != nil {
		return nil, err
	}
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: tableName}
	return &ruleset{conn: conn, table: table, sets: map[string]*nftables.Set{}}, nil
}

// install puts the firewall in the place of whatever there is.
func (f firewall) install() error {
	r, err := newRuleset()
	if err != nil {
		return err
	}
	r.conn.AddTable(r.table) // one that is not there could not be deleted
	r.conn.DelTable(r.table)
	r.conn.AddTable(r.table)
	for _, group := range slices.Sorted(maps.Keys(f.members)) {
		s := &nftables.Set{Table: r.table, Name: group, KeyType: nftables.TypeIPAddr}
		if err := r.addSet(s, addressElements(f.members[group])); err != nil {
			return err
		}
	}
	for _, group := range slices.Sorted(maps.Keys(f.rules)) {
		in, out := r.addChain(group+ingressSuffix), r.addChain(group+egressSuffix)
		for _, rule := range f.rules[group].ingress {
			r.addRules(in, rule, sourceOffset)
		}
		for _, rule := range f.rules[group].egress {
			r.addRules(out, rule, destinationOffset)
		}
	}
	r.addLists(f)
	for _, m := range []struct{ name, suffix string }{{ingressMap, ingressSuffix}, {egressMap, egressSuffix}} {
		s := &nftables.Set{Table: r.table, Name: m.name, IsMap: true, KeyType: nftables.TypeIFName, DataType: nftables.TypeVerdict}
		if err := r.addSet(s, linkElements(f.links, m.suffix)); err != nil {
			return err
		}
	}
	r.addBaseChains()
	return r.conn.Flush()
}

// change is install where old is in place, and does the difference only.
func (f firewall) change(old firewall) error {
	if !f.sameRules(old) {
		return f.install()
	}
	r, err := newRuleset()
	if err != nil {
		return err
	}
	for group, now := range f.members {
		s := &nftables.Set{Table: r.table, Name: group, KeyType: nftables.TypeIPAddr}
		before := old.members[group]
		if slices.Equal(before, now) {
			continue
		}
		if err := r.changeSet(s, addressElements(without(before, now)), addressElements(without(now, before))); err != nil {
			return err
		}
	}
	for _, m := range []struct{ name, suffix string }{{ingressMap, ingressSuffix}, {egressMap, egressSuffix}} {
		s := &nftables.Set{Table: r.table, Name: m.name, IsMap: true, KeyType: nftables.TypeIFName, DataType: nftables.TypeVerdict}
		if err := r.changeSet(s, linkElements(minus(old.links, f.links), m.suffix), linkElements(minus(f.links, old.links), m.suffix)); err != nil {
			return err
		}
	}
	return r.conn.Flush()
}

// without are the addresses of a that b has not.
func without(a, b []netip.Addr) []netip.Addr {
	in := make(map[netip.Addr]bool, len(b))
	for _, addr := range b {
		in[addr] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(addr netip.Addr) bool { return in[addr] })
}

// minus are the entries of a that b has not, or has otherwise.
func minus[K, V comparable](a, b map[K]V) map[K]V {
	rest := map[K]V{}
	for k, v := range a {
		if other, ok := b[k]; !ok || other != v {
			rest[k] = v
		}
	}
	return rest
}

func (r *ruleset) addSet(s *nftables.Set, elements []nftables.SetElement) error {
	r.sets[s.Name] = s
	if err := r.conn.AddSet(s, nil); err != nil {
		return err
	}
	return r.changeSet(s, nil, elements)
}

func (r *ruleset) changeSet(s *nftables.Set, remove, add []nftables.SetElement) error {
	for some := range slices.Chunk(remove, messageElements) {
		if err := r.conn.SetDeleteElements(s, some); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(add, messageElements) {
		if err := r.conn.SetAddElements(s, some); err != nil {
			return err
		}
	}
	return nil
}

func addressElements(addresses []netip.Addr) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, a := range addresses {
		elements = append(elements, nftables.SetElement{Key: a.AsSlice()})
	}
	return elements
}

// linkElements send what comes from or goes to a link through the chain of its list of groups.
func linkElements(links map[string]string, suffix string) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, link := range slices.Sorted(maps.Keys(links)) {
		elements = append(elements, nftables.SetElement{
			Key: linkKey(link), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: links[link] + suffix},
		})
	}
	return elements
}

// linkKey is a link's name as the kernel compares it: 16 bytes, with zeros at the end.
func linkKey(name string) []byte { return append([]byte(name), make([]byte, 16-len(name))...) }

// addChain adds a chain that others jump to.
func (r *ruleset) addChain(name string) *nftables.Chain {
	return r.conn.AddChain(&nftables.Chain{Table: r.table, Name: name})
}

// addBaseChains are where packets come by: from link to link through both directions' groups, to this namespace itself for what
// is open at gate.VPCAddress and for ping, and from here, which is what control planes begin, through the receiver's groups.
func (r *ruleset) addBaseChains() {
	base := func(name string, hook *nftables.ChainHook, priority nftables.ChainPriority, rules ...[]expr.Any) {
		drop := nftables.ChainPolicyDrop
		c := r.conn.AddChain(&nftables.Chain{
			Table: r.table, Name: name, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: &priority, Policy: &drop,
		})
		for _, exprs := range append([][]expr.Any{known()}, rules...) {
			r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: c, Exprs: exprs})
		}
	}
	out, in := r.lookup(egressMap, expr.MetaKeyIIFNAME), r.lookup(ingressMap, expr.MetaKeyOIFNAME)
	// Two chains of one hook: who is let out has still to be let in.
	base("leaving", nftables.ChainHookForward, -10, out)
	base("arriving", nftables.ChainHookForward, 0, in)
	base("control-plane", nftables.ChainHookOutput, 0, fromLoopback(expr.MetaKeyOIFNAME), in)
	base("host", nftables.ChainHookInput, 0, fromLoopback(expr.MetaKeyIIFNAME),
		then(accept, protocol(protocolICMP), icmp(icmpEchoRequest, 0)),
		then(accept, protocol(protocolTCP), within(destinationOffset, netip.PrefixFrom(gate.VPCAddress, 32))))
}
