package ec2api

import (
	"context"
	"maps"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
)

type describeVpcsInput struct {
	describeInput
	VpcID []string `query:"VpcId"`
}

type describeVpcsOutput struct {
	Vpcs      []vpc  `query:"vpcSet"`
	NextToken string `query:"nextToken"`
}

type vpc struct {
	VpcID           string            `query:"vpcId"`
	OwnerID         string            `query:"ownerId"`
	State           string            `query:"state"`
	CIDRBlock       string            `query:"cidrBlock"`
	Associations    []cidrAssociation `query:"cidrBlockAssociationSet"`
	DHCPOptionsID   string            `query:"dhcpOptionsId"`
	InstanceTenancy string            `query:"instanceTenancy"`
	IsDefault       bool              `query:"isDefault"`
	Tags            []tag             `query:"tagSet"`
}

type cidrAssociation struct {
	AssociationID string    `query:"associationId"`
	CIDRBlock     string    `query:"cidrBlock"`
	State         cidrState `query:"cidrBlockState"`
}

type cidrState struct {
	State string `query:"state"`
}

func (h handlers) describeVpcs(ctx context.Context, in *describeVpcsInput) (*describeVpcsOutput, error) {
	page, err := h.service.DescribeVPCs(ctx, caller(ctx), in.asked(in.VpcID))
	if err != nil {
		return nil, err
	}
	return &describeVpcsOutput{Vpcs: each(page.Items, newVpc), NextToken: page.NextToken}, nil
}

func newVpc(v ec2.VPC) vpc {
	return vpc{
		VpcID: v.ID, OwnerID: v.Scope.Account, State: "available", CIDRBlock: v.CIDR.String(),
		Associations:  []cidrAssociation{{v.AssociationID, v.CIDR.String(), cidrState{"associated"}}},
		DHCPOptionsID: v.DHCPOptionsID, InstanceTenancy: "default", IsDefault: v.IsDefault, Tags: newTags(v.Tags),
	}
}

// newTags are tags in the order of their keys.
func newTags(tags minato.Tags) []tag {
	return each(slices.Sorted(maps.Keys(tags)), func(key string) tag {
		value := tags[key]
		return tag{key, &value}
	})
}

// each converts a list; what comes out is never nil, so that an empty list is written as one.
func each[T, U any](list []T, convert func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}
