package ssm

import (
	"net/netip"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Where the records of this service lie: + account/region/id, or name.
const (
	ActivationsPrefix = "/minato/ssm/activations/"
	InstancesPrefix   = "/minato/ssm/instances/"
	namesPrefix       = "/minato/ssm/names/"
)

// Activation lets machines register, so many and so long.
type Activation struct {
	Scope minato.Scope `json:"scope"`
	ID    string       `json:"id"` // UUID
	// CodeHash is the SHA-256 of the code, which is shown once and kept nowhere. It has 100 bits of chance, so no salt is needed.
	CodeHash    []byte      `json:"codeHash"`
	RoleARN     minato.ARN  `json:"roleArn"`
	Description string      `json:"description,omitempty"`
	Name        string      `json:"name,omitempty"` // DefaultInstanceName
	Limit       int         `json:"limit"`          // how many may register
	Count       int         `json:"count"`          // how many have
	CreatedAt   time.Time   `json:"createdAt"`
	ExpiresAt   time.Time   `json:"expiresAt"`
	Tags        minato.Tags `json:"tags,omitempty"`
}

// Expired is whether nobody can register with it any more because of its age.
func (a Activation) Expired(now time.Time) bool { return !now.Before(a.ExpiresAt) }

// ManagedInstance is a machine that has registered. It proves who it is with a key that it made then.
type ManagedInstance struct {
	Scope        minato.Scope `json:"scope"`
	ID           string       `json:"id"` // "mi-0…"
	ActivationID string       `json:"activationId"`
	RoleARN      minato.ARN   `json:"roleArn"`
	// PublicKey is the machine's Ed25519 key.
	PublicKey    []byte    `json:"publicKey"`
	RegisteredAt time.Time `json:"registeredAt"`
	// Name is its node's name, and the name of its role's sessions; its own among all machines of the account and region.
	Name string `json:"name"`
	// ClusterID is the cluster that it is a node of, with this address, and these addresses of its pods.
	ClusterID string       `json:"clusterId"`
	Cluster   string       `json:"cluster"` // name
	Address   netip.Addr   `json:"address"`
	PodCIDR   netip.Prefix `json:"podCidr,omitzero"`
}

// ARN is the managed instance's ARN.
func (i ManagedInstance) ARN() minato.ARN {
	return minato.NewARN("ssm", string(i.Scope.Region), i.Scope.Account, "managed-instance/"+i.ID)
}

// name is what lies under a name that is taken.
type name struct {
	InstanceID string `json:"instanceId"`
}

// Activations is the collection of activations.
func Activations(s store.Store) *store.Collection[Activation] {
	return store.NewCollection[Activation](s, ActivationsPrefix)
}

// Instances is the collection of managed instances.
func Instances(s store.Store) *store.Collection[ManagedInstance] {
	return store.NewCollection[ManagedInstance](s, InstancesPrefix)
}

func names(s store.Store) *store.Collection[name] { return store.NewCollection[name](s, namesPrefix) }

// RecordID is the id of a record of this service.
func RecordID(scope minato.Scope, id string) string {
	return store.ID(scope.Account, string(scope.Region), id)
}
