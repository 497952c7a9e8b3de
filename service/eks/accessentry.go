package eks

import (
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// AccessEntriesPrefix is where access entries lie: + cluster id/principal ARN.
const AccessEntriesPrefix = "/minato/eks/access-entries/"

// AccessEntry is the record of one principal's access to one cluster, with the access policies associated with it.
type AccessEntry struct {
	ClusterID    string     `json:"clusterId"`
	PrincipalARN minato.ARN `json:"principalArn"`
	// PrincipalID is the unique id (AROA…, AIDA…) that the principal had when the entry was made: a role or user that is
	// deleted and made again under the same name is somebody else.
	PrincipalID string `json:"principalId"`
	UUID        string `json:"uuid"` // last part of the entry's ARN
	Type        string `json:"type"` // STANDARD, EC2_LINUX, …
	// Username is the username or its template, such as "arn:aws:sts::111122223333:assumed-role/ops/{{SessionName}}".
	Username string   `json:"username"`
	Groups   []string `json:"groups,omitempty"`

	Policies   []AssociatedPolicy `json:"policies,omitempty"`
	Tags       minato.Tags        `json:"tags,omitempty"`
	CreatedAt  time.Time          `json:"createdAt"`
	ModifiedAt time.Time          `json:"modifiedAt"`

	// ForNodes is whether it was made for a nodegroup or a Fargate profile, to go with the last one of its role.
	ForNodes bool `json:"forNodes,omitempty"`

	// ClientRequestToken and RequestHash make CreateAccessEntry idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`
}

// AssociatedPolicy is an access policy that holds for an entry's principal, in a scope.
type AssociatedPolicy struct {
	PolicyARN    minato.ARN `json:"policyArn"`
	ScopeType    string     `json:"scopeType"`            // cluster or namespace
	Namespaces   []string   `json:"namespaces,omitempty"` // names or patterns with *
	AssociatedAt time.Time  `json:"associatedAt"`
	ModifiedAt   time.Time  `json:"modifiedAt"`
}

// AccessEntries is the collection of access entries.
func AccessEntries(s store.Store) *store.Collection[AccessEntry] {
	return store.NewCollection[AccessEntry](s, AccessEntriesPrefix)
}

// AccessEntryKey is the id of an access entry's record.
func AccessEntryKey(clusterID string, principal minato.ARN) string {
	return store.ID(clusterID, principal.String())
}
