package eks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// CreateAccessEntryRequest asks for an access entry. Zero values are what the client left out.
type CreateAccessEntryRequest struct {
	ClusterName        string
	PrincipalARN       string
	Type               string
	Username           string
	Groups             []string
	Tags               minato.Tags
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// CreateAccessEntry gives an IAM user or role of any account of this server access to a cluster, and answers once that holds.
// The same request with the same token gives the same entry again.
func (s *Service) CreateAccessEntry(ctx context.Context, c Caller, r CreateAccessEntryRequest) (Cluster, AccessEntry, error) {
	principal, err := parsePrincipal(r.PrincipalARN)
	if err == nil {
		r.Type, err = checkEntryType(r.Type)
	}
	if err != nil {
		return Cluster{}, AccessEntry{}, withCluster(err, r.ClusterName)
	}
	for {
		cluster, err := s.authorizeEntry(ctx, c, r, principal)
		if err != nil {
			return Cluster{}, AccessEntry{}, err
		}
		entry, rev, err := s.putNewEntry(ctx, c, cluster, r, principal)
		switch {
		case err == nil:
			return cluster.Value, entry, s.awaitApplied(ctx, "The access entry is made", rev)
		case isRace(err) && ctx.Err() == nil:
			continue // look at it all again
		}
		return Cluster{}, AccessEntry{}, withCluster(err, r.ClusterName)
	}
}

// isCorrupt is whether there is a record with a key, though nobody can read it. A name that it has is taken.
func isCorrupt[T any](page store.Page[T], key string) bool {
	return slices.ContainsFunc(page.Corrupt, func(c *store.CorruptError) bool { return c.Key == key })
}

// isRace is whether a commit failed because somebody else wrote in between.
func isRace(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists)
}

// authorizeEntry reads the cluster of an entry that is to be made, and asks whether the caller may make it. An entry for nodes
// gives them a role's rights, so the caller must be allowed to pass the role to EC2 (Service Authorization Reference, CreateAccessEntry).
func (s *Service) authorizeEntry(ctx context.Context, c Caller, r CreateAccessEntryRequest, principal minato.ARN) (store.Item[Cluster], error) {
	asked := conditions{"eks:principalarn": {principal.String()}, "eks:accessentrytype": {r.Type}}
	if r.Username != "" {
		asked["eks:username"] = []string{r.Username}
	}
	if len(r.Groups) > 0 {
		asked["eks:kubernetesgroups"] = r.Groups
	}
	cluster, err := s.cluster(ctx, c, "eks:CreateAccessEntry", r.ClusterName, asked, requestTags(r.Tags))
	if err != nil {
		return cluster, err
	}
	if len(r.Tags) > 0 {
		if err := s.authorize(ctx, c, "eks:TagResource", entryARN(c.Scope, r.ClusterName, principal, "*"), conditions{"eks:clustername": {r.ClusterName}}, asked, requestTags(r.Tags)); err != nil {
			return cluster, err
		}
	}
	if r.Type != standardEntry {
		passing := conditions{"iam:passedtoservice": {NodeServicePrincipal}, "iam:associatedresourcearn": {cluster.Value.ARN().String()}}
		if err := s.authorize(ctx, c, "iam:PassRole", principal, passing); err != nil {
			return cluster, err
		}
	}
	return cluster, checkEntriesWritable(&cluster.Value)
}

// putNewEntry writes the entry that a request asks for, or finds the one that the very same request has made before. The
// revision is that at which the entry was written.
func (s *Service) putNewEntry(ctx context.Context, c Caller, cluster store.Item[Cluster], r CreateAccessEntryRequest, principal minato.ARN) (AccessEntry, store.Revision, error) {
	entries := AccessEntries(s.Store)
	page, err := entries.List(ctx, entriesOf(&cluster.Value), "", 0)
	if err != nil {
		return AccessEntry{}, 0, s.clusterError(ctx, r.ClusterName, err)
	}
	hash := hashOf(r)
	for _, item := range page.Items {
		sameToken := r.ClientRequestToken != "" && item.Value.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && item.Value.RequestHash == hash:
			return item.Value, item.Revision, nil
		case sameToken:
			return AccessEntry{}, 0, errTokenReused(r.ClientRequestToken, r.ClusterName)
		case item.Value.PrincipalARN == principal:
			return AccessEntry{}, 0, minato.Errorf(minato.AlreadyExists, "The specified access entry resource is already in use on this cluster.")
		}
	}
	if n := len(page.Items) + len(page.Corrupt); n >= maxEntries {
		return AccessEntry{}, 0, minato.Errorf(minato.LimitExceeded, "Cluster %s has %d access entries already, at most %d are allowed", r.ClusterName, n, maxEntries)
	}
	entry, err := s.newEntry(ctx, &cluster.Value, r, principal)
	if err != nil {
		return AccessEntry{}, 0, err
	}
	entry.ClientRequestToken, entry.RequestHash = r.ClientRequestToken, hash
	rev, err := s.Store.Commit(ctx, s.unchanged(cluster), entries.CreateOp(AccessEntryKey(entry.ClusterID, principal), entry))
	return entry, rev, err
}

// unchanged holds a commit to a cluster's record as it was read, so that a cluster that is being deleted gets no entries.
func (s *Service) unchanged(cluster store.Item[Cluster]) store.Op {
	return store.Check(recordsOf(s.Store, &cluster.Value).Key(cluster.ID), cluster.Revision)
}

// newEntry checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newEntry(ctx context.Context, cluster *Cluster, r CreateAccessEntryRequest, principal minato.ARN) (AccessEntry, error) {
	if err := checkTags(r.Tags); err != nil {
		return AccessEntry{}, err
	}
	username, groups, err := namesOf(cluster, r, principal)
	if err != nil {
		return AccessEntry{}, err
	}
	id, err := s.PrincipalID(ctx, principal)
	if minato.Is(err, minato.NotFound) {
		return AccessEntry{}, minato.Errorf(minato.Invalid, "The specified principalArn is invalid: invalid principal")
	}
	if err != nil {
		return AccessEntry{}, fmt.Errorf("finding the principal of a new access entry: %w", err)
	}
	entry := s.entryFor(cluster, principal, id)
	entry.Type, entry.Username, entry.Groups, entry.Tags = r.Type, username, groups, r.Tags
	return entry, nil
}

// namesOf is what the principal is to be called. Entries for nodes have the names of their type.
func namesOf(cluster *Cluster, r CreateAccessEntryRequest, principal minato.ARN) (username string, groups []string, err error) {
	node, ok := nodeEntries[r.Type]
	if !ok {
		if r.Username == "" {
			return standardUsername(principal), r.Groups, checkGroups(r.Groups)
		}
		if err := checkUsername(r.Username); err != nil {
			return "", nil, err
		}
		return r.Username, r.Groups, checkGroups(r.Groups)
	}
	switch {
	case len(r.Groups) > 0:
		err = minato.Errorf(minato.Invalid, "The kubernetesGroups of an access entry of the type %s are given by its type: leave them out", r.Type)
	case r.Username != "":
		err = minato.Errorf(minato.Invalid, "The username of an access entry of the type %s is given by its type: leave it out", r.Type)
	case principal.ResourceType() != "role":
		err = minato.Errorf(minato.Invalid, "The principalArn of an access entry of the type %s must be that of a role, not %s", r.Type, principal)
	case principal.Account != cluster.Scope.Account:
		err = minato.Errorf(minato.Invalid, "The principalArn of an access entry of the type %s must be that of a role of the cluster's account %s, not %s", r.Type, cluster.Scope.Account, principal)
	}
	return node.username, node.groups, err
}

// entryFor is a new STANDARD entry with nothing but defaults.
func (s *Service) entryFor(cluster *Cluster, principal minato.ARN, id string) AccessEntry {
	now := s.Now().UTC().Truncate(time.Millisecond)
	return AccessEntry{
		ClusterID:    cluster.ID,
		PrincipalARN: principal,
		PrincipalID:  id,
		UUID:         newUpdateID(now),
		Type:         standardEntry,
		Username:     standardUsername(principal),
		CreatedAt:    now,
		ModifiedAt:   now,
	}
}
