package eks

import (
	"context"
	"errors"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// appliedWait bounds how long a change of access is waited for. The webhooks follow within milliseconds, and are back within
// a second or two when they have crashed.
const appliedWait = 8 * time.Second

// awaitApplied waits until access is decided by what was written at a revision, so that a change holds for the very next
// request. If the webhooks are away it says so. What was written stands: to take it back would need them as much.
func (s *Service) awaitApplied(ctx context.Context, what string, rev store.Revision) error {
	waiting, cancel := context.WithTimeout(ctx, appliedWait)
	defer cancel()
	cause := s.Applied(waiting, rev)
	if cause == nil {
		return nil
	}
	err := minato.Errorf(minato.Unavailable, "%s, but the webhooks that decide about access have not taken notice of it within %s: "+
		"it will hold as soon as they are back. `minato status` shows them as hook", what, appliedWait)
	err.Err = cause
	return err
}

// modifyEntry reads an access entry for an action, lets change work on it and give ops that go along, and writes all of it,
// from the start again whenever somebody else wrote in between. It answers once the change holds.
func (s *Service) modifyEntry(ctx context.Context, c Caller, action, clusterName, principal string, asked entryKeys, change func(*AccessEntry) ([]store.Op, error)) (Cluster, AccessEntry, error) {
	for {
		cluster, entry, err := s.accessEntry(ctx, c, action, clusterName, principal, asked)
		if err == nil {
			err = checkEntriesWritable(&cluster.Value)
		}
		var ops []store.Op
		if err == nil {
			ops, err = change(&entry.Value)
		}
		if err != nil {
			return Cluster{}, AccessEntry{}, withCluster(err, clusterName)
		}
		rev, err := s.Store.Commit(ctx, append(ops, s.unchanged(cluster), AccessEntries(s.Store).UpdateOp(entry))...)
		switch {
		case err == nil:
			return cluster.Value, entry.Value, s.awaitApplied(ctx, "The access entry is changed", rev)
		case isRace(err) && ctx.Err() == nil:
			continue
		}
		return Cluster{}, AccessEntry{}, s.clusterError(ctx, clusterName, err)
	}
}

// UpdateAccessEntryRequest asks for a change of an access entry. Nil is what the client left out. There is no token in it: to
// repeat it changes nothing more.
type UpdateAccessEntryRequest struct {
	ClusterName  string
	PrincipalARN string
	Username     *string  // empty is the default
	Groups       []string // replaces all groups; empty and not nil for none
}

// UpdateAccessEntry changes who a principal is on a cluster: its username, its groups, or both.
func (s *Service) UpdateAccessEntry(ctx context.Context, c Caller, r UpdateAccessEntryRequest) (Cluster, AccessEntry, error) {
	asked := conditions{}
	if r.Username != nil {
		asked["eks:username"] = []string{*r.Username}
	}
	if r.Groups != nil {
		asked["eks:kubernetesgroups"] = r.Groups
	}
	keys := func(*AccessEntry) conditions { return asked }
	return s.modifyEntry(ctx, c, "eks:UpdateAccessEntry", r.ClusterName, r.PrincipalARN, keys, func(e *AccessEntry) ([]store.Op, error) {
		if e.Type != standardEntry && (r.Username != nil || r.Groups != nil) {
			return nil, minato.Errorf(minato.Invalid, "The username and kubernetesGroups of an access entry of the type %s are given by its type: they cannot be changed", e.Type)
		}
		if r.Groups != nil {
			if err := checkGroups(r.Groups); err != nil {
				return nil, err
			}
			e.Groups = r.Groups
		}
		if r.Username != nil {
			e.Username = *r.Username
			if e.Username == "" {
				e.Username = standardUsername(e.PrincipalARN)
			} else if err := checkUsername(e.Username); err != nil {
				return nil, err
			}
		}
		e.ModifiedAt = s.Now().UTC().Truncate(time.Millisecond)
		return nil, nil
	})
}

// DeleteAccessEntry takes a principal's access entry away, with the policies that are associated with it.
func (s *Service) DeleteAccessEntry(ctx context.Context, c Caller, clusterName, principal string) error {
	for {
		cluster, entry, err := s.accessEntry(ctx, c, "eks:DeleteAccessEntry", clusterName, principal, nil)
		if err == nil {
			err = checkEntriesWritable(&cluster.Value)
		}
		if err != nil {
			return err
		}
		rev, err := s.Store.Commit(ctx, s.unchanged(cluster), AccessEntries(s.Store).DeleteOp(entry))
		switch {
		case err == nil:
			return s.awaitApplied(ctx, "The access entry is deleted", rev)
		case isRace(err) && ctx.Err() == nil:
			continue
		}
		return s.clusterError(ctx, clusterName, err)
	}
}

// creatorEntry is the op that gives a cluster's creator the access entry which EKS makes when a cluster gets access entries;
// none where the creator has one.
func (s *Service) creatorEntry(ctx context.Context, cluster *Cluster) ([]store.Op, error) {
	principal := cluster.Creator.IAMARN()
	key := AccessEntryKey(cluster.ID, principal)
	switch _, err := AccessEntries(s.Store).Get(ctx, key); {
	case err == nil:
		return nil, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, s.clusterError(ctx, cluster.Name, err)
	}
	entry := s.entryFor(cluster, principal, cluster.Creator.UniqueID())
	entry.Policies = []AssociatedPolicy{{
		PolicyARN: policyARN("AmazonEKSClusterAdminPolicy"), ScopeType: clusterScope, AssociatedAt: entry.CreatedAt, ModifiedAt: entry.CreatedAt,
	}}
	return []store.Op{AccessEntries(s.Store).CreateOp(key, entry)}, nil
}
