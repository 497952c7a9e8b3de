package eks

import (
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// FargateProfilesPrefix is where Fargate profiles lie: + cluster id/name.
const FargateProfilesPrefix = "/minato/eks/fargate-profiles/"

const fargatePart = "fargateprofile"

// FargateProfile is the record of a Fargate profile: which pods get a node of their own. But for Status and Health, which are the
// Fargate reconciler's (a call of the API moves Status to DELETING), and its tags it never changes.
type FargateProfile struct {
	Scope       minato.Scope      `json:"scope"`
	ClusterID   string            `json:"clusterId"`
	ClusterName string            `json:"clusterName"`
	Name        string            `json:"name"`
	UUID        string            `json:"uuid"` // last part of the ARN, never used again
	CreatedAt   time.Time         `json:"createdAt"`
	Role        minato.ARN        `json:"podExecutionRoleArn"`
	SubnetIDs   []string          `json:"subnets"`
	Selectors   []FargateSelector `json:"selectors"`
	Tags        minato.Tags       `json:"tags,omitempty"`
	// ClientRequestToken and RequestHash make CreateFargateProfile idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`

	Status FargateStatus `json:"status"`
	Health []HealthIssue `json:"health,omitempty"`
}

// FargateSelector matches pods by namespace and labels, with * for any characters and ? for one.
type FargateSelector struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// FargateStatus is the status of a Fargate profile, spelled as the EKS API spells it.
type FargateStatus string

// The statuses of a Fargate profile.
const (
	FargateCreating     FargateStatus = "CREATING"
	FargateActive       FargateStatus = "ACTIVE"
	FargateDeleting     FargateStatus = "DELETING"
	FargateCreateFailed FargateStatus = "CREATE_FAILED"
)

// Transient is whether the profile is on its way to another status.
func (s FargateStatus) Transient() bool { return s == FargateCreating || s == FargateDeleting }

// ARN is arn:aws:eks:REGION:ACCOUNT:fargateprofile/CLUSTER/NAME/UUID.
func (p *FargateProfile) ARN() minato.ARN {
	return fargateARN(p.Scope, p.ClusterName, p.Name, p.UUID)
}

func fargateARN(scope minato.Scope, cluster, name, uuid string) minato.ARN {
	return minato.NewARN("eks", string(scope.Region), scope.Account, fargatePart+"/"+cluster+"/"+name+"/"+uuid)
}

// FargateProfiles is the collection of Fargate profiles.
func FargateProfiles(s store.Store) *store.Collection[FargateProfile] {
	return store.NewCollection[FargateProfile](s, FargateProfilesPrefix)
}

// FargateProfileKey is the id of a Fargate profile's record.
func FargateProfileKey(clusterID, name string) string { return store.ID(clusterID, name) }

// Matches is whether the profile is for a pod.
func (p *FargateProfile) Matches(namespace string, labels map[string]string) bool {
	for _, s := range p.Selectors {
		if s.matches(namespace, labels) {
			return true
		}
	}
	return false
}

func (s FargateSelector) matches(namespace string, labels map[string]string) bool {
	if !wildcard(s.Namespace, namespace) {
		return false
	}
	for key, value := range s.Labels {
		found := false
		for k, v := range labels {
			found = found || wildcard(key, k) && wildcard(value, v)
		}
		if !found {
			return false
		}
	}
	return true
}

// wildcard is whether a pattern with * and ? matches all of a text.
func wildcard(pattern, text string) bool {
	star, mark := -1, 0 // where to go on with one character more under the last *
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
