package nodegroup

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// Tags of the instances of a nodegroup. EKS has the first ones; recordTag and revisionTag are ours: the id of the nodegroup's record,
// and the Spec.Revision that the instance was made by.
const (
	groupTag    = "aws:autoscaling:groupName"
	recordTag   = "aws:minato:nodegroup"
	revisionTag = "aws:minato:nodegroup-revision"
)

// requester is who launches the instances.
const requester = "amazon-eks"

// maxFailures is how many instances in a row may end before they were nodes, before that is a health issue.
const maxFailures = 3

// resize launches the instances that are missing and begins to drain those that are too many or outdated.
func (c *Controller) resize(ctx context.Context, p *pass) error {
	spec := &p.group.Spec
	launch, drain := plan(p.states(), wanted{
		desired:     spec.Scaling.Desired,
		unavailable: unavailable(spec.Update.MaxUnavailable, spec.Update.MaxUnavailablePercentage, spec.Scaling.Desired),
		minimal:     spec.Update.Strategy == "MINIMAL",
	})
	for _, m := range p.members {
		if slices.Contains(drain, m.instance.ID) {
			reason := drainScaleIn
			if !p.current(m) {
				reason = drainOutdated
			}
			p.drain(m, reason)
		}
	}
	if pr := c.tooManyFailures(p); pr != nil {
		p.problems = append(p.problems, pr)
		launch = min(launch, 1)
		if p.now.Sub(p.group.Status.FailedAt) < backOff(p.group.Status.Failures) {
			launch = 0
		}
	}
	p.launched = launch > 0
	if launch == 0 {
		return nil
	}
	return c.launch(ctx, p, launch)
}

func (p *pass) states() []state {
	states := make([]state, len(p.members))
	for i, m := range p.members {
		states[i] = state{
			id: m.instance.ID, zone: m.instance.Zone, current: p.current(m), ready: m.ready(), draining: m.draining(),
			age: int(p.now.Sub(m.machine.SeenAt) / time.Second),
		}
	}
	return states
}

// current is whether a member was made as nodes are to be made now.
func (p *pass) current(m *member) bool {
	return m.instance.Tags[revisionTag] == strconv.FormatInt(p.group.Spec.Revision, 10)
}

// tooManyFailures is the health issue of instances that end again and again before they are nodes.
func (c *Controller) tooManyFailures(p *pass) *problem {
	if p.group.Status.Failures < maxFailures {
		return nil
	}
	return problemf(issueLaunch, []string{p.group.GroupName()}, "%d instances in a row ended before they were nodes, the last one: %s", p.group.Status.Failures, p.group.Status.Failure)
}

// backOff is how long to wait for the next instance after so many that failed.
func backOff(failures int) time.Duration {
	return min(time.Duration(failures)*10*time.Second, 5*time.Minute)
}

// launch makes instances, spread over the zones of the subnets that have room.
func (c *Controller) launch(ctx context.Context, p *pass, count int) error {
	made, err := c.template(ctx, p)
	if err != nil {
		return err
	}
	subnets, missing, err := c.subnets(ctx, p)
	if err != nil {
		return err
	}
	if len(subnets) == 0 {
		return problemf(issueSubnet, missing, "None of the Amazon EC2 subnets %v of the nodegroup was found", missing)
	}
	perZone := map[string]int{}
	for _, m := range p.members {
		if !m.draining() {
			perZone[m.instance.Zone]++
		}
	}
	for range count {
		if err := c.launchOne(ctx, p, made, subnets, perZone); err != nil {
			return err
		}
	}
	return nil
}

// launchOne tries the subnets from the emptiest zone on, and in each the instance types in their order.
func (c *Controller) launchOne(ctx context.Context, p *pass, t template, subnets []ec2.Subnet, perZone map[string]int) error {
	slices.SortStableFunc(subnets, func(a, b ec2.Subnet) int {
		return cmp.Or(cmp.Compare(perZone[a.Zone], perZone[b.Zone]), cmp.Compare(b.AvailableAddresses(), a.AvailableAddresses()), cmp.Compare(a.ID, b.ID))
	})
	types := p.group.Spec.InstanceTypes
	if t.instanceType != "" {
		types = []string{t.instanceType}
	}
	var last error
	for i := range subnets {
		for _, itype := range types {
			var made []ec2.Instance
			err := c.commit(ctx, func() (ops []store.Op, err error) {
				made, ops, err = c.deps.EC2.LaunchOps(ctx, p.group.Scope, c.request(p, t, subnets[i].ID, itype))
				return ops, err
			})
			if err == nil {
				p.remember(&member{instance: made[0], machine: eks.Machine{SeenAt: p.now}})
				perZone[subnets[i].Zone]++
				return nil
			}
			if last = err; minato.KindOf(err) == minato.Internal {
				return err
			}
		}
	}
	return launchProblem(p, last)
}

// request is one instance.
func (c *Controller) request(p *pass, t template, subnetID, itype string) ec2.Launch {
	n := &p.group
	tags := minato.Tags{}
	maps.Copy(tags, t.tags)
	maps.Copy(tags, minato.Tags{
		"eks:cluster-name": n.ClusterName, "eks:nodegroup-name": n.Name, "aws:eks:cluster-name": n.ClusterName,
		"kubernetes.io/cluster/" + n.ClusterName: "owned", "k8s.io/cluster-autoscaler/enabled": "true",
		"k8s.io/cluster-autoscaler/" + n.ClusterName: "owned", groupTag: n.GroupName(), recordTag: p.item.ID,
		revisionTag: strconv.FormatInt(n.Spec.Revision, 10),
	})
	l := ec2.Launch{
		Count: 1, Type: itype, ImageID: t.imageID, SubnetID: subnetID, SecurityGroups: t.securityGroups, ProfileARN: p.profile, RoleARN: n.Spec.NodeRole,
		UserData: t.userData, DiskGiB: t.diskGiB, Spot: n.Spec.CapacityType == "SPOT", Metadata: t.metadata, Tags: tags, RequesterID: requester,
		InterfaceTags: t.interfaceTags(n.ClusterName),
	}
	if ref := n.Spec.Template; ref != nil {
		version, _ := strconv.ParseInt(ref.Version, 10, 64) // a number since it was resolved
		l.Template = &ec2.TemplateRef{ID: ref.ID, Version: version}
	}
	return l
}

// launchProblem says in EKS's words why an instance cannot be had.
func launchProblem(p *pass, err error) error {
	e, ok := errors.AsType[*minato.Error](err)
	if !ok {
		return err
	}
	spec := &p.group.Spec
	switch e.Reason {
	case "InsufficientFreeAddressesInSubnet":
		return problemf(issueAddresses, spec.SubnetIDs, "Amazon Autoscaling was unable to launch instances because there are not enough free addresses in the subnet associated with your AutoScaling group(s): %w", err)
	case "InvalidSubnetID.NotFound":
		return problemf(issueSubnet, spec.SubnetIDs, "%w", err)
	case "InvalidGroup.NotFound":
		return problemf(issueGroup, nil, "%w", err)
	case "InvalidAMIID.NotFound":
		return problemf(issueImage, []string{spec.ReleaseVersion}, "%w", err)
	}
	return problemf(issueLaunch, []string{p.group.GroupName()}, "%w", err)
}
