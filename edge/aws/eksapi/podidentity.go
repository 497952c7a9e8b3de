package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

func (h *handlers) createPodIdentityAssociation(ctx context.Context, in *awseks.CreatePodIdentityAssociationInput) (*awseks.CreatePodIdentityAssociationOutput, error) {
	a, err := h.service.CreatePodIdentityAssociation(ctx, callerOn(ctx, value(in.ClusterName)), eks.CreatePodIdentityRequest{
		ClusterName: value(in.ClusterName), Namespace: value(in.Namespace), ServiceAccount: value(in.ServiceAccount),
		Role: value(in.RoleArn), TargetRole: value(in.TargetRoleArn), DisableSessionTags: value(in.DisableSessionTags), Policy: value(in.Policy),
		Tags: in.Tags, ClientRequestToken: value(in.ClientRequestToken),
	})
	if err != nil {
		return nil, err
	}
	return &awseks.CreatePodIdentityAssociationOutput{Association: associationOut(&a)}, nil
}

func (h *handlers) describePodIdentityAssociation(ctx context.Context, in *awseks.DescribePodIdentityAssociationInput) (*awseks.DescribePodIdentityAssociationOutput, error) {
	a, err := h.service.DescribePodIdentityAssociation(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.AssociationId))
	if err != nil {
		return nil, err
	}
	return &awseks.DescribePodIdentityAssociationOutput{Association: associationOut(&a)}, nil
}

func (h *handlers) updatePodIdentityAssociation(ctx context.Context, in *awseks.UpdatePodIdentityAssociationInput) (*awseks.UpdatePodIdentityAssociationOutput, error) {
	a, err := h.service.UpdatePodIdentityAssociation(ctx, callerOn(ctx, value(in.ClusterName)), eks.UpdatePodIdentityRequest{
		ClusterName: value(in.ClusterName), ID: value(in.AssociationId), Role: in.RoleArn, TargetRole: in.TargetRoleArn,
		DisableSessionTags: in.DisableSessionTags, Policy: in.Policy, ClientRequestToken: value(in.ClientRequestToken),
	})
	if err != nil {
		return nil, err
	}
	return &awseks.UpdatePodIdentityAssociationOutput{Association: associationOut(&a)}, nil
}

func (h *handlers) deletePodIdentityAssociation(ctx context.Context, in *awseks.DeletePodIdentityAssociationInput) (*awseks.DeletePodIdentityAssociationOutput, error) {
	a, err := h.service.DeletePodIdentityAssociation(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.AssociationId))
	if err != nil {
		return nil, err
	}
	return &awseks.DeletePodIdentityAssociationOutput{Association: associationOut(&a)}, nil
}

func (h *handlers) listPodIdentityAssociations(ctx context.Context, in *awseks.ListPodIdentityAssociationsInput) (*awseks.ListPodIdentityAssociationsOutput, error) {
	filter := eks.PodIdentityFilter{Namespace: value(in.Namespace), ServiceAccount: value(in.ServiceAccount)}
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.ListPodIdentityAssociations(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), filter, page)
	if err != nil {
		return nil, err
	}
	associations := []ekstypes.PodIdentityAssociationSummary{}
	for i := range list.Associations {
		a := associationOut(&list.Associations[i])
		associations = append(associations, ekstypes.PodIdentityAssociationSummary{
			AssociationArn: a.AssociationArn, AssociationId: a.AssociationId, ClusterName: a.ClusterName,
			Namespace: a.Namespace, ServiceAccount: a.ServiceAccount, OwnerArn: a.OwnerArn,
		})
	}
	return &awseks.ListPodIdentityAssociationsOutput{Associations: associations, NextToken: present(list.NextToken)}, nil
}

func associationOut(a *eks.PodIdentityAssociation) *ekstypes.PodIdentityAssociation {
	out := &ekstypes.PodIdentityAssociation{
		AssociationArn: new(a.ARN().String()), AssociationId: &a.ID, ClusterName: &a.ClusterName, CreatedAt: &a.CreatedAt, ModifiedAt: &a.ModifiedAt,
		Namespace: &a.Namespace, ServiceAccount: &a.ServiceAccount, RoleArn: new(a.Role.String()), DisableSessionTags: &a.DisableSessionTags,
		ExternalId: present(a.ExternalID()), Policy: present(a.Policy), Tags: tagsOut(a.Tags),
	}
	if !a.TargetRole.IsZero() {
		out.TargetRoleArn = new(a.TargetRole.String())
	}
	if !a.Owner.IsZero() {
		out.OwnerArn = new(a.Owner.String())
	}
	return out
}
