package eks

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

const (
	// maxSessionPolicy is how many characters a session policy can have (STS API reference, AssumeRole).
	maxSessionPolicy = 2048
	// maxServiceAccount is how long a ServiceAccount's name can be (RFC 1123 subdomain).
	maxServiceAccount = 253
)

// serviceAccountName is a ServiceAccount's name (RFC 1123 subdomain).
var serviceAccountName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// takesIdentities is whether the cluster is there for associations. A registered one takes them before it is connected.
func (c *Cluster) takesIdentities() bool {
	return slices.Contains([]ClusterStatus{ClusterActive, ClusterUpdating, ClusterPending}, c.Status.Status)
}

// checkPodSubject checks the namespace and the ServiceAccount of an association. Neither needs to exist.
func checkPodSubject(namespace, serviceAccount string) error {
	if !namespaceName.MatchString(namespace) {
		return minato.Errorf(minato.Invalid, "The namespace %q is not valid: want 1 to 63 lower case letters, digits and hyphens, beginning and ending with a letter or digit", shorten(namespace))
	}
	if len(serviceAccount) > maxServiceAccount || !serviceAccountName.MatchString(serviceAccount) {
		return minato.Errorf(minato.Invalid, "The serviceAccount %q is not valid: want 1 to %d lower case letters, digits, hyphens and dots, beginning and ending with a letter or digit", shorten(serviceAccount), maxServiceAccount)
	}
	return nil
}

// checkPodRole checks the role of an association, and that the caller may give it to pods. What it trusts is not asked, as on EKS:
// that is for EKS Auth to find out.
func (s *Service) checkPodRole(ctx context.Context, c Caller, cluster *Cluster, role string) (minato.ARN, error) {
	arn, err := parseRoleARN("roleArn", role, c.Scope.Account)
	if err != nil {
		return arn, err
	}
	if arn.Account != c.Scope.Account {
		return arn, minato.Errorf(minato.Invalid, "Cross-account pass role is not allowed: the role %s is of another account than %s. Name it as targetRoleArn, and as roleArn a role that may assume it", arn, c.Scope.Account)
	}
	passing := conditions{"iam:passedtoservice": {PodIdentityServicePrincipal}, "iam:associatedresourcearn": {cluster.ARN().String()}}
	if err := s.authorize(ctx, c, "iam:PassRole", arn, passing); err != nil {
		return arn, err
	}
	if err := s.authorize(ctx, c, "iam:GetRole", arn); err != nil {
		return arn, err
	}
	switch _, err := s.PrincipalID(ctx, arn); minato.KindOf(err) {
	case "":
		return arn, nil
	case minato.NotFound: // Terraform tries again on these words
		return arn, minato.Errorf(minato.Invalid, "Role provided in the request does not exist.")
	default:
		return arn, fmt.Errorf("checking the role of a Pod Identity association: %w", err)
	}
}

// checkTargetRole checks the form of the target role's ARN; empty is none. Whether it may be assumed is for its own account to say,
// when a pod asks.
func checkTargetRole(role, account string) (minato.ARN, error) {
	if role == "" {
		return minato.ARN{}, nil
	}
	return parseRoleARN("targetRoleArn", role, account)
}

func parseRoleARN(member, role, account string) (minato.ARN, error) {
	arn, err := minato.ParseARN(role)
	if err != nil || arn.Service != "iam" || arn.ResourceType() != "role" || arn.ResourceName() == "" || !minato.ValidAccountID(arn.Account) {
		return arn, minato.Errorf(minato.Invalid, "%s %q is not the ARN of an IAM role: want arn:aws:iam::%s:role/NAME", member, shorten(role), account)
	}
	return arn, nil
}

// checkPodPolicy checks the session policy of an association. Session tags and a policy do not fit into one session (EKS API
// reference, CreatePodIdentityAssociation).
func checkPodPolicy(a *PodIdentityAssociation) error {
	if a.Policy == "" {
		return nil
	}
	if !a.DisableSessionTags {
		return minato.Errorf(minato.Invalid, "A policy cannot be used together with session tags: set disableSessionTags to true")
	}
	if n := utf8.RuneCountInString(a.Policy); n > maxSessionPolicy {
		return minato.Errorf(minato.Invalid, "The policy has %d characters, at most %d are allowed", n, maxSessionPolicy)
	}
	if _, err := policy.Parse(a.Policy, policy.Identity); err != nil {
		return minato.Errorf(minato.Invalid, "The policy is not valid: %s", err)
	}
	return nil
}
