package eks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// CustomPoliciesPrefix is where the access policies that customers made lie: + account/name.
const CustomPoliciesPrefix = "/minato/eks/access-policies/"

// CustomPolicy is an access policy that an account made for its own clusters: an extension, EKS has none (docs/divergences.md).
type CustomPolicy struct {
	Account    string    `json:"account"`
	Name       string    `json:"name"`
	Rules      string    `json:"rules"` // as written, in the form of cluster/access/policies
	CreatedAt  time.Time `json:"createdAt"`
	ModifiedAt time.Time `json:"modifiedAt"`
}

// ARN is what access entries call the policy by. Those of AWS have "aws" for their account.
func (p *CustomPolicy) ARN() minato.ARN { return CustomPolicyARN(p.Account, p.Name) }

// CustomPolicyARN is the ARN of an account's own access policy.
func CustomPolicyARN(account, name string) minato.ARN {
	return minato.NewARN("eks", "", account, policyPrefix+name)
}

// CustomPolicies is the collection of access policies that customers made.
func CustomPolicies(s store.Store) *store.Collection[CustomPolicy] {
	return store.NewCollection[CustomPolicy](s, CustomPoliciesPrefix)
}

// CustomPolicyKey is the id of the record of an account's own access policy.
func CustomPolicyKey(account, name string) string { return store.ID(account, name) }

// maxCustomPolicies is how many access policies an account can make.
const maxCustomPolicies = 100

// customName is what the name of a customer's policy looks like.
var customName = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_.]{0,99}$`)

// checkCustomName keeps names of policies that are AWS's, or could be taken for it, from customers.
func (s *Service) checkCustomName(name string) error {
	if !customName.MatchString(name) {
		return minato.Errorf(minato.Invalid, "the name of an access policy has 1 to 100 letters, digits and -_. and begins with a letter, not %q", shorten(name))
	}
	lower := strings.ToLower(name)
	taken := slices.ContainsFunc(s.AccessPolicies, func(p AccessPolicy) bool { return strings.EqualFold(p.Name, name) })
	if taken || strings.HasPrefix(lower, "amazon") || strings.HasPrefix(lower, "aws") {
		return minato.Errorf(minato.Invalid, "the name %s could be taken for that of a policy of AWS: choose one that begins neither with Amazon nor AWS, nor is in list-access-policies", name)
	}
	return nil
}

// PutCustomPolicy makes an access policy of an account, or gives it other rules, and answers once these hold for everybody
// whom the policy is associated with. It asks for no authorization: no API offers it.
func (s *Service) PutCustomPolicy(ctx context.Context, account, name, rules string) (CustomPolicy, error) {
	err := s.checkCustomName(name)
	if err == nil {
		err = s.CheckPolicyRules(CustomPolicyARN(account, name), rules)
	}
	if err != nil {
		return CustomPolicy{}, err
	}
	for {
		policy, rev, err := s.writeCustomPolicy(ctx, account, name, rules)
		switch {
		case err == nil:
			return policy, s.awaitApplied(ctx, "The access policy is written", rev)
		case isRace(err) && ctx.Err() == nil:
			continue
		}
		return CustomPolicy{}, err
	}
}

func (s *Service) writeCustomPolicy(ctx context.Context, account, name, rules string) (CustomPolicy, store.Revision, error) {
	records, key := CustomPolicies(s.Store), CustomPolicyKey(account, name)
	now := s.Now().UTC().Truncate(time.Millisecond)
	item, err := records.Get(ctx, key)
	if err == nil {
		item.Value.Rules, item.Value.ModifiedAt = rules, now
		item, err = records.Put(ctx, item)
		return item.Value, item.Revision, err
	}
	if !errors.Is(err, store.ErrNotFound) {
		return CustomPolicy{}, 0, err
	}
	all, err := s.CustomPolicies(ctx, account)
	if err != nil {
		return CustomPolicy{}, 0, err
	}
	if len(all) >= maxCustomPolicies {
		return CustomPolicy{}, 0, minato.Errorf(minato.LimitExceeded, "account %s has %d access policies of its own already, at most %d are allowed", account, len(all), maxCustomPolicies)
	}
	item, err = records.Create(ctx, key, CustomPolicy{Account: account, Name: name, Rules: rules, CreatedAt: now, ModifiedAt: now})
	return item.Value, item.Revision, err
}

// CustomPolicies are the access policies that an account made, by name. Records that cannot be read are left out and logged.
func (s *Service) CustomPolicies(ctx context.Context, account string) ([]CustomPolicy, error) {
	page, err := CustomPolicies(s.Store).List(ctx, store.ID(account)+"/", "", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the access policies of account %s: %w", account, err)
	}
	for _, corrupt := range page.Corrupt {
		s.logCorrupt(ctx, corrupt)
	}
	all := make([]CustomPolicy, len(page.Items))
	for i, item := range page.Items {
		all[i] = item.Value
	}
	slices.SortFunc(all, func(a, b CustomPolicy) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// CustomPolicy is one access policy that an account made; an Error of kind NotFound if there is none of the name.
func (s *Service) CustomPolicy(ctx context.Context, account, name string) (CustomPolicy, error) {
	item, err := s.customPolicy(ctx, account, name)
	return item.Value, err
}

func (s *Service) customPolicy(ctx context.Context, account, name string) (store.Item[CustomPolicy], error) {
	item, err := CustomPolicies(s.Store).Get(ctx, CustomPolicyKey(account, name))
	if errors.Is(err, store.ErrNotFound) {
		return item, minato.Errorf(minato.NotFound, "account %s has no access policy %q of its own", account, shorten(name))
	}
	return item, err
}

// DeleteCustomPolicy removes an access policy that an account made, unless it is associated with an access entry. An
// association writes the policy's record too, so that none comes in between.
func (s *Service) DeleteCustomPolicy(ctx context.Context, account, name string) error {
	for {
		item, err := s.customPolicy(ctx, account, name)
		if err == nil {
			err = s.checkUnassociated(ctx, &item.Value)
		}
		if err != nil {
			return err
		}
		_, err = s.Store.Commit(ctx, CustomPolicies(s.Store).DeleteOp(item))
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		return err
	}
}

// checkUnassociated looks at every access entry of the policy's account. What cannot be read may have the policy.
func (s *Service) checkUnassociated(ctx context.Context, p *CustomPolicy) error {
	clusters, err := Clusters(s.Store).List(ctx, store.ID(p.Account)+"/", "", 0)
	if err != nil {
		return err
	}
	corrupt := clusters.Corrupt
	for _, cluster := range clusters.Items {
		entries, err := AccessEntries(s.Store).List(ctx, entriesOf(&cluster.Value), "", 0)
		if err != nil {
			return err
		}
		corrupt = append(corrupt, entries.Corrupt...)
		for _, e := range entries.Items {
			if e.Value.policy(p.ARN().String()) != nil {
				return minato.Errorf(minato.InUse, "the access policy %s is associated with the access entry of %s on cluster %s, and perhaps with others: disassociate it first "+
					"(aws eks list-access-entries --cluster-name %[3]s --associated-policy-arn %[4]s)", p.Name, e.Value.PrincipalARN, cluster.Value.Name, p.ARN())
			}
		}
	}
	if len(corrupt) > 0 {
		return minato.Errorf(minato.InUse, "the access policy %s may be associated with an access entry that cannot be read: %w", p.Name, corrupt[0])
	}
	return nil
}
