package addon

import (
	"fmt"

	"minato.dev/minato/cluster/kubeapi"
)

// resources are the kinds of objects that add-ons are made of: where kube-apiserver keeps them.
var resources = map[string]struct {
	path       string // of all namespaces
	plural     string
	namespaced bool
	group      string // as conflicts name it: "Deployment.apps"
}{
	"APIService":          {"/apis/apiregistration.k8s.io/v1", "apiservices", false, ".apiregistration.k8s.io"},
	"ClusterRole":         {"/apis/rbac.authorization.k8s.io/v1", "clusterroles", false, ".rbac.authorization.k8s.io"},
	"ClusterRoleBinding":  {"/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", false, ".rbac.authorization.k8s.io"},
	"ConfigMap":           {"/api/v1", "configmaps", true, ""},
	"DaemonSet":           {"/apis/apps/v1", "daemonsets", true, ".apps"},
	"Deployment":          {"/apis/apps/v1", "deployments", true, ".apps"},
	"Namespace":           {"/api/v1", "namespaces", false, ""},
	"PodDisruptionBudget": {"/apis/policy/v1", "poddisruptionbudgets", true, ".policy"},
	"RoleBinding":         {"/apis/rbac.authorization.k8s.io/v1", "rolebindings", true, ".rbac.authorization.k8s.io"},
	"Service":             {"/api/v1", "services", true, ""},
	"ServiceAccount":      {"/api/v1", "serviceaccounts", true, ""},
}

// object is one object of an add-on.
type object struct {
	kubeapi.Object
	kind, name, namespace string
}

// asObject reads what is needed of a rendered object.
func asObject(o kubeapi.Object) (object, error) {
	kind, _ := o["kind"].(string)
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	namespace, _ := metadata["namespace"].(string)
	r, ok := resources[kind]
	if !ok || name == "" || r.namespaced != (namespace != "") {
		return object{}, fmt.Errorf("an add-on has the object %s %q in namespace %q, which cannot be", kind, name, namespace)
	}
	return object{o, kind, name, namespace}, nil
}

// collection is the path of the objects of its kind in its namespace.
func (o object) collection() string {
	r := resources[o.kind]
	if r.namespaced {
		return r.path + "/namespaces/" + o.namespace + "/" + r.plural
	}
	return r.path + "/" + r.plural
}

// path is the object's path.
func (o object) path() string { return o.collection() + "/" + o.name }

// String is the object as EKS names it in conflicts: "Deployment.apps coredns".
func (o object) String() string { return o.kind + resources[o.kind].group + " " + o.name }
