package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/restjson"
	"minato.dev/minato/service/eks"
)

// podIdentity is the member that the service takes as wire JSON.
const podIdentity = "podIdentityAssociations"

func (h *handlers) createAddon(ctx context.Context, in *awseks.CreateAddonInput) (*awseks.CreateAddonOutput, error) {
	r := eks.CreateAddonRequest{
		ClusterName: value(in.ClusterName), Name: value(in.AddonName), Version: value(in.AddonVersion), RoleARN: value(in.ServiceAccountRoleArn),
		ResolveConflicts: string(in.ResolveConflicts), Values: value(in.ConfigurationValues), Tags: in.Tags,
		PodIdentity:        restjson.MarshalMembers(schemas.CreateAddonRequest, in, podIdentity)[podIdentity],
		ClientRequestToken: value(in.ClientRequestToken),
	}
	if n := in.NamespaceConfig; n != nil {
		r.Namespace = value(n.Namespace)
	}
	a, err := h.service.CreateAddon(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	out, err := h.addonOut(ctx, &a)
	return &awseks.CreateAddonOutput{Addon: out}, err
}

// describeAddon holds its answer back for a client that waits, until there is a status worth telling.
func (h *handlers) describeAddon(ctx context.Context, in *awseks.DescribeAddonInput) (*awseks.DescribeAddonOutput, error) {
	cluster, name := value(in.ClusterName), value(in.AddonName)
	var a eks.Addon
	var err error
	if hold := aws.CallFrom(ctx).Hold; hold > 0 {
		a, err = h.service.AwaitAddon(ctx, callerOn(ctx, cluster), cluster, name, hold)
	} else {
		a, err = h.service.DescribeAddon(ctx, callerOn(ctx, cluster), cluster, name)
	}
	if err != nil {
		return nil, err
	}
	out, err := h.addonOut(ctx, &a)
	return &awseks.DescribeAddonOutput{Addon: out}, err
}

func (h *handlers) listAddons(ctx context.Context, in *awseks.ListAddonsInput) (*awseks.ListAddonsOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	names, next, err := h.service.ListAddons(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), page)
	if err != nil {
		return nil, err
	}
	return &awseks.ListAddonsOutput{Addons: names, NextToken: present(next)}, nil
}

func (h *handlers) updateAddon(ctx context.Context, in *awseks.UpdateAddonInput) (*awseks.UpdateAddonOutput, error) {
	r := eks.UpdateAddonRequest{
		ClusterName: value(in.ClusterName), Name: value(in.AddonName), Version: value(in.AddonVersion), RoleARN: in.ServiceAccountRoleArn,
		ResolveConflicts: string(in.ResolveConflicts), Values: in.ConfigurationValues,
		PodIdentity:        restjson.MarshalMembers(schemas.UpdateAddonRequest, in, podIdentity)[podIdentity],
		ClientRequestToken: value(in.ClientRequestToken),
	}
	u, err := h.service.UpdateAddon(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.UpdateAddonOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) deleteAddon(ctx context.Context, in *awseks.DeleteAddonInput) (*awseks.DeleteAddonOutput, error) {
	a, err := h.service.DeleteAddon(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.AddonName), in.Preserve)
	if err != nil {
		return nil, err
	}
	out, err := h.addonOut(ctx, &a)
	return &awseks.DeleteAddonOutput{Addon: out}, err
}

// addonOut is an add-on with the associations that it owns.
func (h *handlers) addonOut(ctx context.Context, a *eks.Addon) (*ekstypes.Addon, error) {
	associations, err := h.service.AddonIdentities(ctx, a)
	out := addonOut(a)
	for _, arn := range associations {
		out.PodIdentityAssociations = append(out.PodIdentityAssociations, arn.String())
	}
	return out, err
}

func (h *handlers) describeAddonVersions(ctx context.Context, in *awseks.DescribeAddonVersionsInput) (*awseks.DescribeAddonVersionsOutput, error) {
	filter := eks.AddonFilter{
		KubernetesVersion: value(in.KubernetesVersion), Name: value(in.AddonName), Types: in.Types, Publishers: in.Publishers, Owners: in.Owners,
	}
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	kinds, next, err := h.service.DescribeAddonVersions(ctx, caller(ctx), filter, page)
	if err != nil {
		return nil, err
	}
	addons := []ekstypes.AddonInfo{}
	for i := range kinds {
		addons = append(addons, addonKindOut(&kinds[i]))
	}
	return &awseks.DescribeAddonVersionsOutput{Addons: addons, NextToken: present(next)}, nil
}

func (h *handlers) describeAddonConfiguration(ctx context.Context, in *awseks.DescribeAddonConfigurationInput) (*awseks.DescribeAddonConfigurationOutput, error) {
	k, err := h.service.DescribeAddonConfiguration(ctx, caller(ctx), value(in.AddonName), value(in.AddonVersion))
	if err != nil {
		return nil, err
	}
	out := &awseks.DescribeAddonConfigurationOutput{
		AddonName: in.AddonName, AddonVersion: in.AddonVersion, ConfigurationSchema: &k.Schema,
	}
	if k.ServiceAccount != "" {
		out.PodIdentityConfiguration = append(out.PodIdentityConfiguration, ekstypes.AddonPodIdentityConfiguration{
			ServiceAccount: &k.ServiceAccount, RecommendedManagedPolicies: k.Policies,
		})
	}
	return out, nil
}
