package simulated

import (
	"context"
	"fmt"

	"minato.dev/minato/cluster/kubeapi"
)

const (
	// user is who kwok is in a cluster.
	user      = "minato:simulated-nodes"
	manager   = "minato"
	rbacGroup = "rbac.authorization.k8s.io"
	rbacPath  = "/apis/" + rbacGroup + "/v1/"
)

// grant lets kwok do what it does, and no more: read nodes and pods, say how they are, remove pods that are to go, and make
// events.
func grant(ctx context.Context, api *kubeapi.Client) error {
	rule := func(group, resource string, verbs ...string) doc {
		return doc{"apiGroups": []string{group}, "resources": []string{resource}, "verbs": verbs}
	}
	role := doc{
		"apiVersion": rbacGroup + "/v1", "kind": "ClusterRole", "metadata": doc{"name": user},
		"rules": []doc{
			rule("", "nodes", "get", "list", "watch"),
			rule("", "nodes/status", "patch"),
			rule("", "pods", "get", "list", "watch", "delete"),
			rule("", "pods/status", "patch"),
			rule("", "events", "create", "patch"),
		},
	}
	binding := doc{
		"apiVersion": rbacGroup + "/v1", "kind": "ClusterRoleBinding", "metadata": doc{"name": user},
		"roleRef":  doc{"apiGroup": rbacGroup, "kind": "ClusterRole", "name": user},
		"subjects": []doc{{"apiGroup": rbacGroup, "kind": "User", "name": user}},
	}
	for path, object := range map[string]doc{"clusterroles/": role, "clusterrolebindings/": binding} {
		if err := api.Apply(ctx, rbacPath+path+user, manager, true, object); err != nil {
			return fmt.Errorf("granting kwok its rights: %w", err)
		}
	}
	return nil
}

// revoke takes the rights away again.
func revoke(ctx context.Context, api *kubeapi.Client) error {
	for _, path := range []string{"clusterrolebindings/", "clusterroles/"} {
		if err := api.Delete(ctx, rbacPath+path+user); err != nil {
			return err
		}
	}
	return nil
}
