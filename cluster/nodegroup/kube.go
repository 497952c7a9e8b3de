package nodegroup

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/service/eks"
)

// Labels that EKS gives the nodes of a nodegroup ("Amazon EKS User Guide").
const (
	nodegroupLabel = "eks.amazonaws.com/nodegroup"
	imageLabel     = "eks.amazonaws.com/nodegroup-image"
	capacityLabel  = "eks.amazonaws.com/capacityType"
)

const (
	nodesPath = "/api/v1/nodes"
	podsPath  = "/api/v1/pods"
	// mirrorAnnotation marks the pods that a kubelet runs by itself.
	mirrorAnnotation = "kubernetes.io/config.mirror"
)

// node is what matters of a Node here.
type node struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Unschedulable bool        `json:"unschedulable"`
		Taints        []nodeTaint `json:"taints"`
	} `json:"spec"`
	Status struct {
		Conditions []nodeCondition `json:"conditions"`
	} `json:"status"`
}

type nodeTaint struct {
	Key       string     `json:"key"`
	Value     string     `json:"value,omitempty"`
	Effect    string     `json:"effect"`
	TimeAdded *time.Time `json:"timeAdded,omitempty"`
}

type nodeCondition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"`
	Reason             string    `json:"reason"`
	LastTransitionTime time.Time `json:"lastTransitionTime"`
}

const conditionReady = "Ready"

// healthy is whether a condition is as it should be: those that are called after a thing that is ready are True, as Ready and KernelReady,
// and those that are called after a trouble are False, as DiskPressure.
func (c nodeCondition) healthy() bool {
	if strings.HasSuffix(c.Type, conditionReady) {
		return c.Status == "True"
	}
	return c.Status == "False"
}

// condition is a node's condition of a type.
func (n *node) condition(kind string) (nodeCondition, bool) {
	i := slices.IndexFunc(n.Status.Conditions, func(c nodeCondition) bool { return c.Type == kind })
	if i < 0 {
		return nodeCondition{}, false
	}
	return n.Status.Conditions[i], true
}

func (n *node) ready() bool {
	c, ok := n.condition(conditionReady)
	return ok && c.healthy()
}

// listNodes lists the nodes of a nodegroup, and all where these may not say that they are.
func listNodes(ctx context.Context, kube *kubeapi.Client, group *eks.Nodegroup) ([]*node, error) {
	query := url.Values{}
	if group.Spec.AMIType != eks.CustomAMI {
		query.Set("labelSelector", nodegroupLabel+"="+group.Name)
	}
	return list[node](ctx, kube, nodesPath, query)
}

func list[T any](ctx context.Context, kube *kubeapi.Client, path string, query url.Values) ([]*T, error) {
	raw, err := kube.List(ctx, path, query)
	if err != nil {
		return nil, err
	}
	items := make([]*T, len(raw))
	for i, r := range raw {
		items[i] = new(T)
		if err := json.Unmarshal(r, items[i]); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// cordon keeps new pods away from a node.
func cordon(ctx context.Context, kube *kubeapi.Client, n *node, on bool) error {
	if n == nil || n.Spec.Unschedulable == on {
		return nil
	}
	err := kube.Patch(ctx, nodesPath+"/"+n.Metadata.Name, kubeapi.Object{"spec": kubeapi.Object{"unschedulable": on}})
	if kubeapi.NotFound(err) {
		return nil
	}
	return err
}

// removeNode removes a node whose machine is gone, and the pods that were bound to it, which nothing would end otherwise for a while.
func removeNode(ctx context.Context, kube *kubeapi.Client, name string) error {
	pods, err := podsOn(ctx, kube, name)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if err := p.remove(ctx, kube); err != nil {
			return err
		}
	}
	return kube.Delete(ctx, nodesPath+"/"+name)
}

// pod is what matters of a Pod here.
type pod struct {
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		UID               string            `json:"uid"`
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
		OwnerReferences   []struct {
			Kind       string `json:"kind"`
			Controller bool   `json:"controller"`
		} `json:"ownerReferences"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		NodeName    string `json:"nodeName"`
		HostNetwork bool   `json:"hostNetwork"`
		HostPID     bool   `json:"hostPID"`
		HostIPC     bool   `json:"hostIPC"`
		// Volumes have a member name and one that is named after their type.
		Volumes []map[string]any `json:"volumes"`
		// SchedulingGates keep the pod from being scheduled while there are any.
		SchedulingGates []struct{}  `json:"schedulingGates"`
		Containers      []container `json:"containers"`
		// Resources are for all containers together; Overhead is for what runs them.
		Resources struct {
			Requests map[string]string `json:"requests"`
		} `json:"resources"`
		Overhead       map[string]string `json:"overhead"`
		InitContainers []container       `json:"initContainers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// container is what matters of a container for Fargate: for its pod's size, and whether it can be there at all.
type container struct {
	RestartPolicy string `json:"restartPolicy"`
	Resources     struct {
		Requests map[string]string `json:"requests"`
	} `json:"resources"`
	Ports []struct {
		HostPort int    `json:"hostPort"`
		HostIP   string `json:"hostIP"`
	} `json:"ports"`
	SecurityContext struct {
		Privileged   bool `json:"privileged"`
		Capabilities struct {
			Add []string `json:"add"`
		} `json:"capabilities"`
	} `json:"securityContext"`
}

func podsOn(ctx context.Context, kube *kubeapi.Client, node string) ([]*pod, error) {
	return list[pod](ctx, kube, podsPath, url.Values{"fieldSelector": {"spec.nodeName=" + node}})
}

// evictable is whether a pod is to leave before its node goes. Those of DaemonSets and of the kubelet itself belong to the node, and
// those that have ended need nothing.
func (p *pod) evictable() bool {
	if _, mirror := p.Metadata.Annotations[mirrorAnnotation]; mirror || p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" {
		return false
	}
	for _, owner := range p.Metadata.OwnerReferences {
		if owner.Controller && owner.Kind == "DaemonSet" {
			return false
		}
	}
	return true
}

func (p *pod) path() string {
	return "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
}

// evict asks for a pod to leave. A refusal, which is no error, says why it may not now: mostly because of a PodDisruptionBudget, but
// Kubernetes also lets no pod go that two of them are about, and a webhook may have its own reasons.
func (p *pod) evict(ctx context.Context, kube *kubeapi.Client) (refusal string, err error) {
	_, err = kube.Do(ctx, http.MethodPost, p.path()+"/eviction", kubeapi.Object{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata":      kubeapi.Object{"name": p.Metadata.Name, "namespace": p.Metadata.Namespace},
		"deleteOptions": kubeapi.Object{"preconditions": kubeapi.Object{"uid": p.Metadata.UID}},
	})
	name := p.Metadata.Namespace + "/" + p.Metadata.Name
	switch kubeapi.Status(err) {
	case http.StatusTooManyRequests:
		return "a PodDisruptionBudget keeps pod " + name, nil
	case http.StatusNotFound, http.StatusConflict: // it has gone, and another one may have its name
		return "", nil
	case http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		_, why := kubeapi.Reason(err)
		return fmt.Sprintf("pod %s cannot be evicted: %s", name, why), nil
	}
	return "", err
}

// remove deletes a pod at once: its machine is gone.
func (p *pod) remove(ctx context.Context, kube *kubeapi.Client) error {
	_, err := kube.Do(ctx, http.MethodDelete, p.path(), kubeapi.Object{
		"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": kubeapi.Object{"uid": p.Metadata.UID},
	})
	if status := kubeapi.Status(err); status == http.StatusNotFound || status == http.StatusConflict {
		return nil
	}
	return err
}
