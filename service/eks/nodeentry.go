package eks

import (
	"context"
	"errors"
	"fmt"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Types of the access entries that EKS makes for its own machines.
const (
	EC2Linux     = "EC2_LINUX"
	FargateLinux = "FARGATE_LINUX"
)

// EnsureNodeEntry gives a role the access entry of a type for nodes, unless it has an entry, as EKS does for the roles of nodegroups and
// Fargate profiles. It answers once that holds. Machines of Fargate cannot be let in by an entry of another type: that is an error of kind
// InUse.
func (s *Service) EnsureNodeEntry(ctx context.Context, cluster *Cluster, role minato.ARN, kind string) error {
	entries, key := AccessEntries(s.Store), AccessEntryKey(cluster.ID, role)
	item, err := entries.Get(ctx, key)
	if err == nil && kind == FargateLinux && item.Value.Type != kind {
		return minato.Errorf(minato.InUse, "The role %s has an access entry of type %s in cluster %s already", role, item.Value.Type, cluster.Name)
	}
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return err
	}
	id, err := s.PrincipalID(ctx, role)
	if err != nil {
		return fmt.Errorf("finding the role of nodes: %w", err)
	}
	entry := s.entryFor(cluster, role, id)
	entry.Type, entry.ForNodes = kind, true
	entry.Username, entry.Groups = NodeNames(kind)
	rev, err := s.Store.Commit(ctx, entries.CreateOp(key, entry))
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.awaitApplied(ctx, "The access entry of the nodes is made", rev)
}

// RemoveNodeEntry removes the entry of a type that EnsureNodeEntry made for a role.
func (s *Service) RemoveNodeEntry(ctx context.Context, clusterID string, role minato.ARN, kind string) error {
	entries := AccessEntries(s.Store)
	item, err := entries.Get(ctx, AccessEntryKey(clusterID, role))
	if errors.Is(err, store.ErrNotFound) || err == nil && (!item.Value.ForNodes || item.Value.Type != kind) {
		return nil
	}
	if err != nil {
		return err
	}
	err = entries.Delete(ctx, item.ID, item.Revision)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// NodeNames are the username, with its template, and the groups of nodes by the type of their access entry.
func NodeNames(kind string) (username string, groups []string) {
	return nodeEntries[kind].username, nodeEntries[kind].groups
}
