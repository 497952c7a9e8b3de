package ec2

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Bounds of a security group (CreateSecurityGroup; Amazon VPC quotas).
const (
	maxGroupText = 255 // characters of a name or description
	maxRules     = 60  // in each direction
)

var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*$`)

// NewSecurityGroupIn is a security group to be made.
type NewSecurityGroupIn struct {
	VPCID       string // empty for the default VPC
	Name        string
	Description string
	Tags        minato.Tags
}

// CreateSecurityGroup makes a security group that lets nothing in and everything out.
func (s *Service) CreateSecurityGroup(ctx context.Context, c Caller, n NewSecurityGroupIn) (SecurityGroup, error) {
	if n.VPCID == "" {
		network, err := s.defaults().Get(ctx, scopeID(c.Scope))
		if err != nil {
			return SecurityGroup{}, readError(s.defaults().Key(scopeID(c.Scope)), err)
		}
		n.VPCID = network.Value.VPCID
	}
	if _, err := s.findPart(ctx, c, "ec2:CreateSecurityGroup", securityGroupKind.resource, n.Tags, n.VPCID); err != nil {
		return SecurityGroup{}, err
	}
	if err := n.check(); err != nil {
		return SecurityGroup{}, err
	}
	g := newSecurityGroup(c.Scope, n.VPCID, n.Name, n.Description, n.Tags)
	g.Ingress = nil
	return g, s.commit(ctx, func() ([]store.Op, error) {
		alone, err := s.aloneOp(ctx, c.Scope, n.VPCID)
		if err != nil {
			return nil, err
		}
		all, err := list(ctx, s, s.securityGroups(), c.Scope)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o SecurityGroup) bool { return o.VPCID == n.VPCID && o.Name == n.Name }) {
			return nil, minato.Errorf(minato.AlreadyExists, "The security group '%s' already exists for VPC '%s'", n.Name, n.VPCID).Because("InvalidGroup.Duplicate")
		}
		return []store.Op{alone, s.securityGroups().CreateOp(recordID(c.Scope, g.ID), g)}, nil
	})
}

func (n NewSecurityGroupIn) check() error {
	switch {
	case n.Name == "":
		return missingParameter("groupName")
	case n.Description == "":
		return missingParameter("groupDescription")
	case n.Name == defaultGroupName:
		return invalid("Cannot use reserved security group name: %s", n.Name)
	case strings.HasPrefix(n.Name, "sg-"), len(n.Name) > maxGroupText, !groupText.MatchString(n.Name):
		return invalid("Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported, nor is the beginning 'sg-' or more than %d characters.", n.Name, maxGroupText)
	case len(n.Description) > maxGroupText, !groupText.MatchString(n.Description):
		return invalid("Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported, nor are more than %d characters.", n.Description, maxGroupText)
	}
	return nil
}

// GroupName names a security group by its id, or, in the default VPC, by its name.
type GroupName struct{ ID, Name string }

// groupID is the id of the group that is named.
func (s *Service) groupID(ctx context.Context, scope minato.Scope, name GroupName) (string, error) {
	switch {
	case name.ID != "":
		return name.ID, nil
	case name.Name == "":
		return "", missingParameter("groupId")
	}
	groups, err := list(ctx, s, s.securityGroups(), scope)
	if err != nil {
		return "", err
	}
	found, err := s.named(ctx, scope, groups, []string{name.Name})
	if err != nil {
		return "", err
	}
	return found[0].ID, nil
}

// DeleteSecurityGroup removes a security group that nothing uses or refers to.
func (s *Service) DeleteSecurityGroup(ctx context.Context, c Caller, name GroupName) (string, error) {
	id, err := s.groupID(ctx, c.Scope, name)
	if err != nil {
		return "", err
	}
	found, err := find(ctx, s, c, "ec2:DeleteSecurityGroup", &securityGroupKind, id)
	if err != nil {
		return "", err
	}
	return id, s.commit(ctx, func() ([]store.Op, error) {
		unchanged, err := s.nothingJoined(ctx, c.Scope, found.Value.VPCID)
		if err != nil {
			return nil, err
		}
		item, err := need(ctx, s, &securityGroupKind, c.Scope, id)
		if err != nil {
			return nil, err
		}
		if item.Value.Name == defaultGroupName {
			return nil, minato.Errorf(minato.WrongState, "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user", id, defaultGroupName).Because("CannotDelete")
		}
		return []store.Op{unchanged, s.securityGroups().DeleteOp(item)}, s.unusedGroup(ctx, item.Value)
	})
}

// ClusterTag is the tag of the security group that EKS makes for a cluster, whose control plane uses it.
const ClusterTag = "aws:eks:cluster-name"

func (s *Service) unusedGroup(ctx context.Context, g SecurityGroup) error {
	used := dependency("resource %s has a dependent object", g.ID)
	if _, ofCluster := g.Tags[ClusterTag]; ofCluster {
		return used
	}
	nics, err := list(ctx, s, s.interfaces(), g.Scope)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(nics, func(n Interface) bool { return slices.Contains(n.SecurityGroups, g.ID) }) {
		return used
	}
	groups, err := list(ctx, s, s.securityGroups(), g.Scope)
	if err != nil {
		return err
	}
	refers := func(r Rule) bool { return slices.Contains(r.Groups, g.ID) }
	for _, o := range groups {
		if o.ID != g.ID && (slices.ContainsFunc(o.Ingress, refers) || slices.ContainsFunc(o.Egress, refers)) {
			return used
		}
	}
	return nil
}
