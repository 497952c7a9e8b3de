package ec2

import (
	"cmp"
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// clusterInterfaceCount is how many network interfaces a control plane has, each in another zone. EKS makes two to four.
const clusterInterfaceCount = 2

// ClusterInterfaces are the network interfaces that a cluster's control plane has in its VPC ("Amazon EKS User Guide", View Amazon EKS
// networking requirements for VPC and subnets).
type ClusterInterfaces struct {
	ClusterID      string
	ClusterName    string
	Role           minato.ARN // who makes them
	Subnets        []string   // where they may be
	SecurityGroups []string
}

// clusterNetwork is the record of a cluster's interfaces, and of what they were made for. What their owner changes on them since stays
// until the cluster asks for something else, as on EKS.
type clusterNetwork struct {
	Interfaces     []string `json:"interfaces"`
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups"`
}

// clusterNetworksPrefix + account/region/id of the cluster.
const clusterNetworksPrefix = "/minato/ec2/cluster-networks/"

func (s *Service) clusterNetworks() *store.Collection[clusterNetwork] {
	return store.NewCollection[clusterNetwork](s.Store, clusterNetworksPrefix)
}

func (n clusterNetwork) madeFor(want ClusterInterfaces) bool {
	return slices.Equal(n.Subnets, want.Subnets) && slices.Equal(n.SecurityGroups, want.SecurityGroups)
}

// EnsureClusterInterfaces gives a cluster's control plane its interfaces, or moves them to where the cluster wants them now. Those in
// subnets that it still has stay. The error is of kind NotFound or LimitExceeded where subnets or groups are gone, or have no address left;
// then nothing has changed.
func (s *Service) EnsureClusterInterfaces(ctx context.Context, scope minato.Scope, want ClusterInterfaces) error {
	return s.commit(ctx, func() ([]store.Op, error) {
		record, made, err := get(ctx, s.clusterNetworks(), scope, want.ClusterID)
		if err != nil || made && record.Value.madeFor(want) {
			return nil, err
		}
		m := interfaceMove{s: s, scope: scope, want: want, subnets: map[string]*store.Item[Subnet]{}}
		if err := m.keep(ctx, record.Value.Interfaces); err != nil {
			return nil, err
		}
		if err := m.fill(ctx); err != nil {
			return nil, err
		}
		record.ID = recordID(scope, want.ClusterID)
		record.Value = clusterNetwork{Interfaces: m.interfaces, Subnets: want.Subnets, SecurityGroups: want.SecurityGroups}
		write := s.clusterNetworks().CreateOp(record.ID, record.Value)
		if made {
			write = s.clusterNetworks().UpdateOp(record)
		}
		return append(m.finish(), write), nil
	})
}

// RemoveClusterInterfaces removes the interfaces of a cluster's control plane. There may be none.
func (s *Service) RemoveClusterInterfaces(ctx context.Context, scope minato.Scope, clusterID string) error {
	return s.commit(ctx, func() ([]store.Op, error) {
		record, made, err := get(ctx, s.clusterNetworks(), scope, clusterID)
		if err != nil || !made {
			return nil, err
		}
		m := interfaceMove{s: s, scope: scope, subnets: map[string]*store.Item[Subnet]{}} // wants none
		if err := m.keep(ctx, record.Value.Interfaces); err != nil {
			return nil, err
		}
		return append(m.finish(), s.clusterNetworks().DeleteOp(record)), nil
	})
}

// interfaceMove is one change of a cluster's interfaces, gathered for one commit.
type interfaceMove struct {
	s          *Service
	scope      minato.Scope
	want       ClusterInterfaces
	interfaces []string // those that the cluster has afterwards
	zones      []string // that they are in
	subnets    map[string]*store.Item[Subnet]
	changed    []string // subnets
	ops        []store.Op
}

// keep keeps those interfaces that are in subnets that are still wanted, and takes the others away.
func (m *interfaceMove) keep(ctx context.Context, ids []string) error {
	for _, id := range ids {
		nic, ok, err := get(ctx, m.s.interfaces(), m.scope, id)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if slices.Contains(m.want.Subnets, nic.Value.SubnetID) {
			nic.Value.SecurityGroups = m.want.SecurityGroups
			m.ops = append(m.ops, m.s.interfaces().UpdateOp(nic))
			m.interfaces, m.zones = append(m.interfaces, id), append(m.zones, nic.Value.Zone)
			continue
		}
		subnet, err := m.subnet(ctx, nic.Value.SubnetID)
		if err != nil {
			return err
		}
		m.ops = append(m.ops, m.s.interfaces().DeleteOp(nic))
		if subnet != nil {
			subnet.Value.give(nic.Value.Addresses)
			m.changed = append(m.changed, subnet.Value.ID)
		}
	}
	return nil
}

// fill makes the interfaces that are missing, in the first wanted subnets of other zones that have an address.
func (m *interfaceMove) fill(ctx context.Context) error {
	vpcID, groups := "", m.want.SecurityGroups
	var short error
	for _, id := range m.want.Subnets {
		subnet, err := m.subnet(ctx, id)
		if err != nil {
			return err
		}
		if subnet == nil {
			short = cmp.Or(short, subnetKind.missing(id))
			continue
		}
		vpcID = subnet.Value.VPCID
		if len(m.interfaces) >= clusterInterfaceCount || slices.Contains(m.zones, subnet.Value.Zone) {
			continue
		}
		nic := m.newInterface(ctx, subnet.Value)
		if nic.Addresses, err = subnet.Value.take(1); err != nil {
			short = cmp.Or(short, err)
			continue
		}
		m.ops = append(m.ops, m.s.interfaces().CreateOp(recordID(m.scope, nic.ID), nic))
		m.changed = append(m.changed, id)
		m.interfaces, m.zones = append(m.interfaces, nic.ID), append(m.zones, nic.Zone)
	}
	if len(m.interfaces) < clusterInterfaceCount && short != nil {
		return short
	}
	if _, err := m.s.groupsIn(ctx, m.scope, vpcID, groups); err != nil {
		return err
	}
	m.ops = append(append(m.ops, m.s.groupsExist(m.scope, groups)...), m.s.joinOp(m.scope, vpcID))
	return nil
}

// requesterName is what EKS calls the session of the role in which it makes interfaces.
const requesterName = "AmazonEKS"

func (m *interfaceMove) newInterface(ctx context.Context, n Subnet) Interface {
	requester := requesterName
	if role, err := m.s.Role(ctx, m.want.Role.Account, m.want.Role.ResourceName()); err == nil {
		requester = role.ID + ":" + requesterName
	}
	return Interface{
		Scope: m.scope, ID: newID("eni"), VPCID: n.VPCID, SubnetID: n.ID, Zone: n.Zone, MAC: newMAC(), ClusterID: m.want.ClusterID,
		Description: "Amazon EKS " + m.want.ClusterName, RequesterID: requester, SecurityGroups: m.want.SecurityGroups,
		AttachmentID: newID("eni-attach"), AttachedAt: m.s.Now().UTC(), DeviceIndex: 1, DeleteOnTermination: true,
	}
}

// subnet is a subnet as it will be written; nil for one that is not there.
func (m *interfaceMove) subnet(ctx context.Context, id string) (*store.Item[Subnet], error) {
	if known, ok := m.subnets[id]; ok {
		return known, nil
	}
	item, ok, err := get(ctx, m.s.subnets(), m.scope, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		m.subnets[id] = nil
		return nil, nil
	}
	m.subnets[id] = &item
	return &item, nil
}

// finish gives all ops: one for each record.
func (m *interfaceMove) finish() []store.Op {
	slices.Sort(m.changed)
	for _, id := range slices.Compact(m.changed) {
		m.ops = append(m.ops, m.s.subnets().UpdateOp(*m.subnets[id]))
	}
	return m.ops
}
