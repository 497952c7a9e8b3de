package eks

import (
	"context"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// DescribeCluster reads a cluster.
func (s *Service) DescribeCluster(ctx context.Context, c Caller, name string) (Cluster, error) {
	item, err := s.cluster(ctx, c, "eks:DescribeCluster", name)
	return item.Value, err
}

// AwaitCluster is DescribeCluster for a client that waits: the answer is held back until the cluster is in a status that
// lasts, or gone, for as long as hold at most.
func (s *Service) AwaitCluster(ctx context.Context, c Caller, name string, hold time.Duration) (Cluster, error) {
	item, err := s.cluster(ctx, c, "eks:DescribeCluster", name)
	if err != nil {
		return Cluster{}, err
	}
	item, err = await(ctx, Clusters(s.Store), item, hold, func(cluster *Cluster) bool { return cluster.Status.Status.Transient() })
	if err != nil {
		return Cluster{}, s.clusterError(ctx, name, err)
	}
	return item.Value, nil
}

// ClusterList is one page of the names of clusters.
type ClusterList struct {
	Names     []string
	NextToken string
}

// ListClusters lists an account's clusters in this region, by name. include may hold "all", which adds those that are registered and run
// elsewhere.
func (s *Service) ListClusters(ctx context.Context, c Caller, page PageRequest, include []string) (ClusterList, error) {
	if err := s.authorize(ctx, c, "eks:ListClusters", clusterARN(c.Scope, "*")); err != nil {
		return ClusterList{}, err
	}
	for _, word := range include {
		if word != "all" {
			return ClusterList{}, minato.Errorf(minato.Invalid, "include %q is not valid: only \"all\" is", shorten(word))
		}
	}
	if len(include) > 0 {
		return s.allClusters(ctx, c.Scope, page)
	}
	limit, err := page.limit()
	if err != nil {
		return ClusterList{}, err
	}
	after, err := page.after("clusters")
	if err != nil {
		return ClusterList{}, err
	}
	if after != "" {
		after = ClusterKey(c.Scope, after)
	}
	found, err := Clusters(s.Store).List(ctx, store.ID(c.Scope.Account, string(c.Scope.Region))+"/", after, limit)
	if err != nil {
		return ClusterList{}, minato.Errorf(minato.Internal, "listing clusters: %w", err)
	}
	for _, corrupt := range found.Corrupt {
		s.logCorrupt(ctx, corrupt)
	}
	list := ClusterList{Names: []string{}}
	for _, item := range found.Items {
		list.Names = append(list.Names, item.Value.Name)
	}
	if found.Next != "" {
		parts := store.Parts(found.Next)
		list.NextToken = nextToken("clusters", parts[len(parts)-1])
	}
	return list, nil
}

// allClusters lists clusters of ours and connected ones: there are few enough of both to read them all.
func (s *Service) allClusters(ctx context.Context, scope minato.Scope, page PageRequest) (ClusterList, error) {
	var all []string
	for _, records := range []*store.Collection[Cluster]{Clusters(s.Store), ConnectedClusters(s.Store)} {
		found, err := records.List(ctx, store.ID(scope.Account, string(scope.Region))+"/", "", 0)
		if err != nil {
			return ClusterList{}, minato.Errorf(minato.Internal, "listing clusters: %w", err)
		}
		for _, corrupt := range found.Corrupt {
			s.logCorrupt(ctx, corrupt)
		}
		for _, item := range found.Items {
			all = append(all, item.Value.Name)
		}
	}
	slices.Sort(all)
	names, next, err := pageOf(all, "clusters", page, func(name string) string { return name })
	return ClusterList{Names: append([]string{}, names...), NextToken: next}, err
}
