package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/restjson"
	"minato.dev/minato/service/eks"
)

func (h *handlers) createNodegroup(ctx context.Context, in *awseks.CreateNodegroupInput) (*awseks.CreateNodegroupOutput, error) {
	r := eks.CreateNodegroupRequest{
		ClusterName: value(in.ClusterName), Name: value(in.NodegroupName), Version: value(in.Version), ReleaseVersion: value(in.ReleaseVersion),
		AMIType: string(in.AmiType), CapacityType: string(in.CapacityType), InstanceTypes: in.InstanceTypes, DiskGiB: number(in.DiskSize),
		SubnetIDs: in.Subnets, NodeRole: value(in.NodeRole), Scaling: scalingIn(in.ScalingConfig), Update: updateConfigIn(in.UpdateConfig),
		Repair: repairIn(in.NodeRepairConfig), Labels: in.Labels, Taints: taintsIn(in.Taints), Template: templateIn(in.LaunchTemplate),
		RemoteAccess: in.RemoteAccess != nil, Other: restjson.MarshalMembers(schemas.CreateNodegroupRequest, in, "warmPoolConfig"),
		Tags: in.Tags, ClientRequestToken: value(in.ClientRequestToken),
	}
	n, err := h.service.CreateNodegroup(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.CreateNodegroupOutput{Nodegroup: nodegroupOut(&n)}, nil
}

// describeNodegroup holds its answer back for a client that waits, until there is a status worth telling.
func (h *handlers) describeNodegroup(ctx context.Context, in *awseks.DescribeNodegroupInput) (*awseks.DescribeNodegroupOutput, error) {
	cluster, name := value(in.ClusterName), value(in.NodegroupName)
	var n eks.Nodegroup
	var err error
	if hold := aws.CallFrom(ctx).Hold; hold > 0 {
		n, err = h.service.AwaitNodegroup(ctx, callerOn(ctx, cluster), cluster, name, hold)
	} else {
		n, err = h.service.DescribeNodegroup(ctx, callerOn(ctx, cluster), cluster, name)
	}
	if err != nil {
		return nil, err
	}
	return &awseks.DescribeNodegroupOutput{Nodegroup: nodegroupOut(&n)}, nil
}

func (h *handlers) listNodegroups(ctx context.Context, in *awseks.ListNodegroupsInput) (*awseks.ListNodegroupsOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	names, next, err := h.service.ListNodegroups(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), page)
	if err != nil {
		return nil, err
	}
	return &awseks.ListNodegroupsOutput{Nodegroups: names, NextToken: present(next)}, nil
}

func (h *handlers) deleteNodegroup(ctx context.Context, in *awseks.DeleteNodegroupInput) (*awseks.DeleteNodegroupOutput, error) {
	n, err := h.service.DeleteNodegroup(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.NodegroupName))
	if err != nil {
		return nil, err
	}
	return &awseks.DeleteNodegroupOutput{Nodegroup: nodegroupOut(&n)}, nil
}

func (h *handlers) updateNodegroupConfig(ctx context.Context, in *awseks.UpdateNodegroupConfigInput) (*awseks.UpdateNodegroupConfigOutput, error) {
	r := eks.UpdateNodegroupConfigRequest{
		ClusterName: value(in.ClusterName), Name: value(in.NodegroupName), Scaling: scalingIn(in.ScalingConfig), Update: updateConfigIn(in.UpdateConfig),
		Repair: repairIn(in.NodeRepairConfig), Other: restjson.MarshalMembers(schemas.UpdateNodegroupConfigRequest, in, "warmPoolConfig"),
		ClientRequestToken: value(in.ClientRequestToken),
	}
	if l := in.Labels; l != nil {
		r.AddLabels, r.RemoveLabels = l.AddOrUpdateLabels, l.RemoveLabels
	}
	if t := in.Taints; t != nil {
		r.AddTaints, r.RemoveTaints = taintsIn(t.AddOrUpdateTaints), taintsIn(t.RemoveTaints)
	}
	u, err := h.service.UpdateNodegroupConfig(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.UpdateNodegroupConfigOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) updateNodegroupVersion(ctx context.Context, in *awseks.UpdateNodegroupVersionInput) (*awseks.UpdateNodegroupVersionOutput, error) {
	r := eks.UpdateNodegroupVersionRequest{
		ClusterName: value(in.ClusterName), Name: value(in.NodegroupName), Version: value(in.Version), ReleaseVersion: value(in.ReleaseVersion),
		Template: templateIn(in.LaunchTemplate), Force: in.Force, ClientRequestToken: value(in.ClientRequestToken),
	}
	u, err := h.service.UpdateNodegroupVersion(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.UpdateNodegroupVersionOutput{Update: updateOut(&u)}, nil
}
