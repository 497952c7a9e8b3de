package ec2

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// InstanceView is an instance as it is described.
type InstanceView struct {
	Instance
	Interface  Interface // zero when the instance has terminated
	GroupNames map[string]string
	ProfileID  string // of the instance profile, while it exists
	ZoneID     string
}

// Code is the state's number in EC2's API.
func (s InstanceState) Code() int {
	switch s {
	case InstanceRunning:
		return 16
	case InstanceShuttingDown:
		return 32
	case InstanceTerminated:
		return 48
	}
	return 0
}

// Tokens is how EC2 says whether IMDSv1 is let in.
func (m MetadataOptions) Tokens() string {
	if m.TokensOptional {
		return "optional"
	}
	return "required"
}

// Architecture is that of the instance's type.
func (i InstanceView) Architecture() string {
	t, _ := InstanceTypeByName(i.Type)
	return t.Architecture
}

// Lifecycle is spot, or empty.
func (i InstanceView) Lifecycle() string {
	if i.Spot {
		return "spot"
	}
	return ""
}

func (i InstanceView) groupNames() []string {
	return texts(i.SecurityGroups, func(id string) string { return i.GroupNames[id] })
}

func (i InstanceView) reasonCode() string {
	if i.Reason == nil {
		return ""
	}
	return i.Reason.Code
}

// Status is how the instance is, and whether it can be reached, as status checks say it; of what does not run the latter is empty.
func (i InstanceView) Status() (status, reachability string) {
	switch i.State {
	case InstanceRunning:
		return "ok", "passed"
	case InstancePending:
		return "initializing", "initializing"
	}
	return "not-applicable", ""
}

func (i InstanceView) reasonMessage() string {
	if i.Reason == nil {
		return ""
	}
	return i.Reason.Message
}

// DescribeInstances lists the instances of the caller's account and region, by reservation; those that have terminated for an
// hour after.
func (s *Service) DescribeInstances(ctx context.Context, c Caller, d Describe) (Page[InstanceView], error) {
	return s.describeInstances(ctx, c, "ec2:DescribeInstances", d)
}

// DescribeInstanceStatus lists instances for whoever asks how they are: running ones, unless all are asked for.
func (s *Service) DescribeInstanceStatus(ctx context.Context, c Caller, d Describe, all bool) (Page[InstanceView], error) {
	if !all {
		d.Filters = append(d.Filters, Filter{"instance-state-name", []string{string(InstanceRunning)}})
	}
	return s.describeInstances(ctx, c, "ec2:DescribeInstanceStatus", d)
}

// DescribeCreditSpecifications lists instances for whoever asks how their CPU credits are spent.
func (s *Service) DescribeCreditSpecifications(ctx context.Context, c Caller, d Describe) (Page[InstanceView], error) {
	page, err := s.describeInstances(ctx, c, "ec2:DescribeInstanceCreditSpecifications", d)
	page.Items = slices.DeleteFunc(page.Items, func(i InstanceView) bool {
		t, _ := InstanceTypeByName(i.Type)
		return !t.Burstable
	})
	return page, err
}

func (s *Service) describeInstances(ctx context.Context, c Caller, action string, d Describe) (Page[InstanceView], error) {
	return describe(ctx, s, c, action, d, &instanceViewKind, func() ([]InstanceView, error) {
		all, err := list(ctx, s, s.instances(), c.Scope)
		if err != nil {
			return nil, err
		}
		return s.ViewInstances(ctx, c.Scope, slices.DeleteFunc(all, s.forgotten))
	})
}

// ViewInstances are instances of one scope as they are described.
func (s *Service) ViewInstances(ctx context.Context, scope minato.Scope, all []Instance) ([]InstanceView, error) {
	nics, err := list(ctx, s, s.interfaces(), scope)
	if err != nil {
		return nil, err
	}
	byID := map[string]Interface{}
	for _, n := range nics {
		byID[n.ID] = n
	}
	groups, err := list(ctx, s, s.securityGroups(), scope)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	zones := map[string]string{}
	for _, z := range Zones(scope.Region) {
		zones[z.Name] = z.ID
	}
	profiles := map[minato.ARN]string{}
	views := make([]InstanceView, len(all))
	for k, i := range all {
		if _, asked := profiles[i.ProfileARN]; !asked && !i.ProfileARN.IsZero() {
			p, err := s.Profile(ctx, scope.Account, i.ProfileARN.ResourceName())
			if err != nil && !minato.Is(err, minato.NotFound) {
				return nil, err
			}
			profiles[i.ProfileARN] = p.ID
		}
		views[k] = InstanceView{i, byID[i.InterfaceID], names, profiles[i.ProfileARN], zones[i.Zone]}
	}
	return views, nil
}

// InstanceForAttribute reads an instance for whoever may see an attribute of it.
func (s *Service) InstanceForAttribute(ctx context.Context, c Caller, id string) (InstanceView, error) {
	item, err := find(ctx, s, c, "ec2:DescribeInstanceAttribute", &instanceKind, id)
	if err != nil {
		return InstanceView{}, err
	}
	views, err := s.ViewInstances(ctx, c.Scope, []Instance{item.Value})
	if err != nil {
		return InstanceView{}, err
	}
	return views[0], nil
}

// StateChange is an instance's state before and after a call.
type StateChange struct {
	ID            string
	Before, After InstanceState
}

// maxTerminate is how many instances one call may terminate: they are one commit.
const maxTerminate = 100

// TerminateInstances tells instances to go.
func (s *Service) TerminateInstances(ctx context.Context, c Caller, ids []string) ([]StateChange, error) {
	switch {
	case len(ids) == 0:
		return nil, missingParameter("InstanceId")
	case len(ids) > maxTerminate:
		return nil, invalid("%d instances were given: want %d at most in one request", len(ids), maxTerminate)
	}
	dry := c
	dry.DryRun = false
	for _, id := range ids {
		if _, err := find(ctx, s, dry, "ec2:TerminateInstances", &instanceKind, id); err != nil {
			return nil, err
		}
	}
	if c.DryRun {
		return nil, errDryRun()
	}
	var changes []StateChange
	err := s.commit(ctx, func() ([]store.Op, error) {
		changes = nil
		for _, id := range ids {
			item, err := need(ctx, s, &instanceKind, c.Scope, id)
			if err != nil {
				return nil, err
			}
			after := item.Value.State
			if !item.Value.Ended() {
				after = InstanceShuttingDown
			}
			changes = append(changes, StateChange{id, item.Value.State, after})
		}
		return s.TerminateOps(ctx, c.Scope, slices.Compact(slices.Sorted(slices.Values(ids))), reasonUserShutdown)
	})
	return changes, err
}

// DescribeImages lists the images that can be launched. Owners, by id or alias, narrow them.
func (s *Service) DescribeImages(ctx context.Context, c Caller, d Describe, owners []string) (Page[Image], error) {
	return describe(ctx, s, c, "ec2:DescribeImages", d, &imageKind, func() ([]Image, error) {
		if len(owners) > 0 && !slices.Contains(owners, ImageOwner) && !slices.Contains(owners, ImageOwnerAlias) {
			return nil, nil
		}
		return s.Images(), nil
	})
}

// DescribeInstanceTypes lists the instance types that can be launched.
func (s *Service) DescribeInstanceTypes(ctx context.Context, c Caller, d Describe) (Page[InstanceType], error) {
	return describe(ctx, s, c, "ec2:DescribeInstanceTypes", d, &instanceTypeKind, func() ([]InstanceType, error) { return InstanceTypes(), nil })
}

// DescribeOfferings lists where instance types can be launched: everywhere. Locations are regions, or zones by name or id.
func (s *Service) DescribeOfferings(ctx context.Context, c Caller, d Describe, locations string) (Page[Offering], error) {
	return describe(ctx, s, c, "ec2:DescribeInstanceTypeOfferings", d, &offeringKind, func() ([]Offering, error) {
		var where []string
		for _, z := range Zones(c.Scope.Region) {
			switch locations {
			case "", "region":
				where = []string{string(c.Scope.Region)}
			case "availability-zone":
				where = append(where, z.Name)
			case "availability-zone-id":
				where = append(where, z.ID)
			default:
				return nil, invalid("Value (%s) for parameter locationType is invalid: want region, availability-zone or availability-zone-id", locations)
			}
		}
		var all []Offering
		for _, t := range instanceTypes {
			for _, l := range where {
				all = append(all, Offering{t.Name, l})
			}
		}
		return all, nil
	})
}
