package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// kubeAsker is the administrator on a cluster.
type kubeAsker struct {
	server  *server
	cluster *cluster
}

func (a *kubeAsker) do(ctx context.Context, method, path string, in string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.cluster.endpoint+path, strings.NewReader(in))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.server.token(ctx, a.cluster.name))
	req.Header.Set("Content-Type", "application/json")
	client := *a.cluster.client
	client.Timeout = time.Minute
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// deploy makes a Deployment of so many pods.
func (a *kubeAsker) deploy(ctx context.Context, replicas int) error {
	return a.do(ctx, http.MethodPost, "/apis/apps/v1/namespaces/default/deployments", fmt.Sprintf(`{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"},
		"spec": {"replicas": %d, "selector": {"matchLabels": {"app": "many"}}, "template": {
			"metadata": {"labels": {"app": "many"}},
			"spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "minato.local/echo"}]}}}}`, replicas), nil)
}

// objects are those of a collection, by what says that they are Ready.
type objects struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct{ ProviderID string }
		Status   struct {
			Conditions []struct{ Type, Status string }
		}
	}
}

// ready is how many are.
func (l objects) ready() (n int) {
	for _, item := range l.Items {
		for _, c := range item.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				n++
			}
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
