package control

import (
	"context"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/internal/home"
)

const accessPath = "/access/explain"

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

// ExplainAccess asks the running server why a principal may do something on a cluster, or not.
func ExplainAccess(ctx context.Context, dir home.Dir, q AccessQuestion) (access.Explanation, error) {
	return ask[access.Explanation](ctx, askTimeout, dir, accessPath, q)
}
