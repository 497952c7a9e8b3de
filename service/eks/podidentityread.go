package eks

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// readPodIdentity reads an association and its cluster for an action, and authorizes it.
func (s *Service) readPodIdentity(ctx context.Context, c Caller, action, clusterName, id string) (cluster store.Item[Cluster], a store.Item[PodIdentityAssociation], err error) {
	cluster, clusterErr := FindCluster(ctx, s.Store, ClusterKey(c.Scope, clusterName))
	readErr := store.ErrNotFound
	if clusterErr == nil {
		a, readErr = podIdentityByID(ctx, s.Store, cluster.Value.ID, id)
	}
	if err := s.authorize(ctx, c, action, podIdentityARN(c.Scope, clusterName, id), resourceTags(a.Value.Tags)); err != nil {
		return cluster, a, err
	}
	if clusterErr != nil {
		return cluster, a, s.clusterError(ctx, clusterName, clusterErr)
	}
	return cluster, a, s.podIdentityError(ctx, clusterName, id, readErr)
}

// DescribePodIdentityAssociation reads an association.
func (s *Service) DescribePodIdentityAssociation(ctx context.Context, c Caller, clusterName, id string) (PodIdentityAssociation, error) {
	_, a, err := s.readPodIdentity(ctx, c, "eks:DescribePodIdentityAssociation", clusterName, id)
	return a.Value, err
}

// DeletePodIdentityAssociation takes an association away, and answers what it was, once pods get no new credentials by it. Those that
// they have stay good until they expire, as on EKS.
func (s *Service) DeletePodIdentityAssociation(ctx context.Context, c Caller, clusterName, id string) (PodIdentityAssociation, error) {
	for {
		_, a, err := s.readPodIdentity(ctx, c, "eks:DeletePodIdentityAssociation", clusterName, id)
		if err != nil {
			return PodIdentityAssociation{}, err
		}
		rev, err := s.Store.Commit(ctx, deletePodIdentity(s.Store, a)...)
		switch {
		case err == nil:
			return a.Value, s.awaitApplied(ctx, "The Pod Identity association is deleted", rev)
		case isRace(err) && ctx.Err() == nil:
			continue
		}
		return PodIdentityAssociation{}, s.podIdentityError(ctx, clusterName, id, err)
	}
}

// PodIdentityFilter is which associations are listed; an empty member is any.
type PodIdentityFilter struct {
	Namespace, ServiceAccount string
}

// PodIdentityList is one page of associations.
type PodIdentityList struct {
	Associations []PodIdentityAssociation
	NextToken    string
}

const podIdentityList = "associations"

// ListPodIdentityAssociations lists a cluster's associations, by namespace and ServiceAccount.
func (s *Service) ListPodIdentityAssociations(ctx context.Context, c Caller, clusterName string, f PodIdentityFilter, page PageRequest) (PodIdentityList, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListPodIdentityAssociations", clusterName)
	if err != nil {
		return PodIdentityList{}, err
	}
	limit, err := page.limit()
	if err != nil {
		return PodIdentityList{}, withCluster(err, clusterName)
	}
	after, err := page.after(podIdentityList)
	if err != nil {
		return PodIdentityList{}, withCluster(err, clusterName)
	}
	return s.podIdentityPage(ctx, &cluster.Value, f, after, limit)
}

// podIdentityPage reads on until it has a page of those associations that are asked for.
func (s *Service) podIdentityPage(ctx context.Context, cluster *Cluster, f PodIdentityFilter, after string, limit int) (PodIdentityList, error) {
	list := PodIdentityList{Associations: []PodIdentityAssociation{}}
	all := store.ID(cluster.ID) + "/"
	prefix := all
	if f.Namespace != "" {
		prefix = store.ID(cluster.ID, f.Namespace) + "/"
	}
	if after != "" {
		after = all + after
	}
	for {
		found, err := PodIdentityAssociations(s.Store).List(ctx, prefix, after, limit)
		if err != nil {
			return PodIdentityList{}, s.clusterError(ctx, cluster.Name, err)
		}
		for _, corrupt := range found.Corrupt {
			s.logCorrupt(ctx, corrupt)
		}
		for i, item := range found.Items {
			if f.ServiceAccount != "" && item.Value.ServiceAccount != f.ServiceAccount {
				continue
			}
			list.Associations = append(list.Associations, item.Value)
			more := found.Next != "" || i < len(found.Items)-1
			if len(list.Associations) == limit && more {
				list.NextToken = nextToken(podIdentityList, item.ID[len(all):])
				return list, nil
			}
		}
		if after = found.Next; after == "" {
			return list, nil
		}
	}
}

// podIdentityKind is how associations are read and written for their tags: an ARN names them by their ids.
var podIdentityKind = partKind{
	read: func(ctx context.Context, s *Service, c *Cluster, id string) (string, minato.Tags, error) {
		item, err := podIdentityByID(ctx, s.Store, c.ID, id)
		return item.Value.ID, item.Value.Tags, err
	},
	write: func(ctx context.Context, s *Service, c *Cluster, id string, change func(*minato.Tags) error) error {
		item, err := podIdentityByID(ctx, s.Store, c.ID, id)
		if err != nil {
			return err
		}
		_, err = PodIdentityAssociations(s.Store).Modify(ctx, item.ID, func(a *PodIdentityAssociation) error {
			if a.ID != id {
				return store.ErrNotFound
			}
			return change(&a.Tags)
		})
		return err
	},
}
