package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/service/eks"
)

// What follows asks a running cluster, on behalf of Minato's operator; it changes nothing.

// ask lets do talk to a cluster's kube-apiserver as Minato. An error is of kind Unavailable when the cluster does not answer.
func (c *Controller) ask(ctx context.Context, clusterID string, do func(*api) error) error {
	client, err := c.Client(ctx, clusterID)
	if err != nil {
		return err
	}
	api := &api{client}
	defer api.Close()
	if err := do(api); err != nil && minato.KindOf(err) == minato.Internal {
		return minato.Errorf(minato.Unavailable, "asking the cluster's kube-apiserver: %w", err)
	} else if err != nil {
		return err
	}
	return nil
}

// AWSAuth is the data of a cluster's aws-auth ConfigMap, if there is one.
func (c *Controller) AWSAuth(ctx context.Context, clusterID string) (data map[string]string, found bool, err error) {
	err = c.ask(ctx, clusterID, func(a *api) (err error) {
		data, found, err = a.awsAuth(ctx)
		return err
	})
	return data, found, err
}

// Resource is a kind of objects that a cluster has.
type Resource struct {
	Group      string // "" is the core group
	Name       string // plural
	Namespaced bool
}

// discovery is an answer of a kube-apiserver that tells of all resources at once.
const discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// Resource finds what a cluster calls a resource, as kubectl does: by its plural, its singular or a short name, with or without
// its group ("deployments.apps"). The error is of kind NotFound when there is none.
func (c *Controller) Resource(ctx context.Context, clusterID, word string) (Resource, error) {
	name, group, withGroup := strings.Cut(strings.ToLower(word), ".")
	var found *Resource
	err := c.ask(ctx, clusterID, func(a *api) error {
		for _, path := range []string{"/api", "/apis"} {
			b, err := a.Send(ctx, kubeapi.Request{Method: http.MethodGet, Path: path, Accept: discovery})
			if err != nil {
				return err
			}
			if found, err = findResource(b, name, group, withGroup); found != nil || err != nil {
				return err
			}
		}
		return minato.Errorf(minato.NotFound, "the cluster has no resource %q: see `kubectl api-resources`", word)
	})
	if err != nil {
		return Resource{}, err
	}
	return *found, nil
}

func findResource(answer []byte, name, group string, withGroup bool) (*Resource, error) {
	var groups struct {
		Items []struct {
			Metadata struct{ Name string }
			Versions []struct {
				Resources []struct {
					Resource, SingularResource, Scope string
					ShortNames                        []string
				}
			}
		}
	}
	if err := json.Unmarshal(answer, &groups); err != nil {
		return nil, fmt.Errorf("reading the cluster's resources: %w", err)
	}
	for _, g := range groups.Items {
		if withGroup && g.Metadata.Name != group {
			continue
		}
		for _, v := range g.Versions {
			for _, r := range v.Resources {
				if r.Resource == name || r.SingularResource == name || slices.Contains(r.ShortNames, name) {
					return &Resource{Group: g.Metadata.Name, Name: r.Resource, Namespaced: r.Scope == "Namespaced"}, nil
				}
			}
		}
	}
	return nil, nil
}

// Review asks a cluster's kube-apiserver whether a user may do something, with the reason that it gives, if any.
func (c *Controller) Review(ctx context.Context, clusterID string, q access.Question, name string) (allowed bool, reason string, err error) {
	spec := doc{"user": q.User.Username, "uid": q.User.UID, "groups": append([]string{"system:authenticated"}, q.User.Groups...), "extra": q.User.Extra}
	if r := q.Request; r.NonResource {
		spec["nonResourceAttributes"] = doc{"path": r.Path, "verb": r.Verb}
	} else {
		spec["resourceAttributes"] = doc{
			"namespace": q.Namespace, "verb": r.Verb, "group": r.Group, "resource": r.Resource, "subresource": r.Subresource, "name": name,
		}
	}
	var answer struct {
		Status struct {
			Allowed         bool
			Reason          string
			EvaluationError string
		}
	}
	err = c.ask(ctx, clusterID, func(a *api) error {
		b, err := a.Do(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews",
			doc{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &answer)
	})
	if reason = answer.Status.Reason; answer.Status.EvaluationError != "" {
		reason = strings.TrimSpace(reason + " " + answer.Status.EvaluationError)
	}
	return answer.Status.Allowed, reason, err
}

// Kubelets are the kubelets of a cluster's nodes. An error is of kind Unavailable when the cluster does not answer.
func (c *Controller) Kubelets(ctx context.Context, clusterID string) (kubelets []eks.Kubelet, err error) {
	err = c.ask(ctx, clusterID, func(a *api) error {
		items, err := a.List(ctx, "/api/v1/nodes", nil)
		if err != nil {
			return err
		}
		for _, item := range items {
			var n struct {
				Metadata struct{ Name string }
				Status   struct {
					NodeInfo struct{ KubeletVersion string }
				}
			}
			if err := json.Unmarshal(item, &n); err != nil {
				return err
			}
			kubelets = append(kubelets, eks.Kubelet{Node: n.Metadata.Name, Version: n.Status.NodeInfo.KubeletVersion})
		}
		return nil
	})
	return kubelets, err
}
