package ec2_test

import (
	"testing"

	"minato.dev/minato/service/ec2"
)

func TestPublicSubnets(t *testing.T) {
	t.Parallel()
	s := start(t)
	subnets, err := s.DefaultSubnets(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.CreateRouteTable(t.Context(), caller, subnets[0].VPCID, nil)
	if err == nil {
		_, err = s.AssociateRouteTable(t.Context(), caller, private.ID, subnets[0].ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.PublicSubnets(t.Context(), scope, []ec2.Subnet{subnets[0], subnets[1]})
	if err != nil || public[subnets[0].ID] || !public[subnets[1].ID] {
		t.Errorf("%v, %v", public, err)
	}
}
