package addon

import (
	"context"
	"net/url"

	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/cluster/kubeapi"
)

// workload is what is read of a Deployment or a DaemonSet.
type workload struct {
	Metadata struct{ Generation int64 }
	Spec     struct{ Replicas *int }
	Status   struct {
		ObservedGeneration int64
		// of a Deployment
		UpdatedReplicas, AvailableReplicas, Replicas int
		// of a DaemonSet
		DesiredNumberScheduled, UpdatedNumberScheduled, NumberAvailable int
	}
}

// workloadPath is the collection and the name of an add-on's workload.
func workloadPath(objects []object, a catalogue.Addon) (o object, found bool) {
	for _, o := range objects {
		if resources[o.kind].plural+"/"+o.name == a.Workload {
			return o, true
		}
	}
	return object{}, false
}

// ready is whether all of a workload runs, as it is wanted now.
func (w workload) ready(kind string) bool {
	s := w.Status
	if s.ObservedGeneration < w.Metadata.Generation {
		return false
	}
	if kind == "DaemonSet" {
		return s.UpdatedNumberScheduled >= s.DesiredNumberScheduled && s.NumberAvailable >= s.DesiredNumberScheduled
	}
	want := 1
	if w.Spec.Replicas != nil {
		want = *w.Spec.Replicas
	}
	return s.UpdatedReplicas >= want && s.AvailableReplicas >= want
}

// observed is whether the cluster has begun to carry out what is wanted now.
func (w workload) observed() bool {
	return w.Status.ObservedGeneration >= w.Metadata.Generation && w.Status.ObservedGeneration > 0
}

// readWorkload reads an add-on's workload.
func readWorkload(ctx context.Context, client *kubeapi.Client, o object) (w workload, err error) {
	return w, client.Get(ctx, o.path(), &w)
}

// hasNodes is whether a cluster has any node.
func hasNodes(ctx context.Context, client *kubeapi.Client) (bool, error) {
	var list struct{ Items []struct{} }
	err := client.Get(ctx, "/api/v1/nodes?"+url.Values{"limit": {"1"}}.Encode(), &list)
	return len(list.Items) > 0, err
}
