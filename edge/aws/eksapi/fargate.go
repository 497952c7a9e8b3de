package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/eks"
)

func (h *handlers) createFargateProfile(ctx context.Context, in *awseks.CreateFargateProfileInput) (*awseks.CreateFargateProfileOutput, error) {
	r := eks.CreateFargateProfileRequest{
		ClusterName: value(in.ClusterName), Name: value(in.FargateProfileName), Role: value(in.PodExecutionRoleArn), SubnetIDs: in.Subnets,
		Tags: in.Tags, ClientRequestToken: value(in.ClientRequestToken),
	}
	for _, s := range in.Selectors {
		r.Selectors = append(r.Selectors, eks.FargateSelector{Namespace: value(s.Namespace), Labels: s.Labels})
	}
	p, err := h.service.CreateFargateProfile(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.CreateFargateProfileOutput{FargateProfile: profileOut(&p)}, nil
}

// describeFargateProfile holds its answer back for a client that waits, until there is a status worth telling.
func (h *handlers) describeFargateProfile(ctx context.Context, in *awseks.DescribeFargateProfileInput) (*awseks.DescribeFargateProfileOutput, error) {
	cluster, name := value(in.ClusterName), value(in.FargateProfileName)
	var p eks.FargateProfile
	var err error
	if hold := aws.CallFrom(ctx).Hold; hold > 0 {
		p, err = h.service.AwaitFargateProfile(ctx, callerOn(ctx, cluster), cluster, name, hold)
	} else {
		p, err = h.service.DescribeFargateProfile(ctx, callerOn(ctx, cluster), cluster, name)
	}
	if err != nil {
		return nil, err
	}
	return &awseks.DescribeFargateProfileOutput{FargateProfile: profileOut(&p)}, nil
}

func (h *handlers) listFargateProfiles(ctx context.Context, in *awseks.ListFargateProfilesInput) (*awseks.ListFargateProfilesOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	names, next, err := h.service.ListFargateProfiles(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), page)
	if err != nil {
		return nil, err
	}
	return &awseks.ListFargateProfilesOutput{FargateProfileNames: names, NextToken: present(next)}, nil
}

func (h *handlers) deleteFargateProfile(ctx context.Context, in *awseks.DeleteFargateProfileInput) (*awseks.DeleteFargateProfileOutput, error) {
	p, err := h.service.DeleteFargateProfile(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.FargateProfileName))
	if err != nil {
		return nil, err
	}
	return &awseks.DeleteFargateProfileOutput{FargateProfile: profileOut(&p)}, nil
}

func profileOut(p *eks.FargateProfile) *ekstypes.FargateProfile {
	out := &ekstypes.FargateProfile{
		FargateProfileName: &p.Name, FargateProfileArn: new(p.ARN().String()), ClusterName: &p.ClusterName, CreatedAt: &p.CreatedAt,
		PodExecutionRoleArn: new(p.Role.String()), Subnets: p.SubnetIDs, Status: ekstypes.FargateProfileStatus(p.Status), Tags: tagsOut(p.Tags),
		Health: &ekstypes.FargateProfileHealth{Issues: []ekstypes.FargateProfileIssue{}},
	}
	for _, s := range p.Selectors {
		out.Selectors = append(out.Selectors, ekstypes.FargateProfileSelector{Namespace: &s.Namespace, Labels: s.Labels})
	}
	for _, i := range p.Health {
		out.Health.Issues = append(out.Health.Issues, ekstypes.FargateProfileIssue{
			Code: ekstypes.FargateProfileIssueCode(i.Code), Message: &i.Message, ResourceIds: append([]string{}, i.ResourceIDs...),
		})
	}
	return out
}
