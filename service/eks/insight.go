package eks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"minato.dev/minato/engine/store"
)

// Where insights lie. All of it goes with its cluster.
const (
	// InsightsPrefix is where insights lie: + cluster id/insight id.
	InsightsPrefix = "/minato/eks/insights/"
	// InsightsRefreshesPrefix is where it is noted that a cluster's insights are to be computed anew: + the id of the cluster's record.
	InsightsRefreshesPrefix = "/minato/eks/insights-refreshes/"
	// APIUsagePrefix is where cluster/insights keeps what it counts of a cluster's audit log: + cluster id/…
	APIUsagePrefix = "/minato/eks/api-usage/"
)

// Categories of insights.
const (
	UpgradeReadiness  = "UPGRADE_READINESS"
	RollbackReadiness = "ROLLBACK_READINESS"
	Misconfiguration  = "MISCONFIGURATION"
)

// InsightStatusValue is what an insight says.
type InsightStatusValue string

// What insights say: nothing is wrong; something will be; the next version breaks something; it could not be found out.
const (
	InsightPassing InsightStatusValue = "PASSING"
	InsightWarning InsightStatusValue = "WARNING"
	InsightError   InsightStatusValue = "ERROR"
	InsightUnknown InsightStatusValue = "UNKNOWN"
)

// InsightStatus is what an insight says, and why.
type InsightStatus struct {
	Status InsightStatusValue `json:"status"`
	Reason string             `json:"reason"`
}

// Insight is the record of what one check found in a cluster. cluster/insights writes it.
type Insight struct {
	ID          string            `json:"id"` // UUID, the same for as long as the cluster lives
	ClusterID   string            `json:"clusterId"`
	Name        string            `json:"name"`
	Category    string            `json:"category"`
	Version     string            `json:"kubernetesVersion"` // the minor that it is about
	Description string            `json:"description"`
	Status      InsightStatus     `json:"insightStatus"`
	Advice      string            `json:"recommendation,omitempty"`
	More        map[string]string `json:"additionalInfo,omitempty"` // title: URL

	Resources    []InsightResource    `json:"resources,omitempty"`
	Deprecations []Deprecation        `json:"deprecationDetails,omitempty"`
	Addons       []InsightAddonDetail `json:"addonCompatibilityDetails,omitempty"`

	// RefreshedAt is when the check was last made, TransitionedAt when its status last changed.
	RefreshedAt    time.Time `json:"lastRefreshTime"`
	TransitionedAt time.Time `json:"lastTransitionTime"`
}

// InsightResource is one resource that a check looked at.
type InsightResource struct {
	Status InsightStatus `json:"insightStatus"`
	URI    string        `json:"kubernetesResourceUri,omitempty"` // /apis/policy/v1/namespaces/default/poddisruptionbudgets/web
	ARN    string        `json:"arn,omitempty"`
}

// Deprecation is a deprecated API that is in use.
type Deprecation struct {
	Usage             string       `json:"usage"` // /apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas
	ReplacedWith      string       `json:"replacedWith,omitempty"`
	StopServing       string       `json:"stopServingVersion,omitempty"` // "1.32"
	ReplacementServed string       `json:"startServingReplacementVersion,omitempty"`
	Clients           []ClientStat `json:"clientStats,omitempty"`
}

// ClientStat is who uses it.
type ClientStat struct {
	UserAgent string    `json:"userAgent"`
	Requests  int       `json:"numberOfRequestsLast30Days"`
	LastAt    time.Time `json:"lastRequestTime"`
}

// InsightAddonDetail is an add-on that has to change, with the versions that would do.
type InsightAddonDetail struct {
	Name       string   `json:"name"`
	Compatible []string `json:"compatibleVersions"`
}

// InsightID is the id of a check's insight about a cluster and a minor.
func InsightID(clusterID, check, version string) string {
	sum := sha256.Sum256([]byte(clusterID + "\x00" + check + "\x00" + version))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8 of RFC 9562: made of what the maker likes
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Insights is the collection of insights.
func Insights(s store.Store) *store.Collection[Insight] {
	return store.NewCollection[Insight](s, InsightsPrefix)
}

// RefreshStatus is where a refresh of insights stands.
type RefreshStatus string

// The statuses of a refresh.
const (
	RefreshInProgress RefreshStatus = "IN_PROGRESS"
	RefreshFailed     RefreshStatus = "FAILED"
	RefreshCompleted  RefreshStatus = "COMPLETED"
)

// InsightsRefresh is the record of the last time that somebody asked for a cluster's insights to be computed anew. Requests begin it,
// cluster/insights ends it.
type InsightsRefresh struct {
	ClusterID string        `json:"clusterId"`
	Status    RefreshStatus `json:"status"`
	Message   string        `json:"message"`
	StartedAt time.Time     `json:"startedAt"`
	EndedAt   time.Time     `json:"endedAt,omitzero"`
}

// InsightsRefreshes is the collection of refreshes, by the ids of clusters' records.
func InsightsRefreshes(s store.Store) *store.Collection[InsightsRefresh] {
	return store.NewCollection[InsightsRefresh](s, InsightsRefreshesPrefix)
}

// RemoveInsights removes the insights of a cluster that is being deleted, and what they are made of. Like RemoveUpdates it comes before
// the removal of the cluster's own record and may be repeated.
func RemoveInsights(ctx context.Context, s store.Store, c *Cluster) error {
	for _, prefix := range []string{InsightsPrefix, APIUsagePrefix} {
		if err := removeAll(ctx, s, c, prefix+store.ID(c.ID)+"/"); err != nil {
			return err
		}
	}
	err := InsightsRefreshes(s).Delete(ctx, ClusterKey(c.Scope, c.Name), store.AnyRevision)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
