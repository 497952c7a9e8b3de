package controlplane

import (
	"context"
	"net/url"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
)

// ServiceAccountAnnotations are the annotations of a ServiceAccount of a cluster. An Error is of kind NotFound when there is none, of
// kind Unavailable when the cluster does not answer.
func (c *Controller) ServiceAccountAnnotations(ctx context.Context, clusterID, namespace, name string) (map[string]string, error) {
	var found struct {
		Metadata struct{ Annotations map[string]string }
	}
	err := c.ask(ctx, clusterID, func(a *api) error {
		err := a.Get(ctx, "/api/v1/namespaces/"+url.PathEscape(namespace)+"/serviceaccounts/"+url.PathEscape(name), &found)
		if kubeapi.NotFound(err) {
			return minato.Errorf(minato.NotFound, "there is no service account %s in the namespace %s", name, namespace)
		}
		return err
	})
	return found.Metadata.Annotations, err
}
