package ec2

import (
	"context"
	"net/netip"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// maxInterfaceAddresses is how many addresses an interface that belongs to no instance may have: the most of any type.
const maxInterfaceAddresses = 50

// NewInterface is a network interface to be made.
type NewInterface struct {
	SubnetID       string
	Description    string
	PrivateIP      netip.Addr // the primary address; zero lets the subnet choose
	Secondary      int        // how many more addresses
	SecurityGroups []string   // none stands for the VPC's default group
	Tags           minato.Tags
}

// CreateInterface makes a network interface that is not attached to an instance.
func (s *Service) CreateInterface(ctx context.Context, c Caller, n NewInterface) (Interface, error) {
	subnet, missing := need(ctx, s, &subnetKind, c.Scope, n.SubnetID)
	if missing != nil && !minato.Is(missing, minato.NotFound) {
		return Interface{}, missing
	}
	parts := []target{{arn: resourceARN(c.Scope, subnetKind.resource, n.SubnetID), tags: subnet.Value.Tags}}
	for _, g := range n.SecurityGroups {
		parts = append(parts, s.groupTarget(ctx, c.Scope, g))
	}
	if err := s.allowCreate(ctx, c, "ec2:CreateNetworkInterface", interfaceKind.resource, n.Tags, parts...); err != nil {
		return Interface{}, err
	}
	if missing != nil {
		return Interface{}, missing
	}
	if n.Secondary < 0 || n.Secondary >= maxInterfaceAddresses {
		return Interface{}, tooManyAddresses(n.Secondary + 1)
	}
	nic := Interface{
		Scope: c.Scope, ID: newID("eni"), VPCID: subnet.Value.VPCID, SubnetID: subnet.Value.ID, Zone: subnet.Value.Zone, MAC: newMAC(),
		Description: n.Description, Tags: n.Tags,
	}
	return nic, s.commit(ctx, func() ([]store.Op, error) {
		subnet, err := need(ctx, s, &subnetKind, c.Scope, n.SubnetID)
		if err != nil {
			return nil, err
		}
		if nic.SecurityGroups, err = s.groupsIn(ctx, c.Scope, nic.VPCID, n.SecurityGroups); err != nil {
			return nil, err
		}
		if nic.Addresses, err = subnet.Value.takeWith(n.PrivateIP, 1+n.Secondary); err != nil {
			return nil, err
		}
		ops := []store.Op{s.joinOp(c.Scope, nic.VPCID), s.subnets().UpdateOp(subnet), s.interfaces().CreateOp(recordID(c.Scope, nic.ID), nic)}
		return append(ops, s.groupsExist(c.Scope, nic.SecurityGroups)...), nil
	})
}

func tooManyAddresses(count int) error {
	return minato.Errorf(minato.LimitExceeded, "The interface would have %d addresses: want %d at most", count, maxInterfaceAddresses).
		Because("PrivateIpAddressLimitExceeded")
}

// groupTarget is a security group as policies see it, whether it exists or not.
func (s *Service) groupTarget(ctx context.Context, scope minato.Scope, id string) target {
	t := target{arn: resourceARN(scope, securityGroupKind.resource, id)}
	if g, ok, err := get(ctx, s.securityGroups(), scope, id); err == nil && ok {
		t.tags = g.Value.Tags
	}
	return t
}

func (s *Service) groupsExist(scope minato.Scope, ids []string) []store.Op {
	var ops []store.Op
	for _, id := range ids {
		ops = append(ops, existsOp(s.securityGroups(), scope, id))
	}
	return ops
}

// DeleteInterface removes a network interface that nothing uses.
func (s *Service) DeleteInterface(ctx context.Context, c Caller, id string) error {
	if _, err := find(ctx, s, c, "ec2:DeleteNetworkInterface", &interfaceKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &interfaceKind, c.Scope, id)
		if err == nil && item.Value.InUse() {
			err = minato.Errorf(minato.InUse, "Network interface '%s' is currently in use.", id).Because("InvalidParameterValue")
		}
		if err != nil {
			return nil, err
		}
		return s.giveInterface(ctx, c.Scope, id)
	})
}

// InUse is whether the interface belongs to an instance or a service.
func (n Interface) InUse() bool { return n.InstanceID != "" || n.RequesterID != "" }

// RequesterManaged is whether the service that made the interface is the only one to change it. EKS lets others change its own.
func (n Interface) RequesterManaged() bool { return n.RequesterID != "" && n.ClusterID == "" }

// AttachmentOwner is the account of the instance that the interface is attached to.
func (n Interface) AttachmentOwner() string {
	if n.ClusterID != "" {
		return ImageOwner
	}
	return n.Scope.Account
}

// AssignAddresses gives an interface that no instance has more addresses: those named, or so many.
func (s *Service) AssignAddresses(ctx context.Context, c Caller, id string, addresses []netip.Addr, count int) (assigned []netip.Addr, err error) {
	err = s.changeAddresses(ctx, c, "ec2:AssignPrivateIpAddresses", id, func(nic *Interface, subnet *Subnet) error {
		if (len(addresses) > 0) == (count > 0) || count < 0 {
			return minato.Errorf(minato.Invalid, "Want addresses or a count of them, and not both").Because("InvalidParameterCombination")
		}
		if n := len(nic.Addresses) + len(addresses) + count; n > maxInterfaceAddresses {
			return tooManyAddresses(n)
		}
		assigned = addresses
		for _, a := range addresses {
			if err := subnet.claim(a); err != nil {
				return err
			}
		}
		if count > 0 {
			if assigned, err = subnet.take(count); err != nil {
				return err
			}
		}
		nic.Addresses = append(nic.Addresses, assigned...)
		return nil
	})
	return assigned, err
}

// UnassignAddresses takes secondary addresses from an interface that no instance has.
func (s *Service) UnassignAddresses(ctx context.Context, c Caller, id string, addresses []netip.Addr) error {
	return s.changeAddresses(ctx, c, "ec2:UnassignPrivateIpAddresses", id, func(nic *Interface, subnet *Subnet) error {
		for _, a := range addresses {
			i := slices.Index(nic.Addresses, a)
			if i < 0 {
				return invalid("Some of the specified addresses are not assigned to interface %s: %s", id, a)
			}
			if i == 0 {
				return invalid("%s is the primary address of interface %s and cannot be unassigned", a, id)
			}
			nic.Addresses = slices.Delete(nic.Addresses, i, i+1)
		}
		subnet.give(addresses)
		return nil
	})
}

func (s *Service) changeAddresses(ctx context.Context, c Caller, action, id string, change func(*Interface, *Subnet) error) error {
	if _, err := find(ctx, s, c, action, &interfaceKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		nic, err := need(ctx, s, &interfaceKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		if nic.Value.InUse() {
			return nil, unsupported("Interface %s belongs to an instance or a service: a node has all addresses of its type from the beginning, and keeps them", id)
		}
		subnet, err := need(ctx, s, &subnetKind, c.Scope, nic.Value.SubnetID)
		if err == nil {
			err = change(&nic.Value, &subnet.Value)
		}
		return []store.Op{s.interfaces().UpdateOp(nic), s.subnets().UpdateOp(subnet)}, err
	})
}

// InterfaceAttributes are what ModifyNetworkInterfaceAttribute changes; nil leaves an attribute as it is.
type InterfaceAttributes struct {
	Description    *string
	SecurityGroups []string
}

// ModifyInterface changes attributes of a network interface. Its security groups are those of its instance too.
func (s *Service) ModifyInterface(ctx context.Context, c Caller, id string, a InterfaceAttributes) error {
	var groups []target
	for _, g := range a.SecurityGroups {
		groups = append(groups, s.groupTarget(ctx, c.Scope, g))
	}
	if _, err := find(ctx, s, c, "ec2:ModifyNetworkInterfaceAttribute", &interfaceKind, id, groups...); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		nic, err := need(ctx, s, &interfaceKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		if nic.Value.RequesterManaged() {
			return nil, minato.Errorf(minato.WrongState, "You do not have permission to access the specified resource.").Because("AuthFailure")
		}
		if a.Description != nil {
			nic.Value.Description = *a.Description
		}
		if len(a.SecurityGroups) == 0 {
			return []store.Op{s.interfaces().UpdateOp(nic)}, nil
		}
		if nic.Value.SecurityGroups, err = s.groupsIn(ctx, c.Scope, nic.Value.VPCID, a.SecurityGroups); err != nil {
			return nil, err
		}
		ops := append(s.groupsExist(c.Scope, a.SecurityGroups), s.joinOp(c.Scope, nic.Value.VPCID), s.interfaces().UpdateOp(nic))
		if nic.Value.InstanceID == "" {
			return ops, nil
		}
		i, err := need(ctx, s, &instanceKind, c.Scope, nic.Value.InstanceID)
		i.Value.SecurityGroups = a.SecurityGroups
		return append(ops, s.instances().UpdateOp(i)), err
	})
}

// InterfaceView is a network interface as it is described.
type InterfaceView struct {
	Interface
	GroupNames map[string]string // of its security groups, by id
	Public     *ElasticIP        // the address that it has; nil for none
	ZoneID     string
}

// DescribeInterfaces lists the network interfaces of the caller's account and region.
func (s *Service) DescribeInterfaces(ctx context.Context, c Caller, d Describe) (Page[InterfaceView], error) {
	return describe(ctx, s, c, "ec2:DescribeNetworkInterfaces", d, &interfaceViewKind, func() ([]InterfaceView, error) {
		all, err := list(ctx, s, s.interfaces(), c.Scope)
		if err != nil {
			return nil, err
		}
		return s.viewInterfaces(ctx, c.Scope, all)
	})
}

// ViewInterface is a network interface that has just been made, as it is described.
func (s *Service) ViewInterface(ctx context.Context, n Interface) (InterfaceView, error) {
	views, err := s.viewInterfaces(ctx, n.Scope, []Interface{n})
	if err != nil {
		return InterfaceView{}, err
	}
	return views[0], nil
}

func (s *Service) viewInterfaces(ctx context.Context, scope minato.Scope, all []Interface) ([]InterfaceView, error) {
	groups, err := list(ctx, s, s.securityGroups(), scope)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	addresses, err := list(ctx, s, s.elasticIPs(), scope)
	if err != nil {
		return nil, err
	}
	views := make([]InterfaceView, len(all))
	for i, n := range all {
		views[i] = InterfaceView{Interface: n, GroupNames: names}
		for k := range addresses {
			if addresses[k].InterfaceID == n.ID {
				views[i].Public = &addresses[k]
			}
		}
		for _, z := range Zones(scope.Region) {
			if z.Name == n.Zone {
				views[i].ZoneID = z.ID
			}
		}
	}
	return views, nil
}
