package eks

import (
	"context"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// AccessPolicy is an access policy that there is: one of AWS, or a CustomPolicy.
type AccessPolicy struct {
	Name string
	ARN  minato.ARN
	// Unassociable is why it cannot be associated with an access entry, as the end of a sentence that names it; empty if it can.
	Unassociable string
}

const policyPrefix = "cluster-access-policy/"

// ofAWS is the account in the ARNs of AWS's own access policies.
const ofAWS = "aws"

func policyARN(name string) minato.ARN { return minato.NewARN("eks", "", ofAWS, policyPrefix+name) }

// parsePolicyARN reads the ARN of an access policy, whether there is such a policy or not.
func parsePolicyARN(policy string) (minato.ARN, error) {
	arn, err := minato.ParseARN(policy)
	known := arn.Account == ofAWS || minato.ValidAccountID(arn.Account)
	if err != nil || !known || arn != CustomPolicyARN(arn.Account, arn.ResourceID()) || arn.ResourceID() == "" {
		return minato.ARN{}, minato.Errorf(minato.Invalid, "The policyArn parameter format is not valid. Want one such as %s, not %q", policyARN("AmazonEKSViewPolicy"), shorten(policy))
	}
	return arn, nil
}

// associablePolicy is the policy of an ARN, if it can be associated with an access entry of an account's cluster. What has to
// be written along with the association is in ops.
func (s *Service) associablePolicy(ctx context.Context, account, policy string) (arn minato.ARN, ops []store.Op, err error) {
	if arn, err = parsePolicyARN(policy); err != nil {
		return arn, nil, err
	}
	unknown := minato.Errorf(minato.NotFound, "The specified policyArn could not be found. You can view the available access policies with 'list-access-policies'.")
	if arn.Account != ofAWS {
		if arn.Account != account {
			return arn, nil, unknown
		}
		item, err := s.customPolicy(ctx, account, arn.ResourceID())
		if minato.Is(err, minato.NotFound) {
			return arn, nil, unknown
		}
		return arn, []store.Op{CustomPolicies(s.Store).UpdateOp(item)}, err // see DeleteCustomPolicy
	}
	i := slices.IndexFunc(s.AccessPolicies, func(p AccessPolicy) bool { return p.ARN == arn })
	if i < 0 {
		return arn, nil, unknown
	}
	if why := s.AccessPolicies[i].Unassociable; why != "" {
		return arn, nil, minato.Errorf(minato.Invalid, "The access policy %s cannot be associated with an access entry: %s", arn.ResourceID(), why)
	}
	return arn, nil, nil
}

// AssociateAccessPolicyRequest asks for an access policy to hold for the principal of an access entry.
type AssociateAccessPolicyRequest struct {
	ClusterName  string
	PrincipalARN string
	PolicyARN    string
	ScopeType    string // cluster or namespace
	Namespaces   []string
}

// AssociateAccessPolicy associates an access policy with an access entry, or gives the association another scope.
func (s *Service) AssociateAccessPolicy(ctx context.Context, c Caller, r AssociateAccessPolicyRequest) (AccessEntry, AssociatedPolicy, error) {
	asked := func(*AccessEntry) conditions { return scopeConditions(r.PolicyARN, r.ScopeType, r.Namespaces) }
	var associated AssociatedPolicy
	_, entry, err := s.modifyEntry(ctx, c, "eks:AssociateAccessPolicy", r.ClusterName, r.PrincipalARN, asked, func(e *AccessEntry) ([]store.Op, error) {
		arn, ops, err := s.associablePolicy(ctx, c.Scope.Account, r.PolicyARN)
		if err == nil {
			err = checkAccessScope(r.ScopeType, r.Namespaces)
		}
		if err != nil {
			return nil, err
		}
		if !hasPolicies(e.Type) {
			return nil, minato.Errorf(minato.WrongState, "Access policies cannot be associated with an access entry of the type %s: its rights are given by its type", e.Type)
		}
		now := s.Now().UTC().Truncate(time.Millisecond)
		associated = AssociatedPolicy{PolicyARN: arn, ScopeType: r.ScopeType, Namespaces: r.Namespaces, AssociatedAt: now, ModifiedAt: now}
		if there := e.policy(r.PolicyARN); there != nil {
			associated.AssociatedAt = there.AssociatedAt
			*there = associated
			return ops, nil
		}
		if len(e.Policies) >= maxEntryPolicies {
			return nil, minato.Errorf(minato.WrongState, "The access entry has %d access policies already, at most %d are allowed", len(e.Policies), maxEntryPolicies)
		}
		e.Policies = append(e.Policies, associated)
		return ops, nil
	})
	return entry, associated, err
}

// DisassociateAccessPolicy takes an access policy off an access entry.
func (s *Service) DisassociateAccessPolicy(ctx context.Context, c Caller, clusterName, principal, policy string) error {
	asked := func(e *AccessEntry) conditions {
		if there := e.policy(policy); there != nil {
			return scopeConditions(policy, there.ScopeType, there.Namespaces)
		}
		return scopeConditions(policy, "", nil)
	}
	_, _, err := s.modifyEntry(ctx, c, "eks:DisassociateAccessPolicy", clusterName, principal, asked, func(e *AccessEntry) ([]store.Op, error) {
		if _, err := parsePolicyARN(policy); err != nil {
			return nil, err
		}
		if e.policy(policy) == nil {
			return nil, minato.Errorf(minato.NotFound, "The specified policyArn is not associated with the access entry.")
		}
		e.Policies = slices.DeleteFunc(e.Policies, func(p AssociatedPolicy) bool { return p.PolicyARN.String() == policy })
		return nil, nil
	})
	return err
}

// AssociatedPolicyList is one page of an entry's access policies, by name.
type AssociatedPolicyList struct {
	Entry     AccessEntry
	Policies  []AssociatedPolicy
	NextToken string
}

// ListAssociatedAccessPolicies lists the access policies of an access entry.
func (s *Service) ListAssociatedAccessPolicies(ctx context.Context, c Caller, clusterName, principal string, page PageRequest) (AssociatedPolicyList, error) {
	_, entry, err := s.accessEntry(ctx, c, "eks:ListAssociatedAccessPolicies", clusterName, principal, nil)
	if err != nil {
		return AssociatedPolicyList{}, err
	}
	policies, next, err := pageOf(entry.Value.Policies, "associatedAccessPolicies", page, func(p AssociatedPolicy) string { return p.PolicyARN.ResourceID() })
	return AssociatedPolicyList{Entry: entry.Value, Policies: policies, NextToken: next}, withCluster(err, clusterName)
}

// AccessPolicyList is one page of the access policies that there are: those of AWS by name, then those of the account.
type AccessPolicyList struct {
	Policies  []AccessPolicy
	NextToken string
}

// ListAccessPolicies lists the access policies that there are.
func (s *Service) ListAccessPolicies(ctx context.Context, c Caller, page PageRequest) (AccessPolicyList, error) {
	if err := s.authorize(ctx, c, "eks:ListAccessPolicies", accountARN(c.Scope)); err != nil {
		return AccessPolicyList{}, err
	}
	own, err := s.CustomPolicies(ctx, c.Scope.Account)
	if err != nil {
		return AccessPolicyList{}, err
	}
	all := slices.Clone(s.AccessPolicies)
	for _, p := range own {
		all = append(all, AccessPolicy{Name: p.Name, ARN: p.ARN()})
	}
	policies, next, err := pageOf(all, "accessPolicies", page, AccessPolicy.place)
	return AccessPolicyList{Policies: policies, NextToken: next}, err
}

// place is what policies are listed by: a tilde comes after every letter.
func (p AccessPolicy) place() string {
	if p.ARN.Account == ofAWS {
		return p.Name
	}
	return "~" + p.Name
}

// pageOf is the page of a list in memory behind the item that the token names, which may have gone since: then it is where
// the order of names would have it.
func pageOf[T any](all []T, list string, page PageRequest, name func(T) string) (items []T, next string, err error) {
	limit, err := page.limit()
	if err != nil {
		return nil, "", err
	}
	after, err := page.after(list)
	if err != nil {
		return nil, "", err
	}
	all = slices.SortedFunc(slices.Values(all), func(a, b T) int { return strings.Compare(name(a), name(b)) })
	start, found := slices.BinarySearchFunc(all, after, func(item T, after string) int { return strings.Compare(name(item), after) })
	if found {
		start++
	}
	items = all[start:min(start+limit, len(all))]
	if start+len(items) < len(all) {
		next = nextToken(list, name(items[len(items)-1]))
	}
	return items, next, nil
}
