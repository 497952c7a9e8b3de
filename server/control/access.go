package control

import (
	"context"
	"encoding/json"
	"net/http"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/internal/home"
)

// maxQuestion bounds the body of a request.
const maxQuestion = 64 << 10

// AccessQuestion is whether a principal may do something on a cluster.
type AccessQuestion struct {
	Account   string `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster   string `json:"cluster"`
	Principal string `json:"principal"`         // ARN of a user, a role, a session or a root
	Session   string `json:"session,omitempty"` // name of a role's session
	Verb      string `json:"verb"`
	Resource  string `json:"resource"` // as kubectl takes it: pods, deploy, pods/log, deployments.apps; or a path such as /metrics
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"` // of the object
}

// explain answers POST /access/explain: an Explanation, or a message with status 400 when there is no answer.
func (s Server) explain(w http.ResponseWriter, r *http.Request) {
	var q AccessQuestion
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		http.Error(w, "the question is not understood: "+err.Error(), http.StatusBadRequest)
		return
	}
	e, err := s.ExplainAccess(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(e)
}

// ExplainAccess asks the running server why a principal may do something on a cluster, or not.
func ExplainAccess(ctx context.Context, dir home.Dir, q AccessQuestion) (e access.Explanation, err error) {
	question, err := json.Marshal(q)
	if err != nil {
		return e, err
	}
	status, body, err := exchange(ctx, dir, http.MethodPost, "/access/explain", question)
	if err != nil {
		return e, err
	}
	if status != http.StatusOK {
		return e, minato.Errorf(minato.Invalid, "%s", body)
	}
	return e, json.Unmarshal(body, &e)
}
