package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

func (h *handlers) createAccessEntry(ctx context.Context, in *awseks.CreateAccessEntryInput) (*awseks.CreateAccessEntryOutput, error) {
	cluster, entry, err := h.service.CreateAccessEntry(ctx, callerOn(ctx, value(in.ClusterName)), eks.CreateAccessEntryRequest{
		ClusterName:        value(in.ClusterName),
		PrincipalARN:       value(in.PrincipalArn),
		Type:               value(in.Type),
		Username:           value(in.Username),
		Groups:             in.KubernetesGroups,
		Tags:               in.Tags,
		ClientRequestToken: value(in.ClientRequestToken),
	})
	if err != nil {
		return nil, err
	}
	return &awseks.CreateAccessEntryOutput{AccessEntry: entryOut(&cluster, &entry)}, nil
}

func (h *handlers) describeAccessEntry(ctx context.Context, in *awseks.DescribeAccessEntryInput) (*awseks.DescribeAccessEntryOutput, error) {
	cluster, entry, err := h.service.DescribeAccessEntry(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.PrincipalArn))
	if err != nil {
		return nil, err
	}
	return &awseks.DescribeAccessEntryOutput{AccessEntry: entryOut(&cluster, &entry)}, nil
}

func (h *handlers) updateAccessEntry(ctx context.Context, in *awseks.UpdateAccessEntryInput) (*awseks.UpdateAccessEntryOutput, error) {
	cluster, entry, err := h.service.UpdateAccessEntry(ctx, callerOn(ctx, value(in.ClusterName)), eks.UpdateAccessEntryRequest{
		ClusterName:  value(in.ClusterName),
		PrincipalARN: value(in.PrincipalArn),
		Username:     in.Username,
		Groups:       in.KubernetesGroups,
	})
	if err != nil {
		return nil, err
	}
	return &awseks.UpdateAccessEntryOutput{AccessEntry: entryOut(&cluster, &entry)}, nil
}

func (h *handlers) deleteAccessEntry(ctx context.Context, in *awseks.DeleteAccessEntryInput) (*awseks.DeleteAccessEntryOutput, error) {
	err := h.service.DeleteAccessEntry(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.PrincipalArn))
	return &awseks.DeleteAccessEntryOutput{}, err
}

func (h *handlers) listAccessEntries(ctx context.Context, in *awseks.ListAccessEntriesInput) (*awseks.ListAccessEntriesOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.ListAccessEntries(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.AssociatedPolicyArn), page)
	if err != nil {
		return nil, err
	}
	principals := []string{}
	for _, arn := range list.Principals {
		principals = append(principals, arn.String())
	}
	return &awseks.ListAccessEntriesOutput{AccessEntries: principals, NextToken: present(list.NextToken)}, nil
}

func (h *handlers) associateAccessPolicy(ctx context.Context, in *awseks.AssociateAccessPolicyInput) (*awseks.AssociateAccessPolicyOutput, error) {
	r := eks.AssociateAccessPolicyRequest{
		ClusterName:  value(in.ClusterName),
		PrincipalARN: value(in.PrincipalArn),
		PolicyARN:    value(in.PolicyArn),
	}
	if scope := in.AccessScope; scope != nil {
		r.ScopeType, r.Namespaces = string(scope.Type), scope.Namespaces
	}
	entry, policy, err := h.service.AssociateAccessPolicy(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.AssociateAccessPolicyOutput{
		ClusterName:            &r.ClusterName,
		PrincipalArn:           new(entry.PrincipalARN.String()),
		AssociatedAccessPolicy: new(associatedOut(policy)),
	}, nil
}

func (h *handlers) disassociateAccessPolicy(ctx context.Context, in *awseks.DisassociateAccessPolicyInput) (*awseks.DisassociateAccessPolicyOutput, error) {
	err := h.service.DisassociateAccessPolicy(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.PrincipalArn), value(in.PolicyArn))
	return &awseks.DisassociateAccessPolicyOutput{}, err
}

func (h *handlers) listAssociatedAccessPolicies(ctx context.Context, in *awseks.ListAssociatedAccessPoliciesInput) (*awseks.ListAssociatedAccessPoliciesOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.ListAssociatedAccessPolicies(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.PrincipalArn), page)
	if err != nil {
		return nil, err
	}
	policies := []ekstypes.AssociatedAccessPolicy{}
	for _, p := range list.Policies {
		policies = append(policies, associatedOut(p))
	}
	return &awseks.ListAssociatedAccessPoliciesOutput{
		ClusterName:              in.ClusterName,
		PrincipalArn:             new(list.Entry.PrincipalARN.String()),
		AssociatedAccessPolicies: policies,
		NextToken:                present(list.NextToken),
	}, nil
}

func (h *handlers) listAccessPolicies(ctx context.Context, in *awseks.ListAccessPoliciesInput) (*awseks.ListAccessPoliciesOutput, error) {
	list, err := h.service.ListAccessPolicies(ctx, caller(ctx), eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)})
	if err != nil {
		return nil, err
	}
	policies := []ekstypes.AccessPolicy{}
	for _, p := range list.Policies {
		policies = append(policies, ekstypes.AccessPolicy{Name: &p.Name, Arn: new(p.ARN.String())})
	}
	return &awseks.ListAccessPoliciesOutput{AccessPolicies: policies, NextToken: present(list.NextToken)}, nil
}

func entryOut(c *eks.Cluster, e *eks.AccessEntry) *ekstypes.AccessEntry {
	return &ekstypes.AccessEntry{
		ClusterName:      &c.Name,
		PrincipalArn:     new(e.PrincipalARN.String()),
		AccessEntryArn:   new(e.ARN(c).String()),
		KubernetesGroups: append([]string{}, e.Groups...),
		CreatedAt:        &e.CreatedAt,
		ModifiedAt:       &e.ModifiedAt,
		Tags:             tagsOut(e.Tags),
		Username:         &e.Username,
		Type:             &e.Type,
	}
}

func associatedOut(p eks.AssociatedPolicy) ekstypes.AssociatedAccessPolicy {
	return ekstypes.AssociatedAccessPolicy{
		PolicyArn:    new(p.PolicyARN.String()),
		AccessScope:  &ekstypes.AccessScope{Type: ekstypes.AccessScopeType(p.ScopeType), Namespaces: append([]string{}, p.Namespaces...)},
		AssociatedAt: &p.AssociatedAt,
		ModifiedAt:   &p.ModifiedAt,
	}
}
