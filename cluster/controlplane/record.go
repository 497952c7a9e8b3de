package controlplane

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/pki"
)

// Where the records of this package lie.
const (
	RecordsPrefix    = "/minato/controlplanes/" // + cluster id
	UIDClaimsPrefix  = "/minato/uids/"          // + uid
	PortClaimsPrefix = "/minato/ports/"         // + port
)

// ControlPlane is the private record behind a cluster: what its processes need, and nobody outside may see. It is written by
// this package only, is there before the first process and goes after the last.
type ControlPlane struct {
	ClusterID string `json:"clusterId"`
	Cluster   string `json:"cluster"` // id of the cluster's record: account/region/name

	UID  uint32 `json:"uid,omitempty"` // user and group of the processes; zero where Minato does not run as root
	Port int    `json:"port"`          // of the endpoint, at the gate

	// Issuer is the ServiceAccount token issuer, fixed at creation because every token and every IAM OIDC provider names it.
	Issuer string `json:"issuer"`
	// SigningKeys verify ServiceAccount tokens: the one that signs first, then older ones whose tokens may still be around.
	SigningKeys []SigningKey `json:"signingKeys"`
	// NextSigningKey will sign when everybody knows it; nil while none is to come.
	NextSigningKey *SigningKey `json:"nextSigningKey,omitempty"`
	// Sealed is a Keys, as JSON, sealed for this record.
	Sealed []byte `json:"sealed"`

	Active Generation  `json:"active"`
	Next   *Generation `json:"next,omitempty"` // being started beside Active
}

// Generation is one set of processes.
type Generation struct {
	Number int    `json:"number"` // counts from 1
	Patch  string `json:"patch"`  // Kubernetes version: "v1.35.4"
	Ports  Ports  `json:"ports"`
	// Fingerprint is over everything that only a new generation can change; see plan.fingerprint.
	Fingerprint string `json:"fingerprint"`
	// Begun is when a next generation was begun, by the machine's clock.
	Begun time.Time `json:"begun,omitzero"`
}

// Ports are the loopback ports of a generation.
type Ports struct {
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

func (p Ports) all() []int { return []int{p.APIServer, p.ControllerManager, p.Scheduler} }

// SigningKey is the public half of a key that signs ServiceAccount tokens.
type SigningKey struct {
	KeyID     string    `json:"kid"` // base64url of the SHA-256 of the DER public key, as kube-apiserver writes into tokens
	PublicPEM []byte    `json:"publicPem"`
	Since     time.Time `json:"since"`
	// Retired is when another key took its place, in real time; zero while it signs.
	Retired time.Time `json:"retired,omitzero"`
}

// Keys are a cluster's secrets.
type Keys struct {
	ClusterCA      pki.Pair `json:"clusterCa"`
	FrontProxyCA   pki.Pair `json:"frontProxyCa"`
	ServiceAccount []byte   `json:"serviceAccount"` // private key PEM, RSA 2048
	// NextServiceAccount is that of NextSigningKey.
	NextServiceAccount []byte          `json:"nextServiceAccount,omitempty"`
	Encryption         []EncryptionKey `json:"encryption"` // the first one writes, all of them read
}

// EncryptionKey encrypts the cluster's Secrets in etcd.
type EncryptionKey struct {
	Name   string `json:"name"`
	Secret []byte `json:"secret"` // 32 bytes
}

// claim is what lies under a claimed uid or port: who holds it.
type claim struct {
	ClusterID string `json:"clusterId"`
}

// Records is the collection of control planes; a record's id is the cluster's id.
func Records(s store.Store) *store.Collection[ControlPlane] {
	return store.NewCollection[ControlPlane](s, RecordsPrefix)
}

func uidClaims(s store.Store) *store.Collection[claim] {
	return store.NewCollection[claim](s, UIDClaimsPrefix)
}

func portClaims(s store.Store) *store.Collection[claim] {
	return store.NewCollection[claim](s, PortClaimsPrefix)
}

// SigningKeys are a cluster's issuer and the public keys that verify its ServiceAccount tokens, for OIDC discovery.
// The error wraps store.ErrNotFound when there is no such cluster.
func SigningKeys(ctx context.Context, s store.Store, clusterID string) (issuer string, keys []SigningKey, err error) {
	item, err := Records(s).Get(ctx, clusterID)
	if err != nil {
		return "", nil, fmt.Errorf("reading signing keys of cluster %s: %w", clusterID, err)
	}
	return item.Value.Issuer, item.Value.VerifyingKeys(), nil
}
