package control

import (
	"context"
	"encoding/json"

	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/jwks"
	"minato.dev/minato/service/eksauth"
)

const identityPath = "/identity/explain"

// IdentityQuestion is which credentials the pods of a ServiceAccount have, and whether they may do something.
type IdentityQuestion struct {
	Account        string `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster        string `json:"cluster"`
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	Pod            string `json:"pod,omitempty"` // name; empty is any
	Action         string `json:"action,omitempty"`
	Resource       string `json:"resource,omitempty"`
}

// ConnectRequest says who signs the ServiceAccount tokens of a registered cluster.
type ConnectRequest struct {
	Account string          `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster string          `json:"cluster"`
	Issuer  string          `json:"issuer"`
	JWKS    json.RawMessage `json:"jwks"`
}

const connectPath = "/identity/register"

// maxConnect bounds a ConnectRequest.
const maxConnect = maxQuestion + jwks.MaxBytes

// ConnectCluster tells the running server who signs the ServiceAccount tokens of a registered cluster.
func ConnectCluster(ctx context.Context, dir home.Dir, q ConnectRequest) error {
	_, err := ask[struct{}](ctx, askTimeout, dir, connectPath, q)
	return err
}

// ManifestRequest asks for what is to be applied to a registered cluster so that its pods get credentials.
type ManifestRequest struct {
	Account string `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster string `json:"cluster"`
	Address string `json:"address,omitempty"` // where the cluster reaches this server; empty is the first that it advertises
	Image   string `json:"image"`             // of the agent, where the cluster's nodes pull it
}

const manifestPath = "/identity/manifest"

// Manifest asks the running server what is to be applied to a registered cluster.
func Manifest(ctx context.Context, dir home.Dir, q ManifestRequest) (yaml string, err error) {
	return ask[string](ctx, askTimeout, dir, manifestPath, q)
}

// ExplainIdentity asks the running server which credentials the pods of a ServiceAccount have, and what these may do.
func ExplainIdentity(ctx context.Context, dir home.Dir, q IdentityQuestion) (eksauth.Explanation, error) {
	return ask[eksauth.Explanation](ctx, askTimeout, dir, identityPath, q)
}
