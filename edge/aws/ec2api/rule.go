package ec2api

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
)

// permissionInput is traffic with all who may have it.
type permissionInput struct {
	IPProtocol string `query:"IpProtocol"`
	FromPort   *int32
	ToPort     *int32
	Groups     []struct {
		Description string
		GroupID     string `query:"GroupId"`
		GroupName   string
		UserID      string `query:"UserId"`
	}
	IPRanges []struct {
		Description string
		CIDRIP      string `query:"CidrIp"`
	} `query:"IpRanges"`
	IPv6Ranges []struct {
		Description string
		CIDRIPv6    string `query:"CidrIpv6"`
	} `query:"Ipv6Ranges"`
	PrefixListIDs []struct {
		PrefixListID string `query:"PrefixListId"`
	} `query:"PrefixListIds"`
}

// rulesInput is what operations on rules take: rules as they are, in one form or the other.
type rulesInput struct {
	groupInput
	IPPermissions           []permissionInput `query:"IpPermissions"`
	IPProtocol              string            `query:"IpProtocol"`
	FromPort                *int32
	ToPort                  *int32
	CIDRIP                  string `query:"CidrIp"`
	SourceSecurityGroupName string
}

func (in rulesInput) specs(ctx context.Context) ([]ec2.RuleSpec, error) {
	var specs []ec2.RuleSpec
	if in.IPProtocol+in.CIDRIP+in.SourceSecurityGroupName != "" {
		spec := ec2.RuleSpec{Protocol: in.IPProtocol, FromPort: in.FromPort, ToPort: in.ToPort, CIDR: in.CIDRIP, Group: ec2.GroupName{Name: in.SourceSecurityGroupName}}
		if spec.Protocol == "" {
			spec.Protocol = ec2.AllProtocols
		}
		specs = append(specs, spec)
	}
	account := caller(ctx).Scope.Account
	for _, p := range in.IPPermissions {
		one := ec2.RuleSpec{Protocol: p.IPProtocol, FromPort: p.FromPort, ToPort: p.ToPort}
		if len(p.PrefixListIDs) > 0 {
			return nil, minato.Errorf(minato.NotFound, "The prefix list ID '%s' does not exist", p.PrefixListIDs[0].PrefixListID).Because("InvalidPrefixListID.NotFound")
		}
		if len(p.Groups)+len(p.IPRanges)+len(p.IPv6Ranges) == 0 {
			specs = append(specs, one) // which says what is missing
		}
		for _, g := range p.Groups {
			if g.UserID != "" && g.UserID != account {
				return nil, minato.Errorf(minato.NotFound, "The security group '%s' does not exist", g.GroupID+g.GroupName).Because("InvalidGroup.NotFound")
			}
			spec := one
			spec.Group, spec.Description = ec2.GroupName{ID: g.GroupID, Name: g.GroupName}, g.Description
			specs = append(specs, spec)
		}
		for _, r := range p.IPRanges {
			spec := one
			spec.CIDR, spec.Description = r.CIDRIP, r.Description
			specs = append(specs, spec)
		}
		for _, r := range p.IPv6Ranges {
			spec := one
			spec.CIDR, spec.Description = r.CIDRIPv6, r.Description
			specs = append(specs, spec)
		}
	}
	return specs, nil
}

type authorizeInput struct {
	rulesInput
	TagSpecification []tagSpecification
}

type authorizeOutput struct {
	Return bool           `query:"return"`
	Rules  []securityRule `query:"securityGroupRuleSet"`
}

type securityRule struct {
	ID          string         `query:"securityGroupRuleId"`
	ARN         string         `query:"securityGroupRuleArn"`
	GroupID     string         `query:"groupId"`
	OwnerID     string         `query:"groupOwnerId"`
	Egress      bool           `query:"isEgress"`
	Protocol    string         `query:"ipProtocol"`
	FromPort    int32          `query:"fromPort"`
	ToPort      int32          `query:"toPort"`
	CIDRIPv4    string         `query:"cidrIpv4"`
	CIDRIPv6    string         `query:"cidrIpv6"`
	Referenced  *referredGroup `query:"referencedGroupInfo"`
	Description string         `query:"description"`
	Tags        []tag          `query:"tagSet"`
}

type referredGroup struct {
	GroupID string `query:"groupId"`
	UserID  string `query:"userId"`
}

func newSecurityRule(r ec2.RuleView) securityRule {
	out := securityRule{
		ID: r.ID, ARN: minato.NewARN("ec2", string(r.Scope.Region), r.Scope.Account, "security-group-rule/"+r.ID).String(),
		GroupID: r.GroupID, OwnerID: r.Scope.Account, Egress: r.Direction == ec2.Egress, Protocol: r.ProtocolName(),
		FromPort: -1, ToPort: -1, Description: r.Description, Tags: newTags(r.Tags),
	}
	if from, to := ports(r.Rule); from != nil {
		out.FromPort, out.ToPort = *from, *to
	}
	for _, c := range r.CIDRs {
		if c.Addr().Is4() {
			out.CIDRIPv4 = c.String()
		} else {
			out.CIDRIPv6 = c.String()
		}
	}
	for _, id := range r.Groups {
		out.Referenced = &referredGroup{id, r.Scope.Account}
	}
	return out
}

func (h handlers) authorize(d ec2.Direction) func(context.Context, *authorizeInput) (*authorizeOutput, error) {
	return func(ctx context.Context, in *authorizeInput) (*authorizeOutput, error) {
		specs, err := in.specs(ctx)
		if err != nil {
			return nil, err
		}
		tags, err := newTagsFor(in.TagSpecification, "security-group-rule")
		if err != nil {
			return nil, err
		}
		rules, err := h.service.AuthorizeRules(ctx, in.caller(ctx), in.name(), d, specs, tags)
		return &authorizeOutput{true, each(rules, newSecurityRule)}, err
	}
}

type revokeInput struct {
	rulesInput
	SecurityGroupRuleID []string `query:"SecurityGroupRuleId"`
}

type revokeOutput struct {
	Return  bool          `query:"return"`
	Revoked []revokedRule `query:"revokedSecurityGroupRuleSet"`
}

type revokedRule struct {
	ID           string `query:"securityGroupRuleId"`
	GroupID      string `query:"groupId"`
	Egress       bool   `query:"isEgress"`
	Protocol     string `query:"ipProtocol"`
	FromPort     int32  `query:"fromPort"`
	ToPort       int32  `query:"toPort"`
	CIDRIPv4     string `query:"cidrIpv4"`
	CIDRIPv6     string `query:"cidrIpv6"`
	ReferencedID string `query:"referencedGroupId"`
	Description  string `query:"description"`
}

func newRevokedRule(v ec2.RuleView) revokedRule {
	r := newSecurityRule(v)
	out := revokedRule{r.ID, r.GroupID, r.Egress, r.Protocol, r.FromPort, r.ToPort, r.CIDRIPv4, r.CIDRIPv6, "", r.Description}
	if r.Referenced != nil {
		out.ReferencedID = r.Referenced.GroupID
	}
	return out
}

func (h handlers) revoke(d ec2.Direction) func(context.Context, *revokeInput) (*revokeOutput, error) {
	return func(ctx context.Context, in *revokeInput) (*revokeOutput, error) {
		specs, err := in.specs(ctx)
		if err != nil {
			return nil, err
		}
		rules, err := h.service.RevokeRules(ctx, in.caller(ctx), in.name(), d, in.SecurityGroupRuleID, specs)
		return &revokeOutput{true, each(rules, newRevokedRule)}, err
	}
}

type describeSecurityGroupRulesInput struct {
	describeInput
	SecurityGroupRuleID []string `query:"SecurityGroupRuleId"`
}

type describeSecurityGroupRulesOutput struct {
	Rules     []securityRule `query:"securityGroupRuleSet"`
	NextToken string         `query:"nextToken"`
}

func (h handlers) describeSecurityGroupRules(ctx context.Context, in *describeSecurityGroupRulesInput) (*describeSecurityGroupRulesOutput, error) {
	page, err := h.service.DescribeRules(ctx, caller(ctx), in.asked(in.SecurityGroupRuleID))
	if err != nil {
		return nil, err
	}
	return &describeSecurityGroupRulesOutput{each(page.Items, newSecurityRule), page.NextToken}, nil
}

type modifySecurityGroupRulesInput struct {
	groupInput
	SecurityGroupRule []struct {
		SecurityGroupRuleID string `query:"SecurityGroupRuleId"`
		SecurityGroupRule   struct {
			IPProtocol        string `query:"IpProtocol"`
			FromPort          *int32
			ToPort            *int32
			CIDRIPv4          string `query:"CidrIpv4"`
			CIDRIPv6          string `query:"CidrIpv6"`
			PrefixListID      string `query:"PrefixListId"`
			ReferencedGroupID string `query:"ReferencedGroupId"`
			Description       string
		}
	}
}

func (h handlers) modifySecurityGroupRules(ctx context.Context, in *modifySecurityGroupRulesInput) (*done, error) {
	var edits []ec2.RuleEdit
	for _, e := range in.SecurityGroupRule {
		r := e.SecurityGroupRule
		if r.CIDRIPv4 != "" && r.CIDRIPv6 != "" {
			return nil, minato.Errorf(minato.Invalid, "A rule has one peer: want CidrIpv4 or CidrIpv6, not both").Because("InvalidParameterCombination")
		}
		if r.PrefixListID != "" {
			return nil, minato.Errorf(minato.NotFound, "The prefix list ID '%s' does not exist", r.PrefixListID).Because("InvalidPrefixListID.NotFound")
		}
		edits = append(edits, ec2.RuleEdit{ID: e.SecurityGroupRuleID, Spec: ec2.RuleSpec{
			Protocol: r.IPProtocol, FromPort: r.FromPort, ToPort: r.ToPort, CIDR: r.CIDRIPv4 + r.CIDRIPv6,
			Group: ec2.GroupName{ID: r.ReferencedGroupID}, Description: r.Description,
		}})
	}
	return &done{true}, h.service.ModifyRules(ctx, in.caller(ctx), in.GroupID, edits)
}

type describeRulesAsInput struct {
	rulesInput
	SecurityGroupRuleDescription []struct {
		SecurityGroupRuleID string `query:"SecurityGroupRuleId"`
		Description         string
	}
}

func (h handlers) describeRulesAs(d ec2.Direction) func(context.Context, *describeRulesAsInput) (*done, error) {
	return func(ctx context.Context, in *describeRulesAsInput) (*done, error) {
		specs, err := in.specs(ctx)
		if err != nil {
			return nil, err
		}
		byID := map[string]string{}
		for _, r := range in.SecurityGroupRuleDescription {
			byID[r.SecurityGroupRuleID] = r.Description
		}
		return &done{true}, h.service.DescribeRulesAs(ctx, in.caller(ctx), in.name(), d, byID, specs)
	}
}
