package access

import (
	"sync"

	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// AWSAuths are the aws-auth ConfigMaps of clusters, as far as they have been read.
type AWSAuths struct {
	mu        sync.RWMutex
	byCluster map[string]*AWSAuth
}

// NewAWSAuths is one without clusters.
func NewAWSAuths() *AWSAuths { return &AWSAuths{byCluster: map[string]*AWSAuth{}} }

// Set is what a cluster's ConfigMap says from now on.
func (a *AWSAuths) Set(clusterID string, auth *AWSAuth) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byCluster[clusterID] = auth
}

// Forget is for a cluster that is gone, or whose mode has no ConfigMap any more.
func (a *AWSAuths) Forget(clusterID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byCluster, clusterID)
}

// Of is what a cluster's ConfigMap says; false as long as it has not been read.
func (a *AWSAuths) Of(clusterID string) (*AWSAuth, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	auth, ok := a.byCluster[clusterID]
	return auth, ok
}

const modeAPI = "API"

// Mapper knows the principals that aws-auth names, in the authentication modes that have it. It comes after Entries.Mapper.
// name may be nil, as there.
func (a *AWSAuths) Mapper(name PrivateDNSName) Mapper {
	name = name.orNone()
	return func(cluster *eks.Cluster, p minato.Principal) (Mapping, bool) {
		if cluster.Spec.AuthenticationMode == modeAPI {
			return Mapping{}, false
		}
		auth, ok := a.Of(cluster.ID)
		if !ok {
			return Mapping{Unread: "its aws-auth ConfigMap has not been read yet"}, true
		}
		row, _, ok := auth.Find(p)
		if !ok {
			return Mapping{}, false
		}
		return row.mapping(p, name), true
	}
}
