// Package health finds what is wrong with a cluster's resources in AWS: those that CreateCluster was given, and that others may have
// deleted or used up since. EKS looks at them now and then; here records say when to look.
package health

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// Codes of what is found here, from the ClusterIssueCode enum of the EKS API.
const (
	issueRole      = "IamRoleNotFound"
	issueAccess    = "AccessDenied"
	issueSubnet    = "Ec2SubnetNotFound"
	issueAddresses = "InsufficientFreeAddresses"
	issueGroup     = "Ec2SecurityGroupNotFound"
)

var codes = []string{issueRole, issueAccess, issueSubnet, issueAddresses, issueGroup}

// fewestAddresses is how many addresses EKS wants free in a cluster's subnets, so that it can be upgraded ("Amazon EKS User Guide",
// Update existing cluster to new Kubernetes version).
const fewestAddresses = 5

// servicePrincipal is who assumes a cluster's role.
const servicePrincipal = "eks.amazonaws.com"

// World is what a cluster's resources are looked up in. The lookups of subnets and security groups answer what they find.
type World struct {
	// CheckRole is whether a role exists, else NotFound, and lets a service assume it for a resource, else Denied.
	CheckRole      func(ctx context.Context, role minato.ARN, service string, resource minato.ARN) error
	Subnets        func(ctx context.Context, scope minato.Scope, ids []string) ([]eks.Subnet, error)
	SecurityGroups func(ctx context.Context, scope minato.Scope, ids []string) ([]eks.SecurityGroup, error)
}

// checks are all that is looked at.
var checks = []func(context.Context, World, *eks.Cluster) ([]eks.HealthIssue, error){role, subnets, securityGroups}

// Issues are what is wrong with a cluster's resources now.
func (w World) Issues(ctx context.Context, c *eks.Cluster) (issues []eks.HealthIssue, err error) {
	for _, check := range checks {
		found, err := check(ctx, w, c)
		if err != nil {
			return nil, fmt.Errorf("looking at the resources of cluster %s: %w", c.Name, err)
		}
		issues = append(issues, found...)
	}
	return issues, nil
}

// Told are those of the issues in a cluster's record that are about its resources.
func Told(c *eks.Cluster) []eks.HealthIssue {
	return slices.DeleteFunc(slices.Clone(c.Status.Health), func(i eks.HealthIssue) bool { return !slices.Contains(codes, i.Code) })
}

// Same is whether issues are the same ones.
func Same(a, b []eks.HealthIssue) bool {
	return slices.EqualFunc(a, b, func(x, y eks.HealthIssue) bool {
		return x.Code == y.Code && x.Message == y.Message && slices.Equal(x.ResourceIDs, y.ResourceIDs)
	})
}

// role looks whether EKS can still assume the cluster's role.
func role(ctx context.Context, w World, c *eks.Cluster) ([]eks.HealthIssue, error) {
	arn := c.Spec.RoleARN
	issue := eks.HealthIssue{ResourceIDs: []string{arn.String()}}
	switch err := w.CheckRole(ctx, arn, servicePrincipal, c.ARN()); minato.KindOf(err) {
	case "":
		return nil, nil
	case minato.NotFound:
		issue.Code = issueRole
		issue.Message = fmt.Sprintf("We couldn't find the role associated with your cluster, %s. Create it again, with a trust policy that lets %s assume it.", arn, servicePrincipal)
	case minato.Denied:
		issue.Code = issueAccess
		issue.Message = fmt.Sprintf("We couldn't assume the role associated with your cluster, %s. Its trust policy must allow sts:AssumeRole to the service %s.", arn, servicePrincipal)
	default:
		return nil, err
	}
	return []eks.HealthIssue{issue}, nil
}

// subnets looks whether the cluster's subnets are there, and have addresses left.
func subnets(ctx context.Context, w World, c *eks.Cluster) (issues []eks.HealthIssue, err error) {
	found, err := w.Subnets(ctx, c.Scope, c.Spec.SubnetIDs)
	if err != nil {
		return nil, err
	}
	there := map[string]eks.Subnet{}
	for _, n := range found {
		there[n.ID] = n
	}
	var gone, full []string
	for _, id := range c.Spec.SubnetIDs {
		switch n, ok := there[id]; {
		case !ok:
			gone = append(gone, id)
		case n.FreeAddresses < fewestAddresses:
			full = append(full, id)
		}
	}
	if len(gone) > 0 {
		issues = append(issues, eks.HealthIssue{Code: issueSubnet, ResourceIDs: gone,
			Message: fmt.Sprintf("We couldn't find one or more subnets associated with your cluster: %s. Call UpdateClusterConfig with subnets that exist.", names(gone))})
	}
	if len(full) > 0 {
		issues = append(issues, eks.HealthIssue{Code: issueAddresses, ResourceIDs: full,
			Message: fmt.Sprintf("One or more of the subnets associated with your cluster have fewer than %d free IP addresses: %s. Free addresses, or call UpdateClusterConfig with other subnets.", fewestAddresses, names(full))})
	}
	return issues, nil
}

// securityGroups looks whether the cluster's own security group and those that it was given are there.
func securityGroups(ctx context.Context, w World, c *eks.Cluster) ([]eks.HealthIssue, error) {
	ids := append([]string{c.Spec.ClusterSecurityGroup}, c.Spec.SecurityGroupIDs...)
	found, err := w.SecurityGroups(ctx, c.Scope, ids)
	if err != nil {
		return nil, err
	}
	gone := slices.DeleteFunc(ids, func(id string) bool {
		return slices.ContainsFunc(found, func(g eks.SecurityGroup) bool { return g.ID == id })
	})
	if len(gone) == 0 {
		return nil, nil
	}
	return []eks.HealthIssue{{Code: issueGroup, ResourceIDs: gone,
		Message: fmt.Sprintf("We couldn't find one or more security groups associated with your cluster: %s. Call UpdateClusterConfig with security groups that exist.", names(gone))}}, nil
}

func names(ids []string) string { return strings.Join(ids, ", ") }
