package eks

import (
	"context"
	"errors"
	"time"

	"minato.dev/minato/engine/store"
)

// readNodegroup reads a nodegroup and its cluster for an action, and authorizes it. Who may not do the action learns nothing about
// whether they exist.
func (s *Service) readNodegroup(ctx context.Context, c Caller, action, clusterName, name string, more ...conditions) (cluster store.Item[Cluster], group store.Item[Nodegroup], err error) {
	cluster, clusterErr := Clusters(s.Store).Get(ctx, ClusterKey(c.Scope, clusterName))
	groupErr := store.ErrNotFound
	if clusterErr == nil {
		group, groupErr = Nodegroups(s.Store).Get(ctx, NodegroupKey(cluster.Value.ID, name))
	}
	uuid := orWord(group.Value.UUID, "*")
	more = append(more, resourceTags(group.Value.Tags))
	if err := s.authorize(ctx, c, action, nodegroupARN(c.Scope, clusterName, name, uuid), more...); err != nil {
		return cluster, group, err
	}
	if clusterErr != nil {
		return cluster, group, s.clusterError(ctx, clusterName, clusterErr)
	}
	return cluster, group, s.partError(ctx, nodegroupWords, clusterName, name, groupErr)
}

// modifyNodegroup reads a nodegroup for an action, lets change work on it and give ops that go along, and writes all of it, from
// the start again whenever somebody else wrote in between. It answers the nodegroup as it then is.
func (s *Service) modifyNodegroup(ctx context.Context, c Caller, action, clusterName, name string, change func(*Cluster, *Nodegroup) ([]store.Op, error), more ...conditions) (Nodegroup, error) {
	for {
		cluster, group, err := s.readNodegroup(ctx, c, action, clusterName, name, more...)
		if err != nil {
			return Nodegroup{}, err
		}
		ops, err := change(&cluster.Value, &group.Value)
		if errors.Is(err, errUnchanged) {
			return group.Value, nil
		}
		if err != nil {
			return Nodegroup{}, nodegroupWords.on(err, clusterName, name)
		}
		_, err = s.Store.Commit(ctx, append(ops, Nodegroups(s.Store).UpdateOp(group))...)
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		return group.Value, s.partError(ctx, nodegroupWords, clusterName, name, err)
	}
}

// DescribeNodegroup reads a nodegroup.
func (s *Service) DescribeNodegroup(ctx context.Context, c Caller, clusterName, name string) (Nodegroup, error) {
	_, group, err := s.readNodegroup(ctx, c, "eks:DescribeNodegroup", clusterName, name)
	return group.Value, err
}

// AwaitNodegroup is DescribeNodegroup for a client that waits: the answer is held back until the nodegroup is in a status that
// lasts, or gone, for as long as hold at most.
func (s *Service) AwaitNodegroup(ctx context.Context, c Caller, clusterName, name string, hold time.Duration) (Nodegroup, error) {
	_, group, err := s.readNodegroup(ctx, c, "eks:DescribeNodegroup", clusterName, name)
	if err != nil {
		return Nodegroup{}, err
	}
	group, err = await(ctx, Nodegroups(s.Store), group, hold, func(n *Nodegroup) bool { return n.Status.Status.Transient() })
	return group.Value, s.partError(ctx, nodegroupWords, clusterName, name, err)
}

// ListNodegroups lists the names of a cluster's nodegroups.
func (s *Service) ListNodegroups(ctx context.Context, c Caller, clusterName string, page PageRequest) ([]string, string, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListNodegroups", clusterName)
	if err != nil {
		return nil, "", err
	}
	return partNames(ctx, s, Nodegroups(s.Store), &cluster.Value, "nodegroups", page, func(n *Nodegroup) string { return n.Name })
}

// partNames is one page of the names of a cluster's parts of one kind.
func partNames[T any](ctx context.Context, s *Service, records *store.Collection[T], cluster *Cluster, list string, page PageRequest, name func(*T) string) (names []string, next string, err error) {
	limit, err := page.limit()
	if err != nil {
		return nil, "", withCluster(err, cluster.Name)
	}
	after, err := page.after(list)
	if err != nil {
		return nil, "", withCluster(err, cluster.Name)
	}
	prefix := store.ID(cluster.ID) + "/"
	if after != "" {
		after = prefix + store.ID(after)
	}
	found, err := records.List(ctx, prefix, after, limit)
	if err != nil {
		return nil, "", s.clusterError(ctx, cluster.Name, err)
	}
	for _, corrupt := range found.Corrupt {
		s.logCorrupt(ctx, corrupt)
	}
	names = []string{}
	for i := range found.Items {
		names = append(names, name(&found.Items[i].Value))
	}
	if found.Next != "" {
		parts := store.Parts(found.Next)
		next = nextToken(list, parts[len(parts)-1])
	}
	return names, next, nil
}

// DeleteNodegroup moves a nodegroup to DELETING; its reconciler drains and terminates the nodes and at last removes the record.
// Deleting it again while that goes on answers the same.
func (s *Service) DeleteNodegroup(ctx context.Context, c Caller, clusterName, name string) (Nodegroup, error) {
	return s.modifyNodegroup(ctx, c, "eks:DeleteNodegroup", clusterName, name, func(_ *Cluster, n *Nodegroup) ([]store.Op, error) {
		switch n.Status.Status {
		case NodegroupDeleting:
			return nil, errUnchanged
		case NodegroupUpdating:
			return nil, errNodegroupBusy("deleted")
		}
		n.Status.Status = NodegroupDeleting
		n.ModifiedAt = s.modified()
		return nil, nil
	})
}
