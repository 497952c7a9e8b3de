package eks

import (
	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Where the records of this service lie.
const (
	ClustersPrefix = "/minato/eks/clusters/" // + account/region/name
	UpdatesPrefix  = "/minato/eks/updates/"  // + account/region/cluster id/update id
	// PartUpdatesPrefix is where the updates of a cluster's parts lie: + cluster id/kind of part/the part's UUID/update id.
	PartUpdatesPrefix = "/minato/eks/part-updates/"
)

// Clusters is the collection of cluster records.
func Clusters(s store.Store) *store.Collection[Cluster] {
	return store.NewCollection[Cluster](s, ClustersPrefix)
}

// ClusterKey is the id of a cluster's record.
func ClusterKey(scope minato.Scope, name string) string {
	return store.ID(scope.Account, string(scope.Region), name)
}

// Updates is the collection of update records.
func Updates(s store.Store) *store.Collection[Update] {
	return store.NewCollection[Update](s, UpdatesPrefix)
}

// UpdatesOf is the id prefix of a cluster's updates.
func UpdatesOf(c *Cluster) string {
	return store.ID(c.Scope.Account, string(c.Scope.Region), c.ID) + "/"
}

// PartUpdates is the collection of the updates of clusters' parts: nodegroups and add-ons.
func PartUpdates(s store.Store) *store.Collection[Update] {
	return store.NewCollection[Update](s, PartUpdatesPrefix)
}

// PartUpdatesOf is the id prefix of the updates of one part, which its UUID tells from an earlier one of the same name.
func PartUpdatesOf(clusterID, kind, uuid string) string { return store.ID(clusterID, kind, uuid) + "/" }
