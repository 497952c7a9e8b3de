package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/eks"
)

func (h *handlers) createCluster(ctx context.Context, in *awseks.CreateClusterInput) (*awseks.CreateClusterOutput, error) {
	c, err := h.service.CreateCluster(ctx, callerOn(ctx, value(in.Name)), createRequest(in))
	if err != nil {
		return nil, err
	}
	cluster, err := clusterOut(&c)
	return &awseks.CreateClusterOutput{Cluster: cluster}, err
}

// describeCluster holds its answer back for a client that waits, until there is a status worth telling.
func (h *handlers) describeCluster(ctx context.Context, in *awseks.DescribeClusterInput) (*awseks.DescribeClusterOutput, error) {
	name := value(in.Name)
	var c eks.Cluster
	var err error
	if hold := aws.CallFrom(ctx).Hold; hold > 0 {
		c, err = h.service.AwaitCluster(ctx, callerOn(ctx, name), name, hold)
	} else {
		c, err = h.service.DescribeCluster(ctx, callerOn(ctx, name), name)
	}
	if err != nil {
		return nil, err
	}
	cluster, err := clusterOut(&c)
	return &awseks.DescribeClusterOutput{Cluster: cluster}, err
}

func (h *handlers) listClusters(ctx context.Context, in *awseks.ListClustersInput) (*awseks.ListClustersOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.ListClusters(ctx, caller(ctx), page, in.Include)
	if err != nil {
		return nil, err
	}
	return &awseks.ListClustersOutput{Clusters: list.Names, NextToken: present(list.NextToken)}, nil
}

func (h *handlers) deleteCluster(ctx context.Context, in *awseks.DeleteClusterInput) (*awseks.DeleteClusterOutput, error) {
	c, err := h.service.DeleteCluster(ctx, callerOn(ctx, value(in.Name)), value(in.Name))
	if err != nil {
		return nil, err
	}
	cluster, err := clusterOut(&c)
	return &awseks.DeleteClusterOutput{Cluster: cluster}, err
}

func (h *handlers) registerCluster(ctx context.Context, in *awseks.RegisterClusterInput) (*awseks.RegisterClusterOutput, error) {
	r := eks.RegisterClusterRequest{Name: value(in.Name), Tags: in.Tags, ClientRequestToken: value(in.ClientRequestToken)}
	if config := in.ConnectorConfig; config != nil {
		r.RoleARN, r.Provider = value(config.RoleArn), string(config.Provider)
	}
	c, err := h.service.RegisterCluster(ctx, callerOn(ctx, r.Name), r)
	if err != nil {
		return nil, err
	}
	return &awseks.RegisterClusterOutput{Cluster: connectedOut(&c)}, nil
}

func (h *handlers) deregisterCluster(ctx context.Context, in *awseks.DeregisterClusterInput) (*awseks.DeregisterClusterOutput, error) {
	c, err := h.service.DeregisterCluster(ctx, callerOn(ctx, value(in.Name)), value(in.Name))
	if err != nil {
		return nil, err
	}
	return &awseks.DeregisterClusterOutput{Cluster: connectedOut(&c)}, nil
}

func (h *handlers) updateClusterConfig(ctx context.Context, in *awseks.UpdateClusterConfigInput) (*awseks.UpdateClusterConfigOutput, error) {
	u, err := h.service.UpdateClusterConfig(ctx, callerOn(ctx, value(in.Name)), updateRequest(in))
	if err != nil {
		return nil, err
	}
	return &awseks.UpdateClusterConfigOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) describeUpdate(ctx context.Context, in *awseks.DescribeUpdateInput) (*awseks.DescribeUpdateOutput, error) {
	target := eks.UpdateTarget{Nodegroup: value(in.NodegroupName), Addon: value(in.AddonName), Capability: value(in.CapabilityName)}
	u, err := h.service.DescribeUpdate(ctx, callerOn(ctx, value(in.Name)), value(in.Name), value(in.UpdateId), target)
	if err != nil {
		return nil, err
	}
	return &awseks.DescribeUpdateOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) listUpdates(ctx context.Context, in *awseks.ListUpdatesInput) (*awseks.ListUpdatesOutput, error) {
	target := eks.UpdateTarget{Nodegroup: value(in.NodegroupName), Addon: value(in.AddonName), Capability: value(in.CapabilityName)}
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.ListUpdates(ctx, callerOn(ctx, value(in.Name)), value(in.Name), target, page)
	if err != nil {
		return nil, err
	}
	return &awseks.ListUpdatesOutput{UpdateIds: list.IDs, NextToken: present(list.NextToken)}, nil
}

func (h *handlers) tagResource(ctx context.Context, in *awseks.TagResourceInput) (*awseks.TagResourceOutput, error) {
	err := h.service.TagResource(ctx, callerOnARN(ctx, value(in.ResourceArn)), value(in.ResourceArn), in.Tags)
	return &awseks.TagResourceOutput{}, err
}

func (h *handlers) untagResource(ctx context.Context, in *awseks.UntagResourceInput) (*awseks.UntagResourceOutput, error) {
	err := h.service.UntagResource(ctx, callerOnARN(ctx, value(in.ResourceArn)), value(in.ResourceArn), in.TagKeys)
	return &awseks.UntagResourceOutput{}, err
}

func (h *handlers) listTagsForResource(ctx context.Context, in *awseks.ListTagsForResourceInput) (*awseks.ListTagsForResourceOutput, error) {
	tags, err := h.service.ListTagsForResource(ctx, callerOnARN(ctx, value(in.ResourceArn)), value(in.ResourceArn))
	return &awseks.ListTagsForResourceOutput{Tags: tagsOut(tags)}, err
}
