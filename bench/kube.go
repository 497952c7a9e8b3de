package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kubeAsker is the administrator on a cluster.
type kubeAsker struct {
	cluster *cluster
	token   func(context.Context) string
}

// asker is the administrator of our account on a cluster.
func (s *server) asker(k *cluster) *kubeAsker {
	return &kubeAsker{cluster: k, token: func(ctx context.Context) string { return s.token(ctx, k.name) }}
}

// do asks, and decodes the answer into out: JSON, or the whole text if out is a *string.
func (a *kubeAsker) do(ctx context.Context, method, path string, in string, out any) error {
	client := *a.cluster.client
	client.Timeout = time.Minute
	body, err := a.open(ctx, &client, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		b, err := io.ReadAll(body)
		*out = string(b)
		return err
	default:
		return json.NewDecoder(body).Decode(out)
	}
}

// watch asks for events until ctx ends.
func (a *kubeAsker) watch(ctx context.Context, path string) (io.ReadCloser, error) {
	client := *a.cluster.client
	client.Timeout = 0
	return a.open(ctx, &client, http.MethodGet, path, "")
}

func (a *kubeAsker) open(ctx context.Context, client *http.Client, method, path, in string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.cluster.endpoint+path, strings.NewReader(in))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token(ctx))
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	return resp.Body, nil
}

// deploy makes a Deployment of so many pods.
func (a *kubeAsker) deploy(ctx context.Context, replicas int) error {
	return a.do(ctx, http.MethodPost, "/apis/apps/v1/namespaces/default/deployments", fmt.Sprintf(`{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"},
		"spec": {"replicas": %d, "selector": {"matchLabels": {"app": "many"}}, "template": {
			"metadata": {"labels": {"app": "many"}},
			"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "minato.local/echo"}]}}}}`, replicas), nil)
}

// object is what of a node or a pod says whether it is Ready.
type object struct {
	Metadata struct{ Name, UID string }
	Spec     struct{ ProviderID string }
	Status   struct {
		Phase, PodIP string
		Conditions   []struct{ Type, Status string }
	}
}

func (o object) ready() bool {
	return slices.ContainsFunc(o.Status.Conditions, func(c struct{ Type, Status string }) bool { return c.Type == "Ready" && c.Status == "True" })
}

// objects are those of a collection.
type objects struct{ Items []object }

// ready is how many are.
func (l objects) ready() (n int) {
	for _, item := range l.Items {
		if item.ready() {
			n++
		}
	}
	return n
}

// until waits until so many objects of a collection are Ready, as kube-apiserver's cache has them.
func (a *kubeAsker) until(ctx context.Context, path string, want int) error {
	var list objects
	for deadline := time.Now().Add(simulatedLimit); time.Now().Before(deadline); {
		list = objects{}
		if err := a.do(ctx, http.MethodGet, path+"?resourceVersion=0", "", &list); err != nil {
			return err
		}
		if list.ready() >= want {
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d of %d at %s are Ready after %s", list.ready(), want, path, simulatedLimit)
}
