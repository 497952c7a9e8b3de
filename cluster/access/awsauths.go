package access

import (
	"sync"

	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// InForce is what decisions are made by of a cluster's aws-auth ConfigMap.
type InForce struct {
	AWSAuth *AWSAuth `json:"awsAuth"` // nil where there is no ConfigMap
	// Malformed is what is wrong with the newest version of the ConfigMap, if anything is. Then AWSAuth is the last good one or, where
	// there was none before, what can be read of the newest; Kept tells which.
	Malformed string `json:"malformed,omitempty"`
	Kept      bool   `json:"kept,omitempty"`
}

// What tells what is in force while the ConfigMap is malformed.
func (in InForce) What() string {
	if in.Kept {
		return "what it said before goes on"
	}
	return "what can be read of it counts"
}

// AWSAuths are the aws-auth ConfigMaps of clusters, as far as they have been read.
type AWSAuths struct {
	mu        sync.RWMutex
	byCluster map[string]InForce
}

// NewAWSAuths is one without clusters.
func NewAWSAuths() *AWSAuths { return &AWSAuths{byCluster: map[string]InForce{}} }

// Set is what a cluster's ConfigMap says from now on; nil where there is none.
func (a *AWSAuths) Set(clusterID string, auth *AWSAuth) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byCluster[clusterID] = InForce{AWSAuth: auth}
}

// SetMalformed is that a cluster's ConfigMap has become malformed. What it said before goes on; where nothing was known before, what
// could be read of it counts. It gives what is in force now.
func (a *AWSAuths) SetMalformed(clusterID string, auth *AWSAuth, wrong error) InForce {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, known := a.byCluster[clusterID]
	now := InForce{AWSAuth: auth, Malformed: wrong.Error()}
	if known && (before.Malformed == "" || before.Kept) {
		now.AWSAuth, now.Kept = before.AWSAuth, true
	}
	a.byCluster[clusterID] = now
	return now
}

// Forget is for a cluster that is gone, or whose mode has no ConfigMap any more.
func (a *AWSAuths) Forget(clusterID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byCluster, clusterID)
}

// Of is what is in force of a cluster's ConfigMap; false as long as it has not been read.
func (a *AWSAuths) Of(clusterID string) (InForce, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	in, ok := a.byCluster[clusterID]
	return in, ok
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
		in, ok := a.Of(cluster.ID)
		if !ok {
			return Mapping{Unread: "its aws-auth ConfigMap has not been read yet"}, true
		}
		if in.AWSAuth == nil {
			return Mapping{}, false
		}
		row, _, ok := in.AWSAuth.Find(p)
		if !ok {
			return Mapping{}, false
		}
		return row.mapping(p, name), true
	}
}
