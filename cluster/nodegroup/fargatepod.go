package nodegroup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"minato.dev/minato/cluster/kubeapi"
)

// bind gives a pod to a node.
func (p *pod) bind(ctx context.Context, kube *kubeapi.Client, node string) error {
	_, err := kube.Do(ctx, http.MethodPost, p.path()+"/binding", kubeapi.Object{
		"apiVersion": "v1", "kind": "Binding", "metadata": kubeapi.Object{"name": p.Metadata.Name, "namespace": p.Metadata.Namespace, "uid": p.Metadata.UID},
		"target": kubeapi.Object{"apiVersion": "v1", "kind": "Node", "name": node},
	})
	if status := kubeapi.Status(err); status == http.StatusNotFound || status == http.StatusConflict { // it is gone, or bound
		return nil
	}
	return err
}

func (p *pod) annotate(ctx context.Context, kube *kubeapi.Client, key, value string) error {
	err := kube.Patch(ctx, p.path(), kubeapi.Object{"metadata": kubeapi.Object{"annotations": kubeapi.Object{key: value}}})
	if kubeapi.NotFound(err) {
		return nil
	}
	return err
}

// errTold is a pod without a machine whose owner has been told why. It is looked at again when it has rested.
var errTold = errors.New("the pod's owner has been told why there is no machine")

// refuse tells a pod's owner, by an event, why it gets no machine. The same reason for the same pod is told once. It never returns nil.
func (f *Fargate) refuse(ctx context.Context, r *round, p *pod, why string) error {
	path := "/api/v1/namespaces/" + p.Metadata.Namespace + "/events"
	now := r.now.UTC().Format(time.RFC3339)
	_, err := r.kube.Do(ctx, http.MethodPost, path, kubeapi.Object{
		"apiVersion": "v1", "kind": "Event", "metadata": kubeapi.Object{"name": p.Metadata.Name + "." + shortHash(p.Metadata.UID+why), "namespace": p.Metadata.Namespace},
		"involvedObject": kubeapi.Object{"apiVersion": "v1", "kind": "Pod", "name": p.Metadata.Name, "namespace": p.Metadata.Namespace, "uid": p.Metadata.UID},
		"reason":         "FailedScheduling", "message": why, "type": "Warning", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
		"source": kubeapi.Object{"component": scheduler},
	})
	status := kubeapi.Status(err)
	if err == nil || status == http.StatusConflict || status == http.StatusNotFound || status == http.StatusForbidden { // told before, or the namespace is going
		return errTold
	}
	return err
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
