package eks

import (
	"encoding/json"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/reconcile"
)

// ClusterStatus is the status of a cluster, spelled as the EKS API spells it.
type ClusterStatus string

// The statuses of a cluster. PENDING belongs to registered and Outposts clusters only.
const (
	ClusterCreating ClusterStatus = "CREATING"
	ClusterActive   ClusterStatus = "ACTIVE"
	ClusterUpdating ClusterStatus = "UPDATING"
	ClusterDeleting ClusterStatus = "DELETING"
	ClusterFailed   ClusterStatus = "FAILED"
)

// Cluster is the record of a cluster. Spec is written by API calls only, Status by the control plane's reconciler only
// (but for the status word itself, which an API call moves to UPDATING or DELETING through Transition).
type Cluster struct {
	Scope     minato.Scope     `json:"scope"`
	Name      string           `json:"name"`
	ID        string           `json:"id"` // 32 hex digits, never used again: etcd prefix, issuer, process names
	CreatedAt time.Time        `json:"createdAt"`
	Creator   minato.Principal `json:"creator"`
	// ClientRequestToken and RequestHash make CreateCluster idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`

	Spec   ClusterSpec `json:"spec"`
	Status Status      `json:"status"`
	Tags   minato.Tags `json:"tags,omitempty"`

	// Connector is there for clusters that run elsewhere, see ConnectedClusters.
	Connector *Connector `json:"connector,omitempty"`
}

// ClusterSpec is what the owner asked for.
type ClusterSpec struct {
	// Generation counts the changes of Spec that the control plane must carry out; Status.ObservedGeneration follows it.
	Generation int64 `json:"generation"`

	Version string     `json:"version"` // minor: "1.35"
	RoleARN minato.ARN `json:"roleArn"`

	SubnetIDs        []string `json:"subnetIds"`
	SecurityGroupIDs []string `json:"securityGroupIds,omitempty"`
	VPCID            string   `json:"vpcId"`
	// Zones are those of the subnets, which no change of subnets changes; empty for clusters of earlier versions of Minato.
	Zones                 []string `json:"availabilityZones,omitempty"`
	ClusterSecurityGroup  string   `json:"clusterSecurityGroupId"`
	EndpointPublicAccess  bool     `json:"endpointPublicAccess"`
	EndpointPrivateAccess bool     `json:"endpointPrivateAccess"`
	PublicAccessCIDRs     []string `json:"publicAccessCidrs"`

	ServiceIPv4CIDR string `json:"serviceIpv4Cidr"`

	// RemoteNetworks are those of hybrid nodes, nil where there are none.
	RemoteNetworks *RemoteNetworks `json:"remoteNetworks,omitempty"`

	AuthenticationMode string `json:"authenticationMode"` // CONFIG_MAP, API_AND_CONFIG_MAP, API
	// BootstrapCreatorAdmin is bootstrapClusterCreatorAdminPermissions.
	BootstrapCreatorAdmin bool `json:"bootstrapClusterCreatorAdminPermissions"`

	OIDC *IdentityProvider `json:"oidc,omitempty"` // see IdentityProvider

	LoggingTypes       []string `json:"loggingTypes,omitempty"` // enabled ones: api, audit, authenticator, controllerManager, scheduler
	SupportType        string   `json:"supportType"`            // STANDARD or EXTENDED
	DeletionProtection bool     `json:"deletionProtection"`
	BootstrapAddons    bool     `json:"bootstrapSelfManagedAddons"`

	// Echoed holds request members that are validated, stored and given back without effect, as wire JSON by their wire
	// name. docs/divergences.md lists them with the reason.
	Echoed map[string]json.RawMessage `json:"echoed,omitempty"`
}

// Status is what the control plane's reconciler found or made.
type Status struct {
	Status             ClusterStatus `json:"status"`
	ObservedGeneration int64         `json:"observedGeneration"`

	// The following are empty until the cluster is ACTIVE for the first time.
	Endpoint        string `json:"endpoint,omitempty"` // https://host:port
	CAData          string `json:"caData,omitempty"`   // base64 of the PEM
	Issuer          string `json:"issuer,omitempty"`   // ServiceAccount token issuer
	PlatformVersion string `json:"platformVersion,omitempty"`
	// Versions are the minors that the control plane has served, oldest first. The last one serves.
	Versions []VersionSince `json:"versions,omitempty"`

	Health     []HealthIssue `json:"health,omitempty"`
	Conditions []Condition   `json:"conditions,omitempty"`
}

// HealthIssue is one entry of cluster.health.issues.
type HealthIssue struct {
	Code        string   `json:"code"`
	Message     string   `json:"message"`
	ResourceIDs []string `json:"resourceIds,omitempty"`
}

// Condition is one finding of a reconcile step; its Type is the step: "PKI", "APIServer", …
type Condition = reconcile.Condition

// ARN is the cluster's ARN.
func (c *Cluster) ARN() minato.ARN {
	return minato.NewARN("eks", string(c.Scope.Region), c.Scope.Account, "cluster/"+c.Name)
}
