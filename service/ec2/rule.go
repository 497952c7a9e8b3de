package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato"
)

// RuleSpec is one rule as a request says it: one peer, and for which traffic.
type RuleSpec struct {
	Protocol         string
	FromPort, ToPort *int32
	CIDR             string // of IPv4 or IPv6
	Group            GroupName
	Description      string
}

// protocols are those that have names in EC2, by number.
var protocols = map[int]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}

// rule is the rule that a spec asks for, without an id. The group that it names has been looked up.
func (r RuleSpec) rule(group string) (Rule, error) {
	out := Rule{Description: r.Description}
	if len(r.Description) > maxGroupText || !groupText.MatchString(r.Description) {
		return out, invalid("Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
	}
	switch {
	case (r.CIDR == "") == (group == ""):
		return out, missingParameter("peer: one of a CIDR block and a security group")
	case group != "":
		out.Groups = []string{group}
	default:
		cidr, err := netip.ParsePrefix(r.CIDR)
		if err != nil {
			return out, invalid("CIDR block %s is malformed", r.CIDR)
		}
		out.CIDRs = []netip.Prefix{cidr.Masked()}
	}
	return out, r.traffic(&out)
}

func (r RuleSpec) traffic(out *Rule) error {
	protocol, err := parseProtocol(r.Protocol)
	if err != nil {
		return err
	}
	out.Protocol = protocol
	from, to := int32(-1), int32(-1)
	if r.FromPort != nil {
		from = *r.FromPort
	}
	if r.ToPort != nil {
		to = *r.ToPort
	}
	switch protocol {
	case "tcp", "udp":
		switch {
		case from == -1 && to == -1 && r.FromPort != nil && r.ToPort != nil:
			from, to = 0, 65535
		case r.FromPort == nil || r.ToPort == nil:
			return invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		case from < 0 || to > 65535 || from > to:
			return invalid("Invalid value '%d-%d' for portRange. Want ports from 0 to 65535, the lower one first.", from, to)
		}
	case "icmp", "icmpv6":
		if from < -1 || from > 255 || to < -1 || to > 255 || from == -1 && to != -1 {
			return invalid("ICMP code (%d) and type (%d) are invalid: want -1 to 255, and no code without a type", to, from)
		}
	default:
		from, to = 0, 0 // mean nothing
	}
	out.FromPort, out.ToPort = int(from), int(to)
	return nil
}

// parseProtocol is a protocol as rules keep it: a name or number; empty for all.
func parseProtocol(p string) (string, error) {
	p = strings.ToLower(p)
	if p == "" {
		return "", missingParameter("ipProtocol")
	}
	if p == AllProtocols || p == "all" {
		return "", nil
	}
	for number, name := range protocols {
		if p == name || p == strconv.Itoa(number) {
			return name, nil
		}
	}
	if n, err := strconv.Atoi(p); err == nil && n >= 0 && n <= 255 {
		return strconv.Itoa(n), nil
	}
	return "", invalid("Invalid value '%s' for IP protocol. Unknown protocol.", p)
}

// ProtocolName is the rule's protocol as EC2 writes it.
func (r Rule) ProtocolName() string {
	if r.Protocol == "" {
		return AllProtocols
	}
	return r.Protocol
}

// HasPorts is whether the rule's ports mean something; EC2 shows those of other rules as -1, or not at all.
func (r Rule) HasPorts() bool {
	return r.Protocol == "tcp" || r.Protocol == "udp" || r.Protocol == "icmp" || r.Protocol == "icmpv6"
}

// same is whether two rules allow the same.
func (r Rule) same(o Rule) bool {
	return r.Protocol == o.Protocol && r.FromPort == o.FromPort && r.ToPort == o.ToPort && slices.Equal(r.Groups, o.Groups) && slices.Equal(r.CIDRs, o.CIDRs)
}

func (r Rule) peer() string {
	if len(r.Groups) > 0 {
		return r.Groups[0]
	}
	return r.CIDRs[0].String()
}

func (r Rule) duplicate() error {
	traffic := "ALL"
	if r.Protocol != "" {
		traffic = strings.ToUpper(r.Protocol)
	}
	if r.HasPorts() {
		traffic += fmt.Sprintf(", from port: %d, to port: %d", r.FromPort, r.ToPort)
	}
	return minato.Errorf(minato.AlreadyExists, "the specified rule \"peer: %s, %s, ALLOW\" already exists", r.peer(), traffic).
		Because("InvalidPermission.Duplicate")
}
