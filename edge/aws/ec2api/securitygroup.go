package ec2api

import (
	"context"
	"net/netip"

	"minato.dev/minato/service/ec2"
)

type describeSecurityGroupsInput struct {
	describeInput
	GroupID   []string `query:"GroupId"`
	GroupName []string
}

type describeSecurityGroupsOutput struct {
	Groups    []securityGroup `query:"securityGroupInfo"`
	NextToken string          `query:"nextToken"`
}

type securityGroup struct {
	GroupID     string       `query:"groupId"`
	ARN         string       `query:"securityGroupArn"`
	GroupName   string       `query:"groupName"`
	Description string       `query:"groupDescription"`
	VpcID       string       `query:"vpcId"`
	OwnerID     string       `query:"ownerId"`
	Ingress     []permission `query:"ipPermissions"`
	Egress      []permission `query:"ipPermissionsEgress"`
	Tags        []tag        `query:"tagSet"`
}

type permission struct {
	Protocol    string      `query:"ipProtocol"`
	Groups      []groupPair `query:"groups"`
	IPRanges    []ipRange   `query:"ipRanges"`
	IPv6Ranges  []struct{}  `query:"ipv6Ranges"`
	PrefixLists []struct{}  `query:"prefixListIds"`
}

type groupPair struct {
	UserID  string `query:"userId"`
	GroupID string `query:"groupId"`
}

type ipRange struct {
	CIDR string `query:"cidrIp"`
}

func (h handlers) describeSecurityGroups(ctx context.Context, in *describeSecurityGroupsInput) (*describeSecurityGroupsOutput, error) {
	page, err := h.service.DescribeSecurityGroups(ctx, caller(ctx), in.asked(in.GroupID), in.GroupName)
	if err != nil {
		return nil, err
	}
	return &describeSecurityGroupsOutput{Groups: each(page.Items, newSecurityGroup), NextToken: page.NextToken}, nil
}

func newSecurityGroup(g ec2.SecurityGroup) securityGroup {
	permissions := func(rules []ec2.Rule) []permission {
		return each(rules, func(r ec2.Rule) permission {
			return permission{
				Protocol:   ec2.AllProtocols,
				Groups:     each(r.Groups, func(id string) groupPair { return groupPair{g.Scope.Account, id} }),
				IPRanges:   each(r.CIDRs, func(c netip.Prefix) ipRange { return ipRange{c.String()} }),
				IPv6Ranges: []struct{}{}, PrefixLists: []struct{}{},
			}
		})
	}
	return securityGroup{
		GroupID: g.ID, ARN: g.ARN().String(), GroupName: g.Name, Description: g.Description, VpcID: g.VPCID, OwnerID: g.Scope.Account,
		Ingress: permissions(g.Ingress), Egress: permissions(g.Egress), Tags: newTags(g.Tags),
	}
}
