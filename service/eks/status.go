package eks

import "minato.dev/minato"

// Actor is who moves a cluster from one status to the next.
type Actor string

// The actors.
const (
	ByAPI        Actor = "an API call"
	ByReconciler Actor = "the control plane's reconciler"
)

// transitions is the whole status machine of a cluster: from, to, and who may. A cluster that is DELETING ends by its record
// being removed. As on EKS, a cluster can be deleted while it is being created, but not while an update runs; and an update
// ends in ACTIVE whether it succeeded or failed (the outcome is the update's own status).
var transitions = map[ClusterStatus]map[ClusterStatus]Actor{
	ClusterCreating: {ClusterActive: ByReconciler, ClusterFailed: ByReconciler, ClusterDeleting: ByAPI},
	ClusterActive:   {ClusterUpdating: ByAPI, ClusterDeleting: ByAPI},
	ClusterUpdating: {ClusterActive: ByReconciler},
	ClusterFailed:   {ClusterDeleting: ByAPI},
	ClusterDeleting: {},
}

// Transition moves the cluster to a status. To stay in the status that it is in is always right. Any move that the status
// machine does not have is an error of kind WrongState, with nothing changed.
func (c *Cluster) Transition(to ClusterStatus, by Actor) error {
	from := c.Status.Status
	if from == to {
		return nil
	}
	if who, ok := transitions[from][to]; !ok || who != by {
		return minato.Errorf(minato.WrongState, "Cluster '%s' cannot go from %s to %s by %s", c.Name, from, to, by).
			With("clusterName", c.Name)
	}
	c.Status.Status = to
	return nil
}

// Transient is whether the cluster is on its way to another status.
func (s ClusterStatus) Transient() bool {
	return s == ClusterCreating || s == ClusterUpdating || s == ClusterDeleting
}
