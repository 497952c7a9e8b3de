package machine

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"time"

	"minato.dev/minato/cluster/node/imageroot"
	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/home"
)

// folder holds a folder for each node: in the run folder with what it is told, in the home with its disk.
const folder = "nodes"

// Names of the files in a node's run folder.
const (
	specFile        = "machine.json"
	credentialsFile = "credentials.json"
	statusSocket    = "status.sock"
	rootFolder      = "root"
)

// ServiceAddress is where, inside every VPC, the control planes, the AWS API and the registry are.
var ServiceAddress = netip.MustParseAddr("192.0.2.1")

// Spec is all that a node is made from.
type Spec struct {
	InstanceID   string `json:"instanceId"`
	InstanceType string `json:"instanceType"`
	ImageID      string `json:"imageId"`
	Account      string `json:"account"`
	Region       string `json:"region"`
	Zone         string `json:"zone"`
	ZoneID       string `json:"zoneId,omitempty"`
	// ReservationID and LaunchIndex say which launch it was of, and Spot how it is paid for.
	ReservationID string `json:"reservationId,omitempty"`
	LaunchIndex   int    `json:"launchIndex,omitempty"`
	Spot          bool   `json:"spot,omitempty"`
	// Name is the private DNS name, which is the host's and the Node's name.
	Name       string    `json:"name"`
	LaunchedAt time.Time `json:"launchedAt"`
	ProfileARN string    `json:"profileArn,omitempty"`
	Role       string    `json:"role,omitempty"` // its name
	UserData   []byte    `json:"userData,omitempty"`
	HopLimit   int       `json:"hopLimit"`
	// TokensOptional lets in IMDSv1.
	TokensOptional bool              `json:"tokensOptional,omitempty"`
	SecurityGroups []string          `json:"securityGroups,omitempty"` // ids
	Tags           map[string]string `json:"tags,omitempty"`

	Network Network `json:"network"`
	Size    Size    `json:"size"`
	Cluster Cluster `json:"cluster"`
	// KubeletConfig are fields of the KubeletConfiguration that the user data sets, and KubeletFlags more arguments.
	KubeletConfig map[string]any `json:"kubeletConfig,omitempty"`
	KubeletFlags  []string       `json:"kubeletFlags,omitempty"`

	Programs Programs `json:"programs"`
}

// Network is the node's place in a VPC.
type Network struct {
	VPCID       string         `json:"vpcId"`
	VPCCIDRs    []netip.Prefix `json:"vpcCidrs"`
	SubnetID    string         `json:"subnetId"`
	Subnet      netip.Prefix   `json:"subnet"`
	InterfaceID string         `json:"interfaceId"`
	MAC         string         `json:"mac"`
	// Addresses are the node's own and then its pods'.
	Addresses []netip.Addr `json:"addresses"`
}

// Primary is the node's own address.
func (n Network) Primary() netip.Addr { return n.Addresses[0] }

// Size is what the instance type says.
type Size struct {
	VCPUs     int `json:"vcpus"`
	MemoryMiB int `json:"memoryMib"`
	DiskGiB   int `json:"diskGib"`
	MaxPods   int `json:"maxPods"`
}

// Cluster is the cluster that the node joins.
type Cluster struct {
	Name     string     `json:"name"`
	Endpoint string     `json:"endpoint"` // "https://192.0.2.1:PORT"
	CA       []byte     `json:"ca"`       // PEM
	DNS      netip.Addr `json:"dns"`
}

// Programs are the paths of programs on the host, and where images come from.
type Programs struct {
	Minato string `json:"minato"`
	Kube   string `json:"kube"` // multi-call; kubelet is in it
	// Containerd and Runc are files; Shim is containerd-shim-runc-v2, and Plugins the folder of the reference CNI plugins.
	Containerd string `json:"containerd"`
	Shim       string `json:"shim"`
	Runc       string `json:"runc"`
	Plugins    string `json:"plugins,omitempty"`
	// Registry is the local registry as nodes reach it: "http://192.0.2.1:4568".
	Registry string `json:"registry,omitempty"`
	// Pause is the image of the pod sandbox.
	Pause string `json:"pause"`
	// Prepared are the images that a node has from its start.
	Prepared imageroot.Source `json:"prepared,omitzero"`
}

// Credentials are those of the node's role, as the metadata service gives them.
type Credentials struct {
	// Code is "Success", else why there are none: "AssumeRoleUnauthorizedAccess". Then Message says more.
	Code            string    `json:"Code"`
	Message         string    `json:"Message,omitempty"`
	LastUpdated     time.Time `json:"LastUpdated"`
	Type            string    `json:"Type,omitempty"` // "AWS-HMAC"
	AccessKeyID     string    `json:"AccessKeyId,omitempty"`
	SecretAccessKey string    `json:"SecretAccessKey,omitempty"`
	Token           string    `json:"Token,omitempty"`
	Expiration      time.Time `json:"Expiration,omitzero"` // by the machine's clock, by which clients renew
	// Ends is Expiration by Minato's clock; the metadata service does not tell it.
	Ends time.Time `json:"Ends,omitzero"`
}

// RunFolder is where a node's files for this boot of the machine lie.
func RunFolder(h home.Dir, id string) string { return h.Run(folder, id) }

func runFile(h home.Dir, id, name string) string { return h.Run(folder, id, name) }

// LogDir is where a node's logs lie.
func LogDir(h home.Dir, id string) string { return h.Logs(folder, id) }

// WriteSpec makes the run folder of a node with its specification in it. changed is whether that is a new one.
func WriteSpec(h home.Dir, s Spec) (changed bool, err error) {
	if err := h.MakeRun(folder, s.InstanceID); err != nil {
		return false, err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return false, err
	}
	path := runFile(h, s.InstanceID, specFile)
	if old, err := os.ReadFile(path); err == nil && string(old) == string(b) {
		return false, nil
	}
	return true, atomicfile.Write(path, b, 0o600)
}

// ReadSpec reads a node's specification; the error wraps fs.ErrNotExist where there is none.
func ReadSpec(h home.Dir, id string) (s Spec, err error) {
	b, err := os.ReadFile(runFile(h, id, specFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("reading the specification of node %s: %w", id, err)
	}
	if s.InstanceID != id || len(s.Network.Addresses) == 0 {
		return s, fmt.Errorf("the specification of node %s is of %q with %d addresses", id, s.InstanceID, len(s.Network.Addresses))
	}
	return s, nil
}

// WriteCredentials gives a node's metadata service new credentials.
func WriteCredentials(h home.Dir, id string, c Credentials) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return atomicfile.Write(runFile(h, id, credentialsFile), b, 0o600)
}

// ReadCredentials are those that a node has now; the error wraps fs.ErrNotExist where there are none yet.
func ReadCredentials(h home.Dir, id string) (c Credentials, err error) {
	b, err := os.ReadFile(runFile(h, id, credentialsFile))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(b, &c)
}
