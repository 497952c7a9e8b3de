package ec2

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// ElasticIP is an address that an account holds. It is one of those set aside for measuring networks (RFC 2544), and nobody
// can reach it: Minato has no public addresses to give.
type ElasticIP struct {
	Scope    minato.Scope `json:"scope"`
	ID       string       `json:"id"` // "eipalloc-0…"
	PublicIP netip.Addr   `json:"publicIp"`
	// What follows is of the NAT gateway that has it.
	AssociationID string      `json:"associationId,omitempty"`
	InterfaceID   string      `json:"interfaceId,omitempty"`
	PrivateIP     netip.Addr  `json:"privateIp,omitzero"`
	Tags          minato.Tags `json:"tags,omitempty"`
}

// Where they lie, and which address belongs to which: + address.
const (
	elasticIPsPrefix   = "/minato/ec2/elastic-ips/"
	takenPublicAddress = "/minato/ec2/public-addresses/"
)

// ElasticIPs is the collection of elastic addresses.
func ElasticIPs(s store.Store) *store.Collection[ElasticIP] {
	return store.NewCollection[ElasticIP](s, elasticIPsPrefix)
}

func (s *Service) elasticIPs() *store.Collection[ElasticIP] { return ElasticIPs(s.Store) }

// publicAddresses hold the allocation that has an address, of all accounts.
func (s *Service) publicAddresses() *store.Collection[string] {
	return store.NewCollection[string](s.Store, takenPublicAddress)
}

// AllocateAddress gives an account an address.
func (s *Service) AllocateAddress(ctx context.Context, c Caller, tags minato.Tags) (ElasticIP, error) {
	a := ElasticIP{Scope: c.Scope, ID: newID("eipalloc"), Tags: tags}
	if err := s.allowCreate(ctx, c, "ec2:AllocateAddress", elasticIPKind.resource, tags); err != nil {
		return a, err
	}
	return a, s.commit(ctx, func() ([]store.Op, error) { // again with another, if this one is taken
		a.PublicIP = randomPublicAddress()
		return []store.Op{
			s.publicAddresses().CreateOp(a.PublicIP.String(), a.ID), s.elasticIPs().CreateOp(recordID(c.Scope, a.ID), a),
		}, nil
	})
}

func randomPublicAddress() netip.Addr {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return netip.AddrFrom4([4]byte{198, 18 + b[0]&1, b[1], b[2]})
}

// ReleaseAddress takes an address back that nothing uses. It is named by its allocation, or itself.
func (s *Service) ReleaseAddress(ctx context.Context, c Caller, id, publicIP string) error {
	if id == "" && publicIP != "" {
		all, err := list(ctx, s, s.elasticIPs(), c.Scope)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(a ElasticIP) bool { return a.PublicIP.String() == publicIP })
		if i < 0 {
			return minato.Errorf(minato.NotFound, "Address '%s' not found.", publicIP).Because("InvalidAddress.NotFound")
		}
		id = all[i].ID
	}
	if _, err := find(ctx, s, c, "ec2:ReleaseAddress", &elasticIPKind, id); err != nil {
		return err
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, &elasticIPKind, c.Scope, id)
		if err == nil && item.Value.AssociationID != "" {
			err = minato.Errorf(minato.InUse, "Address %s is in use.", item.Value.PublicIP).Because("InvalidIPAddress.InUse")
		}
		taken := store.Delete(s.publicAddresses().Key(item.Value.PublicIP.String()), store.AnyRevision)
		return []store.Op{s.elasticIPs().DeleteOp(item), taken}, err
	})
}

// DescribeAddresses lists the addresses that the caller's account holds in the region. Addresses themselves work like ids.
func (s *Service) DescribeAddresses(ctx context.Context, c Caller, d Describe, publicIPs []string) (Page[ElasticIP], error) {
	return s.describeAddresses(ctx, c, "ec2:DescribeAddresses", d, publicIPs)
}

// DescribeAddressesAttribute lists addresses for whoever wants to know their domain names. There are none.
func (s *Service) DescribeAddressesAttribute(ctx context.Context, c Caller, d Describe) (Page[ElasticIP], error) {
	return s.describeAddresses(ctx, c, "ec2:DescribeAddressesAttribute", d, nil)
}

func (s *Service) describeAddresses(ctx context.Context, c Caller, action string, d Describe, publicIPs []string) (Page[ElasticIP], error) {
	return describe(ctx, s, c, action, d, &elasticIPKind, func() ([]ElasticIP, error) {
		all, err := list(ctx, s, s.elasticIPs(), c.Scope)
		if err != nil || len(publicIPs) == 0 {
			return all, err
		}
		for _, ip := range publicIPs {
			if !slices.ContainsFunc(all, func(a ElasticIP) bool { return a.PublicIP.String() == ip }) {
				return nil, minato.Errorf(minato.NotFound, "Address '%s' not found.", ip).Because("InvalidAddress.NotFound")
			}
		}
		return slices.DeleteFunc(all, func(a ElasticIP) bool { return !slices.Contains(publicIPs, a.PublicIP.String()) }), nil
	})
}

// associateOp puts an address to an interface, or takes it away where there is none.
func (s *Service) associateOp(ctx context.Context, scope minato.Scope, id string, nic *Interface) (store.Op, ElasticIP, error) {
	item, err := need(ctx, s, &elasticIPKind, scope, id)
	if err != nil {
		return store.Op{}, ElasticIP{}, err
	}
	a := &item.Value
	switch {
	case nic == nil:
		a.AssociationID, a.InterfaceID, a.PrivateIP = "", "", netip.Addr{}
	case a.AssociationID != "":
		return store.Op{}, *a, minato.Errorf(minato.InUse, "resource %s is already associated with %s", id, a.AssociationID).Because("Resource.AlreadyAssociated")
	default:
		a.AssociationID, a.InterfaceID, a.PrivateIP = newID("eipassoc"), nic.ID, nic.Addresses[0]
	}
	return s.elasticIPs().UpdateOp(item), *a, nil
}

// DisassociateAddress refuses to take an address from what has it, which is a NAT gateway and keeps it. Clients ask, to be told
// that an association has gone with its gateway.
func (s *Service) DisassociateAddress(ctx context.Context, c Caller, associationID string) error {
	if associationID == "" {
		return missingParameter("AssociationId")
	}
	all, err := list(ctx, s, s.elasticIPs(), c.Scope)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a ElasticIP) bool { return a.AssociationID == associationID })
	of := target{arn: resourceARN(c.Scope, elasticIPKind.resource, "*")}
	if i >= 0 {
		of = elasticIPKind.target(c.Scope, all[i])
	}
	if err := s.allow(ctx, c, "ec2:DisassociateAddress", of); err != nil {
		return err
	}
	if i < 0 {
		return noAssociation(associationID)
	}
	return minato.Errorf(minato.WrongState, "Address %s belongs to the NAT gateway with interface %s for as long as there is one", all[i].PublicIP, all[i].InterfaceID).
		Because("OperationNotPermitted")
}
