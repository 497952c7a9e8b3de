package eks

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

func (s *Service) modified() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// errNodegroupBusy answers what cannot be done while a nodegroup is on its way to another status.
func errNodegroupBusy(done string) error {
	return minato.Errorf(minato.InUse, "Nodegroup cannot be %s as it is currently not in Active State", done)
}

// beginNodegroupUpdate lets change work on a nodegroup's spec and tell the parameters, and makes the update that carries it out,
// unless a request of this token and hash has done so before.
func (s *Service) beginNodegroupUpdate(ctx context.Context, n *Nodegroup, kind, token, hash string, change func(*NodegroupSpec) ([]UpdateParam, error)) (Update, []store.Op, error) {
	prefix := PartUpdatesOf(n.ClusterID, nodegroupPart, n.UUID)
	if before, err := beganBefore(ctx, PartUpdates(s.Store), prefix, token, hash, n.ClusterName); err != nil || before != nil {
		if before != nil {
			return *before, nil, errUnchanged
		}
		return Update{}, nil, err
	}
	if n.Status.Status != NodegroupActive && n.Status.Status != NodegroupDegraded {
		return Update{}, nil, errNodegroupBusy("updated")
	}
	before := n.Spec // the changes replace its slices and maps and never write into them
	params, err := change(&n.Spec)
	if err != nil {
		return Update{}, nil, err
	}
	n.Spec.Generation++
	now := s.modified()
	update := Update{
		ID: newUpdateID(now), ClusterID: n.ClusterID, Type: kind, Status: UpdateInProgress, Params: params, CreatedAt: now,
		Generation: n.Spec.Generation, NodegroupBefore: &before, ClientRequestToken: token, RequestHash: hash,
	}
	n.Status.Status, n.ModifiedAt = NodegroupUpdating, now
	return update, []store.Op{PartUpdates(s.Store).CreateOp(prefix+store.ID(update.ID), update)}, nil
}

// UpdateNodegroupConfig begins to change how many nodes there are, their labels and taints, or how they are updated and repaired.
func (s *Service) UpdateNodegroupConfig(ctx context.Context, c Caller, r UpdateNodegroupConfigRequest) (Update, error) {
	var update Update
	hash := hashOf(r)
	_, err := s.modifyNodegroup(ctx, c, "eks:UpdateNodegroupConfig", r.ClusterName, r.Name, func(_ *Cluster, n *Nodegroup) (ops []store.Op, err error) {
		update, ops, err = s.beginNodegroupUpdate(ctx, n, "ConfigUpdate", r.ClientRequestToken, hash, r.apply)
		return ops, err
	})
	if err != nil {
		return Update{}, err
	}
	return update, nil
}

// apply changes a spec as asked and tells the parameters of the update.
func (r UpdateNodegroupConfigRequest) apply(spec *NodegroupSpec) ([]UpdateParam, error) {
	if err := checkNodegroupOther(r.Other); err != nil {
		return nil, err
	}
	params, err := spec.changeScaling(r.Scaling)
	if err != nil {
		return nil, err
	}
	simulated := spec.simulated()
	params = append(params, spec.changeLabels(r.AddLabels, r.RemoveLabels)...)
	if spec.simulated() != simulated {
		return nil, minato.Errorf(minato.Invalid, "Label %s=%s cannot be added or removed: a nodegroup is created with simulated nodes or real ones", SimulatedLabel, Simulated)
	}
	params = append(params, spec.changeTaints(r.AddTaints, r.RemoveTaints)...)
	if r.Update != nil {
		spec.Update = spec.Update.with(*r.Update)
		params = append(params, r.Update.params()...)
	}
	if r.Repair != nil {
		spec.Repair = r.Repair
		params = append(params, UpdateParam{"NodeRepairEnabled", strconv.FormatBool(r.Repair.Enabled)}, UpdateParam{"NodeRepairConfig", wire(r.Repair)})
	}
	if len(params) == 0 {
		return nil, minato.Errorf(minato.Invalid, "There is nothing to change: give scalingConfig, labels, taints, updateConfig or nodeRepairConfig")
	}
	return params, checkNodegroupSpec(*spec)
}

func (spec *NodegroupSpec) simulated() bool { return spec.Labels[SimulatedLabel] == Simulated }

// changeScaling sets those sizes that are given.
func (spec *NodegroupSpec) changeScaling(r *ScalingRequest) (params []UpdateParam, err error) {
	if r == nil {
		return nil, nil
	}
	next := &spec.Scaling
	for _, size := range []struct {
		name  string
		asked *int
		to    *int
	}{{"MinSize", r.Min, &next.Min}, {"MaxSize", r.Max, &next.Max}, {"DesiredSize", r.Desired, &next.Desired}} {
		if size.asked != nil {
			*size.to = *size.asked
			params = append(params, UpdateParam{size.name, strconv.Itoa(*size.asked)})
		}
	}
	switch {
	case next.Min > next.Max:
		return nil, minato.Errorf(minato.Invalid, "minSize can't be greater than maxSize")
	case next.Min > next.Desired:
		return nil, minato.Errorf(minato.Invalid, "Minimum capacity %d can't be greater than desired size %d", next.Min, next.Desired)
	case next.Desired > next.Max:
		return nil, minato.Errorf(minato.Invalid, "Desired capacity %d can't be greater than max size %d", next.Desired, next.Max)
	}
	return params, checkScaling(*next)
}

func (spec *NodegroupSpec) changeLabels(add map[string]string, remove []string) (params []UpdateParam) {
	if len(add) == 0 && len(remove) == 0 {
		return nil
	}
	labels := map[string]string{}
	maps.Copy(labels, spec.Labels)
	maps.DeleteFunc(labels, func(key, _ string) bool { return slices.Contains(remove, key) })
	maps.Copy(labels, add)
	spec.Labels = labels
	if len(add) > 0 {
		params = append(params, UpdateParam{"LabelsToAdd", wire(add)})
	}
	if len(remove) > 0 {
		params = append(params, UpdateParam{"LabelsToRemove", wire(remove)})
	}
	return params
}

func (spec *NodegroupSpec) changeTaints(add, remove []Taint) (params []UpdateParam) {
	if len(add) == 0 && len(remove) == 0 {
		return nil
	}
	taints := slices.Clone(spec.Taints)
	for _, gone := range slices.Concat(remove, add) {
		taints = slices.DeleteFunc(taints, gone.replaces)
	}
	spec.Taints = append(taints, add...)
	if len(add) > 0 {
		params = append(params, UpdateParam{"TaintsToAdd", wire(add)})
	}
	if len(remove) > 0 {
		params = append(params, UpdateParam{"TaintsToRemove", wire(remove)})
	}
	return params
}

// with are the updates as a request changes them: a limit that it does not give, or a strategy, stays.
func (u NodegroupUpdates) with(asked NodegroupUpdates) NodegroupUpdates {
	if asked.MaxUnavailable == 0 && asked.MaxUnavailablePercentage == 0 {
		asked.MaxUnavailable, asked.MaxUnavailablePercentage = u.MaxUnavailable, u.MaxUnavailablePercentage
	}
	asked.Strategy = orWord(asked.Strategy, u.Strategy)
	return asked
}

func (u NodegroupUpdates) params() (params []UpdateParam) {
	if u.MaxUnavailable != 0 {
		params = append(params, UpdateParam{"MaxUnavailable", strconv.Itoa(u.MaxUnavailable)})
	}
	if u.MaxUnavailablePercentage != 0 {
		params = append(params, UpdateParam{"MaxUnavailablePercentage", strconv.Itoa(u.MaxUnavailablePercentage)})
	}
	if u.Strategy != "" {
		params = append(params, UpdateParam{"UpdateStrategy", u.Strategy})
	}
	return params
}

// UpdateNodegroupVersion begins to replace the nodes by those of another version of Kubernetes or of the launch template: without
// either, by those of the cluster's version.
func (s *Service) UpdateNodegroupVersion(ctx context.Context, c Caller, r UpdateNodegroupVersionRequest) (Update, error) {
	var update Update
	hash := hashOf(r)
	_, err := s.modifyNodegroup(ctx, c, "eks:UpdateNodegroupVersion", r.ClusterName, r.Name, func(cluster *Cluster, n *Nodegroup) (ops []store.Op, err error) {
		update, ops, err = s.beginNodegroupUpdate(ctx, n, "VersionUpdate", r.ClientRequestToken, hash, func(spec *NodegroupSpec) ([]UpdateParam, error) {
			return s.changeVersion(ctx, cluster, r, spec)
		})
		return ops, err
	})
	if err != nil {
		return Update{}, err
	}
	return update, nil
}

// changeVersion sets what the nodes are made from. Those that differ in it are replaced.
func (s *Service) changeVersion(ctx context.Context, cluster *Cluster, r UpdateNodegroupVersionRequest, spec *NodegroupSpec) ([]UpdateParam, error) {
	before := *spec
	spec.Force = r.Force
	var params []UpdateParam
	var template LaunchTemplate
	if r.Template != nil {
		t, err := s.changeTemplate(ctx, cluster, *r.Template, spec)
		if err != nil {
			return nil, err
		}
		template = t
		params = append(params, UpdateParam{"LaunchTemplateName", t.Ref.Name}, UpdateParam{"LaunchTemplateVersion", t.Ref.Version})
	}
	if spec.AMIType == CustomAMI {
		if r.Version != "" || r.ReleaseVersion != "" {
			return nil, minato.Errorf(minato.Invalid, "You cannot specify version or releaseVersion when the launch template specifies an image")
		}
		if r.Template != nil {
			if err := customImage(template, CreateNodegroupRequest{}, cluster.NodeLimit(), spec); err != nil {
				return nil, err
			}
		}
	} else {
		minor := r.Version
		if minor == "" && (r.Template == nil || r.ReleaseVersion != "") {
			minor = cluster.NodeLimit()
		}
		minor = orWord(minor, spec.Version)
		if err := checkNodeMinor(minor, cluster.NodeLimit()); err != nil {
			return nil, minato.Errorf(minato.Invalid, "Nodegroup Kubernetes version %q is not valid: %w", shorten(minor), err)
		}
		if err := s.chooseRelease(minor, r.ReleaseVersion, spec); err != nil {
			return nil, err
		}
		params = append([]UpdateParam{{"Version", spec.Version}, {"ReleaseVersion", spec.ReleaseVersion}}, params...)
	}
	if spec.Version != before.Version || spec.ReleaseVersion != before.ReleaseVersion || wire(spec.Template) != wire(before.Template) {
		spec.LastRevision++
		spec.Revision = spec.LastRevision
	}
	return params, nil
}

// changeTemplate takes another version of the launch template that a nodegroup was made with.
func (s *Service) changeTemplate(ctx context.Context, cluster *Cluster, ref NodegroupTemplate, spec *NodegroupSpec) (LaunchTemplate, error) {
	if spec.Template == nil {
		return LaunchTemplate{}, minato.Errorf(minato.Invalid, "The nodegroup was created without a launch template: it cannot be given one")
	}
	t, err := s.launchTemplate(ctx, cluster.Scope, ref)
	if err != nil {
		return t, err
	}
	switch {
	case t.Ref.ID != spec.Template.ID:
		return t, minato.Errorf(minato.Invalid, "You cannot use a different launch template: the nodegroup was created with %s (%s)", spec.Template.Name, spec.Template.ID)
	case (t.ImageID != "") != (spec.AMIType == CustomAMI):
		return t, minato.Errorf(minato.Invalid, "You cannot change between an image of EKS and one of the launch template: create another nodegroup")
	case t.InstanceType != "" && len(spec.InstanceTypes) > 0:
		return t, minato.Errorf(minato.Invalid, "You cannot specify instance types in both the launch template, which has %s, and the nodegroup", t.InstanceType)
	}
	next := *spec
	if len(spec.InstanceTypes) == 0 {
		if err := s.chooseInstanceTypes(nil, orWord(t.InstanceType, defaultInstanceType), &next); err != nil {
			return t, err
		}
	}
	spec.Template = &t.Ref
	return t, nil
}
