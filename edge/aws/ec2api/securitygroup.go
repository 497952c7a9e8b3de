package ec2api

import (
	"context"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) securityGroups() []query.Operation {
	return []query.Operation{
		query.Op("CreateSecurityGroup", h.createSecurityGroup),
		query.Op("DeleteSecurityGroup", h.deleteSecurityGroup),
		query.Op("DescribeSecurityGroups", h.describeSecurityGroups),
		query.Op("AuthorizeSecurityGroupEgress", h.authorize(ec2.Egress)),
		query.Op("AuthorizeSecurityGroupIngress", h.authorize(ec2.Ingress)),
		query.Op("DescribeSecurityGroupRules", h.describeSecurityGroupRules),
		query.Op("ModifySecurityGroupRules", h.modifySecurityGroupRules),
		query.Op("RevokeSecurityGroupEgress", h.revoke(ec2.Egress)),
		query.Op("RevokeSecurityGroupIngress", h.revoke(ec2.Ingress)),
		query.Op("UpdateSecurityGroupRuleDescriptionsEgress", h.describeRulesAs(ec2.Egress)),
		query.Op("UpdateSecurityGroupRuleDescriptionsIngress", h.describeRulesAs(ec2.Ingress)),
	}
}

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

// permission is what several rules for the same traffic allow.
type permission struct {
	Protocol    string      `query:"ipProtocol"`
	FromPort    *int32      `query:"fromPort"`
	ToPort      *int32      `query:"toPort"`
	Groups      []groupPair `query:"groups"`
	IPRanges    []ipRange   `query:"ipRanges"`
	IPv6Ranges  []ipv6Range `query:"ipv6Ranges"`
	PrefixLists []struct{}  `query:"prefixListIds"`
}

type groupPair struct {
	Description string `query:"description"`
	UserID      string `query:"userId"`
	GroupID     string `query:"groupId"`
}

type ipRange struct {
	CIDR        string `query:"cidrIp"`
	Description string `query:"description"`
}

type ipv6Range struct {
	CIDR        string `query:"cidrIpv6"`
	Description string `query:"description"`
}

func (h handlers) describeSecurityGroups(ctx context.Context, in *describeSecurityGroupsInput) (*describeSecurityGroupsOutput, error) {
	page, err := h.service.DescribeSecurityGroups(ctx, caller(ctx), in.asked(in.GroupID), in.GroupName)
	if err != nil {
		return nil, err
	}
	return &describeSecurityGroupsOutput{Groups: each(page.Items, newSecurityGroup), NextToken: page.NextToken}, nil
}

func newSecurityGroup(g ec2.SecurityGroup) securityGroup {
	return securityGroup{
		GroupID: g.ID, ARN: g.ARN().String(), GroupName: g.Name, Description: g.Description, VpcID: g.VPCID, OwnerID: g.Scope.Account,
		Ingress: newPermissions(g.Scope.Account, g.Ingress), Egress: newPermissions(g.Scope.Account, g.Egress), Tags: newTags(g.Tags),
	}
}

// newPermissions puts rules for the same traffic together, as EC2 does.
func newPermissions(account string, rules []ec2.Rule) []permission {
	type traffic struct {
		protocol string
		from, to int
	}
	at := map[traffic]int{}
	out := []permission{}
	for _, r := range rules {
		t := traffic{r.ProtocolName(), r.FromPort, r.ToPort}
		i, known := at[t]
		if !known {
			i = len(out)
			at[t] = i
			from, to := ports(r)
			out = append(out, permission{
				Protocol: t.protocol, FromPort: from, ToPort: to,
				Groups: []groupPair{}, IPRanges: []ipRange{}, IPv6Ranges: []ipv6Range{}, PrefixLists: []struct{}{},
			})
		}
		for _, id := range r.Groups {
			out[i].Groups = append(out[i].Groups, groupPair{r.Description, account, id})
		}
		for _, c := range r.CIDRs {
			if c.Addr().Is4() {
				out[i].IPRanges = append(out[i].IPRanges, ipRange{c.String(), r.Description})
			} else {
				out[i].IPv6Ranges = append(out[i].IPv6Ranges, ipv6Range{c.String(), r.Description})
			}
		}
	}
	return out
}

// ports are a rule's ports where they mean something.
func ports(r ec2.Rule) (from, to *int32) {
	if !r.HasPorts() {
		return nil, nil
	}
	f, t := int32(r.FromPort), int32(r.ToPort)
	return &f, &t
}

type createSecurityGroupInput struct {
	vpcInput
	GroupName        string
	GroupDescription string
	TagSpecification []tagSpecification
}

type createSecurityGroupOutput struct {
	GroupID string `query:"groupId"`
	ARN     string `query:"securityGroupArn"`
	Tags    []tag  `query:"tagSet"`
}

func (h handlers) createSecurityGroup(ctx context.Context, in *createSecurityGroupInput) (*createSecurityGroupOutput, error) {
	tags, err := newTagsFor(in.TagSpecification, "security-group")
	if err != nil {
		return nil, err
	}
	g, err := h.service.CreateSecurityGroup(ctx, in.caller(ctx), ec2.NewSecurityGroupIn{
		VPCID: in.VpcID, Name: in.GroupName, Description: in.GroupDescription, Tags: tags,
	})
	return &createSecurityGroupOutput{g.ID, g.ARN().String(), newTags(g.Tags)}, err
}

type groupInput struct {
	dryRun
	GroupID   string `query:"GroupId"`
	GroupName string
}

func (in groupInput) name() ec2.GroupName { return ec2.GroupName{ID: in.GroupID, Name: in.GroupName} }

type deleteSecurityGroupOutput struct {
	Return  bool   `query:"return"`
	GroupID string `query:"groupId"`
}

func (h handlers) deleteSecurityGroup(ctx context.Context, in *groupInput) (*deleteSecurityGroupOutput, error) {
	id, err := h.service.DeleteSecurityGroup(ctx, in.caller(ctx), in.name())
	return &deleteSecurityGroupOutput{true, id}, err
}
