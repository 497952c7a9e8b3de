package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"minato.dev/minato/cluster/kubeapi"
)

// kwok looks at a pod when the pod changes, and tries again only after few of the errors that its answer may meet: one that was refused,
// or that met an etcd that did not answer in time, leaves the pod as it is for good. So the pods of each node are looked at now and then,
// and those that kwok should have done something about long ago are changed where nobody minds, for it to look at them again.
const (
	// lookEvery is the time from one look at all nodes to the next, at least, and lookPause that between two nodes, so that thousands of
	// them are not a burden.
	lookEvery = 30 * time.Second
	lookPause = 300 * time.Millisecond
	// stalledAfter is longer than any stage of kwok's takes.
	stalledAfter = 15 * time.Second
)

// rouse looks at the pods of all nodes, again and again until ctx ends.
func (f *fleet) rouse(ctx context.Context) {
	for {
		next := time.Now().Add(lookEvery)
		for _, name := range f.nodeNames() {
			if err := f.rouseNode(ctx, name, time.Now()); err != nil && ctx.Err() == nil {
				f.log().DebugContext(ctx, "the pods of a simulated node cannot be looked at", "node", name, "error", err)
			}
			if !sleep(ctx, lookPause) {
				return
			}
		}
		if !sleep(ctx, time.Until(next)) {
			return
		}
	}
}

// sleep is false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// nodeNames are the members that have a Node.
func (f *fleet) nodeNames() (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.names {
		if _, exists := f.nodes[name]; exists {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// rouseNode has kwok look again at those pods of a node that have stalled.
func (f *fleet) rouseNode(ctx context.Context, name string, now time.Time) error {
	api, err := f.api(ctx)
	if err != nil {
		return err
	}
	// A list from the kube-apiserver's cache costs next to nothing; a pod that it shows as it was is looked at once more.
	items, err := api.List(ctx, podsPath, url.Values{"fieldSelector": {"spec.nodeName=" + name}, "resourceVersion": {"0"}})
	if err != nil {
		return f.trouble(err)
	}
	var failed error
	for _, item := range items {
		var p pod
		if err := json.Unmarshal(item, &p); err != nil {
			return err
		}
		if !p.stalled(now) {
			continue
		}
		f.log().InfoContext(ctx, "kwok has left a pod as it was, and is asked again", "namespace", p.Metadata.Namespace, "pod", p.Metadata.Name, "node", name)
		failed = errors.Join(failed, p.touch(ctx, api, now))
	}
	return failed
}

const podsPath = "/api/v1/pods"

// pod is what is read of a pod to know whether kwok has done with it what stages.yaml says.
type pod struct {
	Metadata struct {
		Name, Namespace, UID       string
		CreationTimestamp          time.Time
		DeletionTimestamp          *time.Time
		DeletionGracePeriodSeconds int64
		OwnerReferences            []struct{ Kind string }
	}
	Status struct {
		Phase      string
		StartTime  time.Time
		Conditions []condition
	}
}

type condition struct {
	Type, Status       string
	LastTransitionTime time.Time
}

// condition is the pod's condition of a type; zero when it has none.
func (p *pod) condition(kind string) (found condition) {
	if i := slices.IndexFunc(p.Status.Conditions, func(c condition) bool { return c.Type == kind }); i >= 0 {
		found = p.Status.Conditions[i]
	}
	return found
}

// stalled is whether a stage has been due for the pod for long.
func (p *pod) stalled(now time.Time) bool {
	var since time.Time
	switch ready := p.condition("Ready"); {
	case p.Metadata.DeletionTimestamp != nil && p.Metadata.DeletionGracePeriodSeconds == 0:
		return false // kwok has deleted it, and a finalizer holds it
	case p.Metadata.DeletionTimestamp != nil:
		since = p.Metadata.DeletionTimestamp.Add(-time.Duration(p.Metadata.DeletionGracePeriodSeconds) * time.Second)
	case p.Status.Phase == "Pending":
		since = p.condition("PodScheduled").LastTransitionTime
		if since.IsZero() { // made with the node's name in it
			since = p.Metadata.CreationTimestamp
		}
	case p.Status.Phase != "Running":
		return false // done
	case slices.ContainsFunc(p.Metadata.OwnerReferences, func(o struct{ Kind string }) bool { return o.Kind == "Job" }):
		since = p.Status.StartTime
	case ready.Status != "True":
		since = ready.LastTransitionTime
	default:
		return false
	}
	return now.Sub(since) > stalledAfter
}

// touch changes the pod where it means nothing: when its being scheduled, which it is, was last looked at.
func (p *pod) touch(ctx context.Context, api *kubeapi.Client, now time.Time) error {
	_, err := api.Send(ctx, kubeapi.Request{
		Method: http.MethodPatch, Path: "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name + "/status",
		ContentType: "application/strategic-merge-patch+json",
		Body: doc{
			"metadata": doc{"uid": p.Metadata.UID},
			"status":   doc{"conditions": []any{doc{"type": "PodScheduled", "status": "True", "lastProbeTime": now.UTC().Format(time.RFC3339)}}},
		},
	})
	if status := kubeapi.Status(err); status == http.StatusNotFound || status == http.StatusConflict { // it is gone, or another
		return nil
	}
	return err
}
