package eksapi

import (
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

// nodegroupOut is a nodegroup as the API shows it. What AWS leaves absent is absent.
func nodegroupOut(n *eks.Nodegroup) *ekstypes.Nodegroup {
	spec := &n.Spec
	out := &ekstypes.Nodegroup{
		NodegroupName: &n.Name, NodegroupArn: new(n.ARN().String()), ClusterName: &n.ClusterName, CreatedAt: &n.CreatedAt, ModifiedAt: &n.ModifiedAt,
		Version: present(spec.Version), ReleaseVersion: present(spec.ReleaseVersion), Status: ekstypes.NodegroupStatus(n.Status.Status),
		CapacityType: ekstypes.CapacityTypes(spec.CapacityType), AmiType: ekstypes.AMITypes(spec.AMIType), InstanceTypes: spec.InstanceTypes,
		Subnets: spec.SubnetIDs, NodeRole: new(spec.NodeRole.String()), Labels: spec.Labels, DiskSize: present32(spec.DiskGiB), Tags: tagsOut(n.Tags),
		ScalingConfig: &ekstypes.NodegroupScalingConfig{
			MinSize: new(int32(spec.Scaling.Min)), MaxSize: new(int32(spec.Scaling.Max)), DesiredSize: new(int32(spec.Scaling.Desired)),
		},
		UpdateConfig: &ekstypes.NodegroupUpdateConfig{
			MaxUnavailable: present32(spec.Update.MaxUnavailable), MaxUnavailablePercentage: present32(spec.Update.MaxUnavailablePercentage),
			UpdateStrategy: ekstypes.NodegroupUpdateStrategies(spec.Update.Strategy),
		},
		NodeRepairConfig: repairOut(spec.Repair),
		Health:           &ekstypes.NodegroupHealth{Issues: []ekstypes.Issue{}},
	}
	for _, i := range n.Status.Health {
		out.Health.Issues = append(out.Health.Issues, ekstypes.Issue{
			Code: ekstypes.NodegroupIssueCode(i.Code), Message: &i.Message, ResourceIds: append([]string{}, i.ResourceIDs...),
		})
	}
	for _, t := range spec.Taints {
		out.Taints = append(out.Taints, ekstypes.Taint{Key: &t.Key, Value: present(t.Value), Effect: ekstypes.TaintEffect(t.Effect)})
	}
	if t := spec.Template; t != nil {
		out.LaunchTemplate = &ekstypes.LaunchTemplateSpecification{Id: &t.ID, Name: &t.Name, Version: &t.Version}
	}
	if name := n.Status.GroupName; name != "" {
		out.Resources = &ekstypes.NodegroupResources{AutoScalingGroups: []ekstypes.AutoScalingGroup{{Name: &name}}}
	}
	return out
}

func repairOut(r *eks.NodeRepair) *ekstypes.NodeRepairConfig {
	if r == nil {
		return nil
	}
	out := &ekstypes.NodeRepairConfig{
		Enabled:                             &r.Enabled,
		MaxUnhealthyNodeThresholdCount:      present32(r.MaxUnhealthyCount),
		MaxUnhealthyNodeThresholdPercentage: present32(r.MaxUnhealthyPercentage),
		MaxParallelNodesRepairedCount:       present32(r.MaxParallelCount),
		MaxParallelNodesRepairedPercentage:  present32(r.MaxParallelPercentage),
	}
	for _, o := range r.Overrides {
		out.NodeRepairConfigOverrides = append(out.NodeRepairConfigOverrides, ekstypes.NodeRepairConfigOverrides{
			NodeMonitoringCondition: &o.Condition, NodeUnhealthyReason: &o.Reason, MinRepairWaitTimeMins: present32(o.WaitMinutes),
			RepairAction: ekstypes.RepairAction(o.Action),
		})
	}
	return out
}

func repairIn(r *ekstypes.NodeRepairConfig) *eks.NodeRepair {
	if r == nil {
		return nil
	}
	in := &eks.NodeRepair{
		Enabled:                value(r.Enabled),
		MaxUnhealthyCount:      int(value(r.MaxUnhealthyNodeThresholdCount)),
		MaxUnhealthyPercentage: int(value(r.MaxUnhealthyNodeThresholdPercentage)),
		MaxParallelCount:       int(value(r.MaxParallelNodesRepairedCount)),
		MaxParallelPercentage:  int(value(r.MaxParallelNodesRepairedPercentage)),
	}
	for _, o := range r.NodeRepairConfigOverrides {
		in.Overrides = append(in.Overrides, eks.NodeRepairOverride{
			Condition: value(o.NodeMonitoringCondition), Reason: value(o.NodeUnhealthyReason), WaitMinutes: int(value(o.MinRepairWaitTimeMins)),
			Action: string(o.RepairAction),
		})
	}
	return in
}

func scalingIn(s *ekstypes.NodegroupScalingConfig) *eks.ScalingRequest {
	if s == nil {
		return nil
	}
	return &eks.ScalingRequest{Min: number(s.MinSize), Max: number(s.MaxSize), Desired: number(s.DesiredSize)}
}

func updateConfigIn(u *ekstypes.NodegroupUpdateConfig) *eks.NodegroupUpdates {
	if u == nil {
		return nil
	}
	return &eks.NodegroupUpdates{
		MaxUnavailable: int(value(u.MaxUnavailable)), MaxUnavailablePercentage: int(value(u.MaxUnavailablePercentage)), Strategy: string(u.UpdateStrategy),
	}
}

func taintsIn(taints []ekstypes.Taint) (in []eks.Taint) {
	for _, t := range taints {
		in = append(in, eks.Taint{Key: value(t.Key), Value: value(t.Value), Effect: string(t.Effect)})
	}
	return in
}

func templateIn(t *ekstypes.LaunchTemplateSpecification) *eks.NodegroupTemplate {
	if t == nil {
		return nil
	}
	return &eks.NodegroupTemplate{ID: value(t.Id), Name: value(t.Name), Version: value(t.Version)}
}

// number is a number of the wire, nil where it is absent.
func number(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// present32 is a pointer to a number, nil for zero: so a member is absent on the wire.
func present32(n int) *int32 {
	if n == 0 {
		return nil
	}
	return new(int32(n))
}
