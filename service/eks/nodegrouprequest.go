package eks

import (
	"encoding/json"

	"minato.dev/minato"
)

// CreateNodegroupRequest asks for a nodegroup. Zero values are what the client left out.
type CreateNodegroupRequest struct {
	ClusterName    string
	Name           string
	Version        string
	ReleaseVersion string
	AMIType        string
	CapacityType   string
	InstanceTypes  []string
	DiskGiB        *int
	SubnetIDs      []string
	NodeRole       string
	Scaling        *ScalingRequest
	Update         *NodegroupUpdates
	Repair         *NodeRepair
	Labels         map[string]string
	Taints         []Taint
	Template       *NodegroupTemplate
	RemoteAccess   bool // was given
	// Other are the members that have no field here, as wire JSON by wire name.
	Other              map[string]json.RawMessage
	Tags               minato.Tags
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// ScalingRequest is scalingConfig. Nil is what the client left out.
type ScalingRequest struct {
	Min, Max, Desired *int
}

// UpdateNodegroupConfigRequest asks for changes of a nodegroup. Nil is what the client left out.
type UpdateNodegroupConfigRequest struct {
	ClusterName        string
	Name               string
	Scaling            *ScalingRequest
	Update             *NodegroupUpdates
	Repair             *NodeRepair
	AddLabels          map[string]string
	RemoveLabels       []string
	AddTaints          []Taint
	RemoveTaints       []Taint
	Other              map[string]json.RawMessage
	ClientRequestToken string `json:"-"`
}

// UpdateNodegroupVersionRequest asks for nodes of another version. Zero values are what the client left out.
type UpdateNodegroupVersionRequest struct {
	ClusterName        string
	Name               string
	Version            string
	ReleaseVersion     string
	Template           *NodegroupTemplate
	Force              bool
	ClientRequestToken string `json:"-"`
}
