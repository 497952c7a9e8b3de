package eks

import (
	"context"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

const (
	// maxPodIdentities is how many associations a cluster can have (EKS User Guide, service quotas).
	maxPodIdentities = 1000
	// podIdentityTurnsFrom is from how many associations on they are made one after the other: with so many places left, those who make
	// some at once cannot take more than there are.
	podIdentityTurnsFrom = maxPodIdentities / 2
	// podIdentityTurnsPrefix is where those who make associations of a cluster that has many find out about each other: + cluster id/last.
	podIdentityTurnsPrefix = "/minato/eks/pod-identity-turns/"
)

// podIdentityRoom is what a cluster has of associations, for somebody who is about to make some.
type podIdentityRoom struct {
	cluster *Cluster
	all     store.Page[PodIdentityAssociation]
	turn    store.Op
	taken   int // by who asks
}

// podIdentityTurn is the last of a cluster's turns.
type podIdentityTurn struct{}

// roomForPodIdentities counts a cluster's associations.
func (s *Service) roomForPodIdentities(ctx context.Context, cluster *Cluster) (*podIdentityRoom, error) {
	turns, id := store.NewCollection[podIdentityTurn](s.Store, podIdentityTurnsPrefix), store.ID(cluster.ID, "last")
	turn := turns.CreateOp(id, podIdentityTurn{})
	last, err := turns.Get(ctx, id) // before they are counted: who makes one in between takes this turn
	if err == nil {
		turn = turns.UpdateOp(last)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, s.clusterError(ctx, cluster.Name, err)
	}
	all, err := PodIdentityAssociations(s.Store).List(ctx, store.ID(cluster.ID)+"/", "", 0)
	if err != nil {
		return nil, s.clusterError(ctx, cluster.Name, err)
	}
	return &podIdentityRoom{cluster: cluster, all: all, turn: turn}, nil
}

// take is whether the cluster can have one more association, for this ServiceAccount.
func (r *podIdentityRoom) take(s store.Store, namespace, serviceAccount string) error {
	key := PodIdentityKey(r.cluster.ID, namespace, serviceAccount)
	for i := range r.all.Items {
		if r.all.Items[i].ID == key {
			return minato.Errorf(minato.AlreadyExists, "Association already exists: %s", r.all.Items[i].Value.ID)
		}
	}
	for _, corrupt := range r.all.Corrupt {
		if corrupt.Key == PodIdentityAssociations(s).Key(key) {
			return minato.Errorf(minato.AlreadyExists, "Association already exists: its record cannot be read")
		}
	}
	if n := r.count(); n >= maxPodIdentities {
		return minato.Errorf(minato.LimitExceeded, "Cluster %s has %d Pod Identity associations already, at most %d are allowed", r.cluster.Name, n, maxPodIdentities)
	}
	r.taken++
	return nil
}

func (r *podIdentityRoom) count() int { return len(r.all.Items) + len(r.all.Corrupt) + r.taken }

// ops are to be committed with the associations for which there is room, so that nobody else has taken it meanwhile.
func (r *podIdentityRoom) ops() []store.Op {
	if r.taken == 0 || r.count() <= podIdentityTurnsFrom {
		return nil
	}
	return []store.Op{r.turn}
}
