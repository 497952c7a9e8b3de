package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

func (h *handlers) updateClusterVersion(ctx context.Context, in *awseks.UpdateClusterVersionInput) (*awseks.UpdateClusterVersionOutput, error) {
	r := eks.UpdateClusterVersionRequest{
		Name: value(in.Name), Version: value(in.Version), Force: in.Force, ClientRequestToken: value(in.ClientRequestToken),
	}
	if in.RollbackConfig != nil {
		r.RollbackTimeout = new(int(value(in.RollbackConfig.TimeoutMinutes)))
	}
	u, err := h.service.UpdateClusterVersion(ctx, callerOn(ctx, r.Name), r)
	if err != nil {
		return nil, err
	}
	return &awseks.UpdateClusterVersionOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) cancelUpdate(ctx context.Context, in *awseks.CancelUpdateInput) (*awseks.CancelUpdateOutput, error) {
	u, err := h.service.CancelUpdate(ctx, callerOn(ctx, value(in.Name)), value(in.Name), value(in.UpdateId))
	if err != nil {
		return nil, err
	}
	return &awseks.CancelUpdateOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) describeClusterVersions(ctx context.Context, in *awseks.DescribeClusterVersionsInput) (*awseks.DescribeClusterVersionsOutput, error) {
	filter := eks.VersionFilter{
		ClusterType: value(in.ClusterType),
		DefaultOnly: value(in.DefaultOnly),
		IncludeAll:  value(in.IncludeAll),
		Versions:    in.ClusterVersions,
		Statuses:    []string{string(in.Status), string(in.VersionStatus)}, //nolint:staticcheck // Status is deprecated, and still sent
	}
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.DescribeClusterVersions(ctx, caller(ctx), filter, page)
	if err != nil {
		return nil, err
	}
	versions := []ekstypes.ClusterVersionInformation{}
	for _, v := range list.Versions {
		versions = append(versions, versionOut(v))
	}
	return &awseks.DescribeClusterVersionsOutput{ClusterVersions: versions, NextToken: present(list.NextToken)}, nil
}
