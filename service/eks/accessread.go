package eks

import (
	"context"
	"errors"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// ARN is the entry's ARN: arn:aws:eks:REGION:ACCOUNT:access-entry/CLUSTER/{role|user}/ACCOUNT/NAME/UUID.
func (e *AccessEntry) ARN(c *Cluster) minato.ARN {
	return entryARN(c.Scope, c.Name, e.PrincipalARN, e.UUID)
}

func entryARN(scope minato.Scope, clusterName string, principal minato.ARN, uuid string) minato.ARN {
	kind := principal.ResourceType()
	if kind == "root" {
		kind = "user"
	}
	return minato.NewARN("eks", string(scope.Region), scope.Account,
		"access-entry/"+clusterName+"/"+kind+"/"+principal.Account+"/"+principal.ResourceName()+"/"+uuid)
}

// entriesOf is the id prefix of a cluster's access entries.
func entriesOf(c *Cluster) string { return store.ID(c.ID) + "/" }

// checkEntriesOn refuses access entries where a cluster's mode has none.
func checkEntriesOn(c *Cluster) error {
	if c.Spec.AuthenticationMode == modeConfigMap {
		return minato.Errorf(minato.WrongState, "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.").
			With("clusterName", c.Name)
	}
	return nil
}

// checkEntriesWritable is checkEntriesOn for changes, which a cluster must be there for.
func checkEntriesWritable(c *Cluster) error {
	if c.Status.Status != ClusterActive && c.Status.Status != ClusterUpdating {
		return minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", c.Name).With("clusterName", c.Name)
	}
	return checkEntriesOn(c)
}

// entryKeys are the condition keys of a request about an access entry, which is zero where there is none. Nil has none.
type entryKeys func(*AccessEntry) conditions

// accessEntry reads an access entry and its cluster for an action, and authorizes it.
func (s *Service) accessEntry(ctx context.Context, c Caller, action, clusterName, principal string, asked entryKeys) (cluster store.Item[Cluster], entry store.Item[AccessEntry], err error) {
	who, err := parseEntryPrincipal(principal)
	if err != nil {
		return cluster, entry, withCluster(err, clusterName)
	}
	cluster, clusterErr := Clusters(s.Store).Get(ctx, ClusterKey(c.Scope, clusterName))
	entryErr := store.ErrNotFound
	if clusterErr == nil {
		entry, entryErr = AccessEntries(s.Store).Get(ctx, AccessEntryKey(cluster.Value.ID, who))
	}
	uuid := entry.Value.UUID
	if uuid == "" {
		uuid = "*"
	}
	keys := []conditions{entryConditions(clusterName, who, &entry.Value)}
	if asked != nil {
		keys = append(keys, asked(&entry.Value))
	}
	if err := s.authorize(ctx, c, action, entryARN(c.Scope, clusterName, who, uuid), keys...); err != nil {
		return cluster, entry, err
	}
	if clusterErr != nil {
		return cluster, entry, s.clusterError(ctx, clusterName, clusterErr)
	}
	if err := checkEntriesOn(&cluster.Value); err != nil {
		return cluster, entry, err
	}
	if errors.Is(entryErr, store.ErrNotFound) {
		return cluster, entry, minato.Errorf(minato.NotFound, "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.").
			With("clusterName", clusterName)
	}
	return cluster, entry, s.clusterError(ctx, clusterName, entryErr)
}

// parseEntryPrincipal is parsePrincipal for an entry that is there: an account's root has one where it created the cluster.
func parseEntryPrincipal(principal string) (minato.ARN, error) {
	if arn, err := minato.ParseARN(principal); err == nil && arn == minato.NewARN("iam", "", arn.Account, "root") {
		return arn, nil
	}
	return parsePrincipal(principal)
}

// DescribeAccessEntry reads the access entry of a principal, and its cluster.
func (s *Service) DescribeAccessEntry(ctx context.Context, c Caller, clusterName, principal string) (Cluster, AccessEntry, error) {
	cluster, entry, err := s.accessEntry(ctx, c, "eks:DescribeAccessEntry", clusterName, principal, nil)
	return cluster.Value, entry.Value, err
}

// AccessEntryList is one page of the principals that have an access entry.
type AccessEntryList struct {
	Principals []minato.ARN
	NextToken  string
}

// ListAccessEntries lists the principals that have an access entry on a cluster; with a policy's ARN those that have this one.
func (s *Service) ListAccessEntries(ctx context.Context, c Caller, clusterName, policyARN string, page PageRequest) (AccessEntryList, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListAccessEntries", clusterName)
	if err == nil {
		err = checkEntriesOn(&cluster.Value)
	}
	if err != nil {
		return AccessEntryList{}, err
	}
	limit, err := page.limit()
	if err != nil {
		return AccessEntryList{}, withCluster(err, clusterName)
	}
	after, err := page.after("accessEntries")
	if err != nil {
		return AccessEntryList{}, withCluster(err, clusterName)
	}
	if policyARN != "" {
		if _, err := parsePolicyARN(policyARN); err != nil {
			return AccessEntryList{}, withCluster(err, clusterName)
		}
	}
	return s.entryPage(ctx, &cluster.Value, policyARN, after, limit)
}

// entryPage reads on until it has a page of those entries that are asked for.
func (s *Service) entryPage(ctx context.Context, cluster *Cluster, policyARN, after string, limit int) (AccessEntryList, error) {
	list := AccessEntryList{Principals: []minato.ARN{}}
	prefix := entriesOf(cluster)
	if after != "" {
		after = prefix + after
	}
	for {
		found, err := AccessEntries(s.Store).List(ctx, prefix, after, limit)
		if err != nil {
			return AccessEntryList{}, s.clusterError(ctx, cluster.Name, err)
		}
		for _, corrupt := range found.Corrupt {
			s.logCorrupt(ctx, corrupt)
		}
		for i, item := range found.Items {
			if policyARN != "" && item.Value.policy(policyARN) == nil {
				continue
			}
			list.Principals = append(list.Principals, item.Value.PrincipalARN)
			more := found.Next != "" || i < len(found.Items)-1
			if len(list.Principals) == limit && more {
				list.NextToken = nextToken("accessEntries", item.ID[len(prefix):])
				return list, nil
			}
		}
		if after = found.Next; after == "" {
			return list, nil
		}
	}
}

// policy is the association with a policy, nil if there is none.
func (e *AccessEntry) policy(arn string) *AssociatedPolicy {
	i := slices.IndexFunc(e.Policies, func(p AssociatedPolicy) bool { return p.PolicyARN.String() == arn })
	if i < 0 {
		return nil
	}
	return &e.Policies[i]
}
