package eks

import (
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Where the records about add-ons lie.
const (
	AddonsPrefix = "/minato/eks/addons/" // + cluster id/name
	// DefaultAddonsPrefix is where it is noted that a cluster has been given the add-ons that it comes with: + cluster id.
	DefaultAddonsPrefix = "/minato/eks/default-addons/"
)

// addonPart is the kind of part that an add-on is, in ARNs and for updates.
const addonPart = "addon"

// Addon is the record of an add-on of a cluster. API calls write Spec and Tags and move the status word to UPDATING or
// DELETING; the rest of Status is the add-on reconciler's.
type Addon struct {
	Scope       minato.Scope `json:"scope"`
	ClusterID   string       `json:"clusterId"`
	ClusterName string       `json:"clusterName"`
	Name        string       `json:"name"`
	UUID        string       `json:"uuid"` // last part of the ARN, never used again
	Publisher   string       `json:"publisher"`
	Owner       string       `json:"owner"`
	CreatedAt   time.Time    `json:"createdAt"`
	ModifiedAt  time.Time    `json:"modifiedAt"`
	// ClientRequestToken and RequestHash make CreateAddon idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`

	Spec   AddonSpec   `json:"spec"`
	Status AddonState  `json:"status"`
	Tags   minato.Tags `json:"tags,omitempty"`
}

// AddonSpec is what the owner asked for.
type AddonSpec struct {
	// Generation counts the changes that the reconciler must carry out; ObservedGeneration follows it.
	Generation int64 `json:"generation"`

	Version   string `json:"version"` // "v1.15.0-minatobuild.1"
	Namespace string `json:"namespace"`
	// RoleARN is the IAM role of the add-on's service account, zero for none.
	RoleARN minato.ARN `json:"roleArn,omitzero"`
	// Values are the configuration values as they came, JSON or YAML.
	Values string `json:"values,omitempty"`
	// ResolveConflicts is what becomes of fields that others have set: NONE, OVERWRITE, PRESERVE.
	ResolveConflicts string `json:"resolveConflicts"`
	// Preserve leaves what is installed in the cluster when the add-on is deleted.
	Preserve bool `json:"preserve,omitempty"`
}

// What becomes of fields that others have set.
const (
	ResolveNone      = "NONE"
	ResolveOverwrite = "OVERWRITE"
	ResolvePreserve  = "PRESERVE"
)

// AddonStatus is the status of an add-on, spelled as the EKS API spells it.
type AddonStatus string

// The statuses of an add-on.
const (
	AddonCreating     AddonStatus = "CREATING"
	AddonActive       AddonStatus = "ACTIVE"
	AddonCreateFailed AddonStatus = "CREATE_FAILED"
	AddonUpdating     AddonStatus = "UPDATING"
	AddonDeleting     AddonStatus = "DELETING"
	AddonDeleteFailed AddonStatus = "DELETE_FAILED"
	AddonDegraded     AddonStatus = "DEGRADED"
	AddonUpdateFailed AddonStatus = "UPDATE_FAILED"
)

// Transient is whether the add-on is on its way to another status.
func (s AddonStatus) Transient() bool {
	return s == AddonCreating || s == AddonUpdating || s == AddonDeleting
}

// AddonState is what the reconciler found or made.
type AddonState struct {
	Status             AddonStatus `json:"status"`
	ObservedGeneration int64       `json:"observedGeneration"`
	// Installed is whether anything of it may be in the cluster.
	Installed bool `json:"installed,omitempty"`
	// AppliedGeneration is the generation whose objects are in the cluster, since AppliedAt.
	AppliedGeneration int64         `json:"appliedGeneration,omitempty"`
	AppliedAt         time.Time     `json:"appliedAt,omitzero"`
	Health            []HealthIssue `json:"health,omitempty"`
}

// ARN is arn:aws:eks:REGION:ACCOUNT:addon/CLUSTER/NAME/UUID.
func (a *Addon) ARN() minato.ARN { return addonARN(a.Scope, a.ClusterName, a.Name, a.UUID) }

func addonARN(scope minato.Scope, cluster, name, uuid string) minato.ARN {
	return minato.NewARN("eks", string(scope.Region), scope.Account, addonPart+"/"+cluster+"/"+name+"/"+uuid)
}

// Addons is the collection of add-ons.
func Addons(s store.Store) *store.Collection[Addon] {
	return store.NewCollection[Addon](s, AddonsPrefix)
}

// AddonKey is the id of an add-on's record.
func AddonKey(clusterID, name string) string { return store.ID(clusterID, name) }

// DefaultAddonsApplied says which add-ons a cluster has been given when it was new. They are their owner's afterwards.
type DefaultAddonsApplied struct {
	Versions map[string]string `json:"versions"` // by name
	At       time.Time         `json:"at"`
}

// DefaultAddons is the collection of these notes.
func DefaultAddons(s store.Store) *store.Collection[DefaultAddonsApplied] {
	return store.NewCollection[DefaultAddonsApplied](s, DefaultAddonsPrefix)
}
