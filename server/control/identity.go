package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"minato.dev/minato"
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

// explainIdentity answers POST /identity/explain: an Explanation, or a message with status 400 when there is no answer.
func (s Server) explainIdentity(w http.ResponseWriter, r *http.Request) {
	var q IdentityQuestion
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		http.Error(w, "the question is not understood: "+err.Error(), http.StatusBadRequest)
		return
	}
	e, err := s.ExplainIdentity(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(e)
}

// ConnectRequest says who signs the ServiceAccount tokens of a registered cluster.
type ConnectRequest struct {
	Account string          `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster string          `json:"cluster"`
	Issuer  string          `json:"issuer"`
	JWKS    json.RawMessage `json:"jwks"`
}

const connectPath = "/identity/register"

// connect answers POST /identity/register: nothing, or a message with status 400.
func (s Server) connect(w http.ResponseWriter, r *http.Request) {
	var q ConnectRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion+jwks.MaxBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&q)
	if err == nil {
		err = s.ConnectCluster(r.Context(), q)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// ConnectCluster tells the running server who signs the ServiceAccount tokens of a registered cluster.
func ConnectCluster(ctx context.Context, dir home.Dir, q ConnectRequest) error {
	request, err := json.Marshal(q)
	if err != nil {
		return err
	}
	status, body, err := exchange(ctx, dir, http.MethodPost, connectPath, request)
	if err == nil && status != http.StatusOK {
		err = minato.Errorf(minato.Invalid, "%s", body)
	}
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

// manifest answers POST /identity/manifest: YAML, or a message with status 400.
func (s Server) manifest(w http.ResponseWriter, r *http.Request) {
	var q ManifestRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&q)
	var yaml string
	if err == nil {
		yaml, err = s.Manifest(r.Context(), q)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = io.WriteString(w, yaml) // the client is gone
}

// Manifest asks the running server what is to be applied to a registered cluster.
func Manifest(ctx context.Context, dir home.Dir, q ManifestRequest) (string, error) {
	request, err := json.Marshal(q)
	if err != nil {
		return "", err
	}
	status, body, err := exchange(ctx, dir, http.MethodPost, manifestPath, request)
	if err == nil && status != http.StatusOK {
		err = minato.Errorf(minato.Invalid, "%s", body)
	}
	return string(body), err
}

// ExplainIdentity asks the running server which credentials the pods of a ServiceAccount have, and what these may do.
func ExplainIdentity(ctx context.Context, dir home.Dir, q IdentityQuestion) (e eksauth.Explanation, err error) {
	question, err := json.Marshal(q)
	if err != nil {
		return e, err
	}
	status, body, err := exchange(ctx, dir, http.MethodPost, identityPath, question)
	if err != nil {
		return e, err
	}
	if status != http.StatusOK {
		return e, minato.Errorf(minato.Invalid, "%s", body)
	}
	return e, json.Unmarshal(body, &e)
}
