package ec2

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Direction is which way a rule lets traffic through.
type Direction int

// The directions.
const (
	Ingress Direction = iota
	Egress
)

func (d Direction) String() string {
	if d == Egress {
		return "Egress"
	}
	return "Ingress"
}

func (d Direction) of(g *SecurityGroup) *[]Rule {
	if d == Egress {
		return &g.Egress
	}
	return &g.Ingress
}

// RuleView is a rule as it is described.
type RuleView struct {
	Rule
	Scope     minato.Scope
	GroupID   string
	Direction Direction
}

// AuthorizeRules adds rules to a security group, all or none.
func (s *Service) AuthorizeRules(ctx context.Context, c Caller, name GroupName, d Direction, specs []RuleSpec, tags minato.Tags) (added []RuleView, err error) {
	g, err := s.findGroup(ctx, c, "ec2:AuthorizeSecurityGroup"+d.String(), name, tags)
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		return nil, missingParameter("ipPermissions")
	}
	return added, s.commit(ctx, func() ([]store.Op, error) {
		g, err := need(ctx, s, &securityGroupKind, c.Scope, g.ID)
		if err != nil {
			return nil, err
		}
		rules, err := s.rulesOf(ctx, g.Value, specs)
		if err != nil {
			return nil, err
		}
		to := d.of(&g.Value)
		added = nil
		for _, r := range rules {
			if slices.ContainsFunc(*to, r.same) {
				return nil, r.duplicate()
			}
			r.ID, r.Tags = newID("sgr"), tags
			*to = append(*to, r)
			added = append(added, RuleView{r, c.Scope, g.Value.ID, d})
		}
		if len(*to) > maxRules {
			return nil, minato.Errorf(minato.LimitExceeded, "The maximum number of rules per security group has been reached: %d", maxRules).
				Because("RulesPerSecurityGroupLimitExceeded")
		}
		return s.ruleOps(c.Scope, g, rules), nil
	})
}

// ruleOps write a group, and hold that the groups its new rules name exist.
func (s *Service) ruleOps(scope minato.Scope, g store.Item[SecurityGroup], rules []Rule) []store.Op {
	ops := []store.Op{s.joinOp(scope, g.Value.VPCID), s.securityGroups().UpdateOp(g)}
	var named []string
	for _, r := range rules {
		for _, id := range r.Groups {
			if id != g.Value.ID && !slices.Contains(named, id) {
				named = append(named, id)
			}
		}
	}
	return append(ops, s.groupsExist(scope, named)...)
}

// findGroup reads a group that an action is on, and asks whether the caller may do it and make rules with tags.
func (s *Service) findGroup(ctx context.Context, c Caller, action string, name GroupName, tags minato.Tags) (SecurityGroup, error) {
	id, err := s.groupID(ctx, c.Scope, name)
	if err != nil {
		return SecurityGroup{}, err
	}
	dry := c
	dry.DryRun = false
	g, err := find(ctx, s, dry, action, &securityGroupKind, id)
	if err != nil {
		return g.Value, err
	}
	if len(tags) > 0 {
		return g.Value, s.allowCreate(ctx, c, action, ruleKind.resource, tags)
	}
	return g.Value, s.allow(ctx, c, action)
}

func (s *Service) rulesOf(ctx context.Context, g SecurityGroup, specs []RuleSpec) ([]Rule, error) {
	rules := make([]Rule, len(specs))
	for i, spec := range specs {
		peer := ""
		if spec.Group != (GroupName{}) {
			id, err := s.groupID(ctx, g.Scope, spec.Group)
			if err != nil {
				return nil, err
			}
			o, err := need(ctx, s, &securityGroupKind, g.Scope, id)
			if err != nil {
				return nil, err
			}
			if o.Value.VPCID != g.VPCID {
				return nil, minato.Errorf(minato.NotFound, "You have specified two resources that belong to different networks.").Because(securityGroupKind.notFound)
			}
			peer = id
		}
		rule, err := spec.rule(peer)
		if err != nil {
			return nil, err
		}
		rules[i] = rule
	}
	return rules, nil
}

// RevokeRules takes rules, by id or as they are, out of a security group, all or none.
func (s *Service) RevokeRules(ctx context.Context, c Caller, name GroupName, d Direction, ids []string, specs []RuleSpec) (revoked []RuleView, err error) {
	g, err := s.findGroup(ctx, c, "ec2:RevokeSecurityGroup"+d.String(), name, nil)
	if err != nil {
		return nil, err
	}
	if len(specs)+len(ids) == 0 {
		return nil, missingParameter("ipPermissions or securityGroupRuleIds")
	}
	return revoked, s.commit(ctx, func() ([]store.Op, error) {
		g, err := need(ctx, s, &securityGroupKind, c.Scope, g.ID)
		if err != nil {
			return nil, err
		}
		rules, err := s.rulesOf(ctx, g.Value, specs)
		if err != nil {
			return nil, err
		}
		from := d.of(&g.Value)
		revoked = nil
		take := func(i int) {
			revoked = append(revoked, RuleView{(*from)[i], c.Scope, g.Value.ID, d})
			*from = slices.Delete(*from, i, i+1)
		}
		for _, id := range ids {
			i := slices.IndexFunc(*from, func(r Rule) bool { return r.ID == id })
			if i < 0 {
				return nil, ruleKind.missing(id)
			}
			take(i)
		}
		for _, r := range rules {
			i := slices.IndexFunc(*from, r.same)
			if i < 0 {
				return nil, minato.Errorf(minato.NotFound, "The specified rule does not exist in this security group.").Because("InvalidPermission.NotFound")
			}
			take(i)
		}
		return []store.Op{s.securityGroups().UpdateOp(g)}, nil
	})
}

// RuleEdit is a change of the rule with an id.
type RuleEdit struct {
	ID   string
	Spec RuleSpec
}

// ModifyRules puts others in the place of rules of a security group, all or none. They keep their ids and tags.
func (s *Service) ModifyRules(ctx context.Context, c Caller, groupID string, edits []RuleEdit) error {
	g, err := s.findGroup(ctx, c, "ec2:ModifySecurityGroupRules", GroupName{ID: groupID}, nil)
	if err != nil {
		return err
	}
	if len(edits) == 0 {
		return missingParameter("SecurityGroupRule")
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		g, err := need(ctx, s, &securityGroupKind, c.Scope, g.ID)
		if err != nil {
			return nil, err
		}
		var changed []Rule
		for _, e := range edits {
			rule, rules := g.Value.rule(e.ID)
			if rule == nil {
				return nil, ruleKind.missing(e.ID)
			}
			news, err := s.rulesOf(ctx, g.Value, []RuleSpec{e.Spec})
			if err != nil {
				return nil, err
			}
			n := news[0]
			if slices.ContainsFunc(rules, func(o Rule) bool { return o.ID != e.ID && n.same(o) }) {
				return nil, n.duplicate()
			}
			n.ID, n.Tags = rule.ID, rule.Tags
			*rule = n
			changed = append(changed, n)
		}
		return s.ruleOps(c.Scope, g, changed), nil
	})
}

// rule finds a rule of the group by its id, and all those of its direction.
func (g *SecurityGroup) rule(id string) (*Rule, []Rule) {
	for _, rules := range [][]Rule{g.Ingress, g.Egress} {
		if i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id }); i >= 0 {
			return &rules[i], rules
		}
	}
	return nil, nil
}

// DescribeRulesAs gives rules of a security group, by id or as they are, new descriptions.
func (s *Service) DescribeRulesAs(ctx context.Context, c Caller, name GroupName, d Direction, byID map[string]string, specs []RuleSpec) error {
	g, err := s.findGroup(ctx, c, "ec2:UpdateSecurityGroupRuleDescriptions"+d.String(), name, nil)
	if err != nil {
		return err
	}
	if len(specs)+len(byID) == 0 {
		return missingParameter("ipPermissions or securityGroupRuleDescriptions")
	}
	return s.commit(ctx, func() ([]store.Op, error) {
		g, err := need(ctx, s, &securityGroupKind, c.Scope, g.ID)
		if err != nil {
			return nil, err
		}
		rules, err := s.rulesOf(ctx, g.Value, specs)
		if err != nil {
			return nil, err
		}
		of := *d.of(&g.Value)
		for id, description := range byID {
			i := slices.IndexFunc(of, func(r Rule) bool { return r.ID == id })
			if i < 0 {
				return nil, ruleKind.missing(id)
			}
			of[i].Description = description
		}
		for _, r := range rules {
			i := slices.IndexFunc(of, r.same)
			if i < 0 {
				return nil, minato.Errorf(minato.NotFound, "The specified rule does not exist in this security group.").Because("InvalidPermission.NotFound")
			}
			of[i].Description = r.Description
		}
		return []store.Op{s.securityGroups().UpdateOp(g)}, nil
	})
}

// DescribeRules lists the rules of the security groups of the caller's account and region.
func (s *Service) DescribeRules(ctx context.Context, c Caller, d Describe) (Page[RuleView], error) {
	return describe(ctx, s, c, "ec2:DescribeSecurityGroupRules", d, &ruleKind, func() ([]RuleView, error) {
		groups, err := list(ctx, s, s.securityGroups(), c.Scope)
		var all []RuleView
		for _, g := range groups {
			all = append(all, g.views()...)
		}
		return all, err
	})
}

func (g SecurityGroup) views() (all []RuleView) {
	for _, d := range []Direction{Ingress, Egress} {
		for _, r := range *d.of(&g) {
			all = append(all, RuleView{r, g.Scope, g.ID, d})
		}
	}
	return all
}
