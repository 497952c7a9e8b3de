package eks

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
)

// NodegroupsPrefix is where nodegroups lie: + cluster id/name.
const NodegroupsPrefix = "/minato/eks/nodegroups/"

// nodegroupPart is the kind of part that a nodegroup is, in ARNs and for updates.
const nodegroupPart = "nodegroup"

// Nodegroup is the record of a managed nodegroup. API calls write Spec and Tags and move the status word to UPDATING or
// DELETING; the rest of Status is the nodegroup reconciler's.
type Nodegroup struct {
	Scope       minato.Scope `json:"scope"`
	ClusterID   string       `json:"clusterId"`
	ClusterName string       `json:"clusterName"`
	Name        string       `json:"name"`
	UUID        string       `json:"uuid"` // last part of the ARN, never used again
	CreatedAt   time.Time    `json:"createdAt"`
	ModifiedAt  time.Time    `json:"modifiedAt"`
	// ClientRequestToken and RequestHash make CreateNodegroup idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`

	Spec   NodegroupSpec  `json:"spec"`
	Status NodegroupState `json:"status"`
	Tags   minato.Tags    `json:"tags,omitempty"`
}

// NodegroupSpec is what the owner asked for.
type NodegroupSpec struct {
	// Generation counts the changes that the reconciler must carry out; ObservedGeneration follows it.
	Generation int64 `json:"generation"`
	// Revision counts those changes that take new nodes. A node of another revision is replaced.
	Revision int64 `json:"revision"`
	// LastRevision is the latest one that there has been, which an update that failed may have left.
	LastRevision int64 `json:"lastRevision"`

	Version        string `json:"version"`        // minor of the nodes: "1.35"
	ReleaseVersion string `json:"releaseVersion"` // "1.35.4-20261101", or the id of a launch template's own image
	AMIType        string `json:"amiType"`
	CapacityType   string `json:"capacityType"`
	// InstanceTypes and DiskGiB are zero where a launch template says them.
	InstanceTypes []string `json:"instanceTypes,omitempty"`
	DiskGiB       int      `json:"diskGib,omitempty"`

	SubnetIDs []string         `json:"subnetIds"`
	NodeRole  minato.ARN       `json:"nodeRole"`
	Scaling   Scaling          `json:"scaling"`
	Update    NodegroupUpdates `json:"update"`
	// Repair is nodeRepairConfig as it came; nil for none.
	Repair   *NodeRepair        `json:"repair,omitempty"`
	Labels   map[string]string  `json:"labels,omitempty"`
	Taints   []Taint            `json:"taints,omitempty"`
	Template *NodegroupTemplate `json:"template,omitempty"`
	// Force lets the version update of this generation go on where pods cannot be evicted.
	Force bool `json:"force,omitempty"`
}

// Scaling is how many nodes there are to be.
type Scaling struct {
	Min     int `json:"min"`
	Max     int `json:"max"`
	Desired int `json:"desired"`
}

// NodegroupUpdates is updateConfig: one of the two limits is zero.
type NodegroupUpdates struct {
	MaxUnavailable           int    `json:"maxUnavailable,omitempty"`
	MaxUnavailablePercentage int    `json:"maxUnavailablePercentage,omitempty"`
	Strategy                 string `json:"strategy,omitempty"` // DEFAULT or MINIMAL; empty where none was given
}

// Taint is a taint of nodes in the EKS API's spelling of effects.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"` // NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE
}

// NodegroupTemplate is a version of a launch template.
type NodegroupTemplate struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"` // a number
}

// NodegroupStatus is the status of a nodegroup, spelled as the EKS API spells it.
type NodegroupStatus string

// The statuses of a nodegroup.
const (
	NodegroupCreating     NodegroupStatus = "CREATING"
	NodegroupActive       NodegroupStatus = "ACTIVE"
	NodegroupUpdating     NodegroupStatus = "UPDATING"
	NodegroupDeleting     NodegroupStatus = "DELETING"
	NodegroupDegraded     NodegroupStatus = "DEGRADED"
	NodegroupCreateFailed NodegroupStatus = "CREATE_FAILED"
	NodegroupDeleteFailed NodegroupStatus = "DELETE_FAILED"
)

// Transient is whether the nodegroup is on its way to another status.
func (s NodegroupStatus) Transient() bool {
	return s == NodegroupCreating || s == NodegroupUpdating || s == NodegroupDeleting
}

// NodegroupState is what the reconciler found or made.
type NodegroupState struct {
	Status             NodegroupStatus `json:"status"`
	ObservedGeneration int64           `json:"observedGeneration"`
	// GroupName is what stands for the Auto Scaling group; empty before there is one.
	GroupName string `json:"groupName,omitempty"`
	// Machines are what the reconciler remembers of the nodes that there are, by instance id.
	Machines map[string]Machine `json:"machines,omitempty"`
	// KnownLabels and KnownTaints are the keys of all labels that the nodegroup has had, and all its taints without values, to be
	// taken off nodes again.
	KnownLabels []string `json:"knownLabels,omitempty"`
	KnownTaints []Taint  `json:"knownTaints,omitempty"`
	// Failures counts the instances in a row that ended before they were nodes, the last one at FailedAt because of Failure.
	Failures   int                   `json:"failures,omitempty"`
	FailedAt   time.Time             `json:"failedAt,omitzero"`
	Failure    string                `json:"failure,omitempty"`
	Health     []HealthIssue         `json:"health,omitempty"`
	Conditions []reconcile.Condition `json:"conditions,omitempty"`
}

// Machine is what is remembered of one node. Its times are the machine's, not those of a test clock.
type Machine struct {
	SeenAt     time.Time `json:"seenAt"`              // first looked at
	JoinedAt   time.Time `json:"joinedAt,omitzero"`   // first Ready
	DrainingAt time.Time `json:"drainingAt,omitzero"` // on its way out since
	// Synced is the Spec.Generation whose labels and taints the node was given.
	Synced int64 `json:"synced,omitempty"`
	// Reason is why it is on its way out.
	Reason string `json:"reason,omitempty"`
}

// ARN is arn:aws:eks:REGION:ACCOUNT:nodegroup/CLUSTER/NAME/UUID.
func (n *Nodegroup) ARN() minato.ARN { return nodegroupARN(n.Scope, n.ClusterName, n.Name, n.UUID) }

func nodegroupARN(scope minato.Scope, cluster, name, uuid string) minato.ARN {
	return minato.NewARN("eks", string(scope.Region), scope.Account, nodegroupPart+"/"+cluster+"/"+name+"/"+uuid)
}

// GroupName is the name of what stands for a nodegroup's Auto Scaling group, as on EKS.
func (n *Nodegroup) GroupName() string { return "eks-" + n.Name + "-" + n.UUID }

// Nodegroups is the collection of nodegroups.
func Nodegroups(s store.Store) *store.Collection[Nodegroup] {
	return store.NewCollection[Nodegroup](s, NodegroupsPrefix)
}

// NodegroupKey is the id of a nodegroup's record.
func NodegroupKey(clusterID, name string) string { return store.ID(clusterID, name) }

// nodegroup reads a nodegroup of a cluster.
func (s *Service) nodegroup(ctx context.Context, c *Cluster, name string) (store.Item[Nodegroup], error) {
	item, err := Nodegroups(s.Store).Get(ctx, NodegroupKey(c.ID, name))
	return item, s.partError(ctx, nodegroupWords, c.Name, name, err)
}
