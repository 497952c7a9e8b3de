package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam/policy"
)

// Quotas of managed policies.
const (
	maxManagedPolicySize = 6144
	maxPolicyVersions    = 5
)

// NewPolicy is what CreatePolicy takes.
type NewPolicy struct {
	Path        string // "/" if empty
	Name        string
	Document    string
	Description string
	Tags        minato.Tags
}

// CreatePolicy makes a managed policy with version v1.
func (s *Service) CreatePolicy(ctx context.Context, account string, in NewPolicy) (ManagedPolicy, error) {
	path, err := checkPath(in.Path, policyPathForm)
	if err == nil {
		err = checkName("policyName", in.Name, maxLongName)
	}
	if err == nil {
		err = checkDescription(in.Description)
	}
	if err == nil {
		err = CheckTags(in.Tags)
	}
	if err == nil {
		err = checkManagedDocument(in.Document)
	}
	if err != nil {
		return ManagedPolicy{}, err
	}
	now := s.clock.Now().UTC()
	p := ManagedPolicy{
		Account: account, Path: path, Name: in.Name, ID: newUniqueID(policyPrefix), Description: in.Description,
		Created: now, Updated: now, Tags: in.Tags, Default: "v1", LastVersion: 1,
		Versions: []PolicyVersion{{ID: "v1", Document: in.Document, Created: now}},
	}
	id := recordID(account, in.Name)
	return p, s.transact(ctx, func() ([]store.Op, error) {
		taken, err := exists(ctx, s.policies, id)
		if taken {
			err = alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", in.Name)
		}
		return []store.Op{s.policies.CreateOp(id, p)}, err
	})
}

func checkManagedDocument(document string) error {
	if _, err := parseDocument("policyDocument", document, policy.Identity); err != nil {
		return err
	}
	if policySize(document) > maxManagedPolicySize {
		return limitExceeded("Cannot exceed quota for PolicySize: %d", maxManagedPolicySize)
	}
	return nil
}

// getPolicy reads a customer's policy of the account by its whole ARN.
func (s *Service) getPolicy(ctx context.Context, account, arn string) (store.Item[ManagedPolicy], error) {
	var item store.Item[ManagedPolicy]
	parsed, err := minato.ParseARN(arn)
	if err != nil || parsed.Service != "iam" || parsed.ResourceType() != "policy" {
		return item, invalidInput("ARN %s is not valid.", arn)
	}
	item, err = s.policies.Get(ctx, recordID(parsed.Account, parsed.ResourceName()))
	if errors.Is(err, store.ErrNotFound) || (err == nil && (item.Value.ARN() != parsed || parsed.Account != account)) {
		return item, notFound("Policy %s was not found.", arn)
	}
	return item, err
}

// Policy reads a managed policy by its ARN, the account's own or AWS's.
func (s *Service) Policy(ctx context.Context, account, arn string) (ManagedPolicy, error) {
	p, err := s.holdPolicy(ctx, account, arn)
	if err != nil {
		return ManagedPolicy{}, err
	}
	return *p.ManagedPolicy, nil
}

// modifyPolicy changes a customer's policy; AWS's own cannot be changed.
func (s *Service) modifyPolicy(ctx context.Context, account, arn string, change func(*ManagedPolicy) error) error {
	if awsManaged(arn) != nil {
		return minato.Errorf(minato.Denied, "Policy %s is managed by AWS and cannot be changed.", arn).Because(AccessDenied)
	}
	return s.transact(ctx, func() ([]store.Op, error) {
		item, err := s.getPolicy(ctx, account, arn)
		if err == nil {
			err = change(&item.Value)
		}
		return []store.Op{s.policies.UpdateOp(item)}, err
	})
}

// DeletePolicy removes a policy that is used nowhere and has its default version only.
func (s *Service) DeletePolicy(ctx context.Context, account, arn string) error {
	if awsManaged(arn) != nil {
		return minato.Errorf(minato.Denied, "Policy %s is managed by AWS and cannot be deleted.", arn).Because(AccessDenied)
	}
	return s.transact(ctx, func() ([]store.Op, error) {
		item, err := s.getPolicy(ctx, account, arn)
		if err != nil {
			return nil, err
		}
		if len(item.Value.AttachedTo)+len(item.Value.BoundaryOf) > 0 {
			return nil, deleteConflict("Cannot delete a policy attached to entities.")
		}
		if len(item.Value.Versions) > 1 {
			return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the " +
				"policy's versions. The default version is deleted with the policy.")
		}
		return []store.Op{s.policies.DeleteOp(item)}, nil
	})
}

// CreatePolicyVersion adds a version, and puts it in force if setDefault.
func (s *Service) CreatePolicyVersion(ctx context.Context, account, arn, document string, setDefault bool) (v PolicyVersion, err error) {
	if err := checkManagedDocument(document); err != nil {
		return v, err
	}
	return v, s.modifyPolicy(ctx, account, arn, func(p *ManagedPolicy) error {
		if len(p.Versions) >= maxPolicyVersions {
			return limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an "+
				"existing version.", maxPolicyVersions)
		}
		p.LastVersion++
		v = PolicyVersion{ID: fmt.Sprintf("v%d", p.LastVersion), Document: document, Created: s.clock.Now().UTC()}
		p.Versions = append(p.Versions, v)
		p.Updated = v.Created
		if setDefault {
			p.Default = v.ID
		}
		return nil
	})
}

// SetDefaultPolicyVersion puts a version in force.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, account, arn, version string) error {
	return s.modifyPolicy(ctx, account, arn, func(p *ManagedPolicy) error {
		if p.Version(version) == nil {
			return noVersion(arn, version)
		}
		p.Default, p.Updated = version, s.clock.Now().UTC()
		return nil
	})
}

// DeletePolicyVersion removes a version that is not in force.
func (s *Service) DeletePolicyVersion(ctx context.Context, account, arn, version string) error {
	return s.modifyPolicy(ctx, account, arn, func(p *ManagedPolicy) error {
		if p.Version(version) == nil {
			return noVersion(arn, version)
		}
		if p.Default == version {
			return deleteConflict("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v PolicyVersion) bool { return v.ID == version })
		p.Updated = s.clock.Now().UTC()
		return nil
	})
}

// PolicyVersion reads one version of a managed policy, and whether it is in force.
func (s *Service) PolicyVersion(ctx context.Context, account, arn, version string) (v PolicyVersion, inForce bool, err error) {
	p, err := s.Policy(ctx, account, arn)
	if err != nil {
		return v, false, err
	}
	found := p.Version(version)
	if found == nil {
		return v, false, noVersion(arn, version)
	}
	return *found, p.Default == version, nil
}

func noVersion(arn, version string) error {
	return notFound("Policy %s version %s does not exist or is not attachable.", arn, version)
}

// TagPolicy adds tags to a customer's policy.
func (s *Service) TagPolicy(ctx context.Context, account, arn string, tags minato.Tags) error {
	return s.modifyPolicy(ctx, account, arn, func(p *ManagedPolicy) error { return addTags(&p.Tags, tags) })
}

// UntagPolicy takes tags from a customer's policy.
func (s *Service) UntagPolicy(ctx context.Context, account, arn string, keys []string) error {
	return s.modifyPolicy(ctx, account, arn, func(p *ManagedPolicy) error { removeTags(p.Tags, keys); return nil })
}

// PolicyFilter narrows a list of managed policies.
type PolicyFilter struct {
	Scope      string // "All" (or empty), "AWS" or "Local"
	PathPrefix string
	// OnlyAttached leaves out what nobody uses; Use says as what: "PermissionsPolicy", "PermissionsBoundary" or either.
	OnlyAttached bool
	Use          string
}

// PolicyUse is a managed policy with how many users, groups and roles of the account use it.
type PolicyUse struct {
	ManagedPolicy
	Attachments int
	Boundaries  int
}

// Policies lists the managed policies that an account may use, its own and AWS's, by name.
func (s *Service) Policies(ctx context.Context, account string, f PolicyFilter, p Page) ([]PolicyUse, string, error) {
	if f.Scope != "" && !slices.Contains([]string{"All", "AWS", "Local"}, f.Scope) {
		return nil, "", invalid("1 validation error detected: Value '%s' at 'scope' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [All, AWS, Local]", f.Scope)
	}
	uses, err := s.usage(ctx, account)
	if err != nil {
		return nil, "", err
	}
	var found []PolicyUse
	if f.Scope != "AWS" {
		own, err := all(ctx, s.policies, account, func(*ManagedPolicy) bool { return true })
		if err != nil {
			return nil, "", err
		}
		for _, p := range own {
			found = append(found, uses.of(p))
		}
	}
	if f.Scope != "Local" {
		for _, p := range sortedAWSPolicies() {
			found = append(found, uses.of(*p))
		}
	}
	found = slices.DeleteFunc(found, func(u PolicyUse) bool { return !f.keeps(u) })
	slices.SortFunc(found, func(a, b PolicyUse) int { return strings.Compare(a.key(), b.key()) })
	return slicePage(found, p, PolicyUse.key)
}

func (u PolicyUse) key() string { return u.Name + " " + u.Account }

func (f PolicyFilter) keeps(u PolicyUse) bool {
	used := u.Attachments+u.Boundaries > 0
	switch f.Use {
	case "PermissionsPolicy":
		used = u.Attachments > 0
	case "PermissionsBoundary":
		used = u.Boundaries > 0
	}
	return strings.HasPrefix(u.Path, f.PathPrefix) && (used || (!f.OnlyAttached && f.Use == ""))
}
