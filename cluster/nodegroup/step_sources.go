package nodegroup

import (
	"context"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
)

// checkSources looks whether what new nodes would be made from is still there, so that its owner hears of it before one is needed. The
// nodes that there are go on.
func (c *Controller) checkSources(ctx context.Context, p *pass) error {
	if _, missing, err := c.subnets(ctx, p); err != nil {
		return err
	} else if len(missing) > 0 {
		p.note(problemf(issueSubnet, missing, "The Amazon EC2 subnets %v of the nodegroup were not found", missing))
	}
	if ref := p.group.Spec.Template; ref != nil {
		_, _, err := c.deps.EC2.TemplateVersion(ctx, p.group.Scope, ec2.TemplateName{ID: ref.ID}, ref.Version)
		if minato.Is(err, minato.NotFound) {
			p.note(templateGone(ref))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// note adds a problem that ends nothing.
func (p *pass) note(pr *problem) {
	pr.fatal = false
	p.problems = append(p.problems, pr)
}

// subnets are those of the nodegroup that are still there, and the ids of those that are missing.
func (c *Controller) subnets(ctx context.Context, p *pass) (there []ec2.Subnet, missing []string, err error) {
	there, err = c.deps.EC2.Subnets(ctx, p.group.Scope, p.group.Spec.SubnetIDs)
	for _, id := range p.group.Spec.SubnetIDs {
		if !slices.ContainsFunc(there, func(n ec2.Subnet) bool { return n.ID == id }) {
			missing = append(missing, id)
		}
	}
	return there, missing, err
}
