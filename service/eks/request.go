package eks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"minato.dev/minato"
)

// CreateClusterRequest asks for a cluster. Zero values are what the client left out.
type CreateClusterRequest struct {
	Name                  string
	Version               string
	RoleARN               string
	VPC                   VPCRequest
	IPFamily              string
	ServiceIPv4CIDR       string
	AuthenticationMode    string
	BootstrapCreatorAdmin *bool
	BootstrapAddons       *bool
	Logging               []LogSetup
	SupportType           string
	DeletionProtection    *bool
	Tags                  minato.Tags
	RemoteNetworks        *RemoteNetworksRequest `json:",omitempty"`
	// Other are the members that have no field here, as wire JSON by wire name. See other.go.
	Other              map[string]json.RawMessage
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// UpdateClusterConfigRequest asks for one change of a cluster. Nil is what the client left out.
type UpdateClusterConfigRequest struct {
	Name               string
	VPC                *VPCRequest
	Logging            []LogSetup
	AuthenticationMode *string
	SupportType        *string
	DeletionProtection *bool
	RemoteNetworks     *RemoteNetworksRequest `json:",omitempty"`
	Other              map[string]json.RawMessage
	ClientRequestToken string `json:"-"`
}

// VPCRequest is resourcesVpcConfig. Nil is what the client left out.
type VPCRequest struct {
	SubnetIDs              []string
	SecurityGroupIDs       []string
	EndpointPublicAccess   *bool
	EndpointPrivateAccess  *bool
	PublicAccessCIDRs      []string
	ControlPlaneEgressMode string
}

// LogSetup switches log types on or off. It marshals as on the wire: updates show it in their parameters.
type LogSetup struct {
	Types   []string `json:"types"`
	Enabled bool     `json:"enabled"`
}

// hashOf is the fingerprint of a request without its token, to tell a repetition from another request.
func hashOf(request any) string {
	b, _ := json.Marshal(request) // strings, bools, lists and maps of them: cannot fail
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// errTokenReused answers a token that comes again with another request.
func errTokenReused(token, clusterName string) error {
	return minato.Errorf(minato.Invalid, "The clientRequestToken %q was already used for another request with different parameters: use a new token, or repeat the request unchanged", token).
		With("clusterName", clusterName)
}
