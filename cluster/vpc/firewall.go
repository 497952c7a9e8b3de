package vpc

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"minato.dev/minato/service/ec2"
)

// firewall is what security groups say of a VPC. A packet from one interface to another must be let out by one group of the
// first and let in by one group of the second; answers to it are let through. What no group allows is dropped.
type firewall struct {
	rules   map[string]groupRules
	members map[string][]netip.Addr // addresses, by the group that they are members of
	links   map[string]string       // the list that an interface's groups are in, by the name of its link
	lists   map[string][]string     // groups, sorted; many interfaces have the same
}

type groupRules struct{ ingress, egress []ec2.Rule }

func newFirewall() firewall {
	return firewall{
		rules: map[string]groupRules{}, members: map[string][]netip.Addr{},
		links: map[string]string{}, lists: map[string][]string{},
	}
}

// addGroup adds a group's rules. The groups that they name may have members or not, or be gone.
func (f firewall) addGroup(g ec2.SecurityGroup) {
	f.rules[g.ID] = groupRules{ingress: g.Ingress, egress: g.Egress}
	f.mention(g.ID)
	for _, r := range slices.Concat(g.Ingress, g.Egress) {
		for _, id := range r.Groups {
			f.mention(id)
		}
	}
}

func (f firewall) mention(group string) {
	if _, ok := f.members[group]; !ok {
		f.members[group] = nil
	}
}

// addMembers makes all addresses of an interface, pods' included, members of its groups.
func (f firewall) addMembers(i ec2.Interface) (groups []string) {
	groups = slices.Compact(slices.Sorted(slices.Values(i.SecurityGroups)))
	for _, g := range groups {
		f.members[g] = append(f.members[g], i.Addresses...)
	}
	return groups
}

// addInterface adds an interface that packets come through, and its members.
func (f firewall) addInterface(i ec2.Interface) {
	groups := f.addMembers(i)
	sum := sha256.Sum256([]byte(strings.Join(groups, " ")))
	list := "list-" + hex.EncodeToString(sum[:8])
	f.links[LinkName(i.ID)] = list
	f.lists[list] = groups
}

// sameRules is whether two firewalls differ in addresses and links only.
func (f firewall) sameRules(old firewall) bool {
	if !reflect.DeepEqual(f.rules, old.rules) || !reflect.DeepEqual(f.lists, old.lists) || len(f.members) != len(old.members) {
		return false
	}
	for g := range f.members {
		if _, ok := old.members[g]; !ok {
			return false
		}
	}
	return true
}

// groupMark marks the packets of a control plane that has no interface, and speaks as a member of a group: their source address is a
// gateway's, which tells nothing.
func groupMark(group string) uint32 {
	sum := sha256.Sum256([]byte(group))
	return binary.BigEndian.Uint32(sum[:]) | 1 // never the mark of all others
}
