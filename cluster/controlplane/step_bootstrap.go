package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/kubeapi"
)

// bootstrapStep waits for what a user's first command needs, the ServiceAccount "default" that kube-controller-manager makes,
// and writes the endpoints of the kubernetes Service, what the webhooks may do and the webhook for pods' credentials.
type bootstrapStep struct {
	processes Processes
	webhook   func(ctx context.Context, client *kubeapi.Client, clusterID string) error
}

func (s bootstrapStep) do(ctx context.Context, p *pass) error {
	active := p.plane.Value.Active
	api, err := newAPI(p, loopback(active.Ports.APIServer))
	if err != nil {
		return err
	}
	defer api.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return poll(ctx, "the endpoints of the kubernetes Service", func(ctx context.Context) error {
			return api.serviceEndpoints(ctx, p.plane.Value.Port)
		})
	})
	group.Go(func() error {
		return poll(ctx, "the authenticator's rights", api.authenticatorRights)
	})
	group.Go(func() error {
		return poll(ctx, "the webhook for pods' credentials", func(ctx context.Context) error {
			return s.webhook(ctx, api.Client, p.cluster.ID)
		})
	})
	group.Go(func() error {
		return poll(ctx, "the ServiceAccount default", func(ctx context.Context) error {
			for _, component := range []string{controllerManagerComponent, schedulerComponent} {
				if err := s.processes.crashLoop(processName(p.cluster.ID, component, active.Number)); err != nil {
					return err
				}
			}
			if !p.neverActive() {
				return nil // it was there; whether it still is, is the user's affair
			}
			_, err := api.Do(ctx, http.MethodGet, "/api/v1/namespaces/default/serviceaccounts/default", nil)
			return err
		})
	})
	return group.Wait()
}

// serviceEndpoints writes where the kubernetes Service leads: the advertised address and the port of the cluster's endpoint,
// which stays the same over all generations and differs from that of every other cluster in the same VPC.
func (a *api) serviceEndpoints(ctx context.Context, port int) error {
	address := apiServerAddress.String()
	for path, object := range map[string]doc{
		"/api/v1/namespaces/default/endpoints": {
			"apiVersion": "v1", "kind": "Endpoints",
			// Without the label kube-controller-manager would make a second slice of it.
			"metadata": doc{"name": "kubernetes", "namespace": "default", "labels": doc{"endpointslice.kubernetes.io/skip-mirror": "true"}},
			"subsets": []any{doc{
				"addresses": []any{doc{"ip": address}},
				"ports":     []any{doc{"name": "https", "port": float64(port), "protocol": "TCP"}},
			}},
		},
		"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": {
			"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
			"metadata":  doc{"name": "kubernetes", "namespace": "default", "labels": doc{"kubernetes.io/service-name": "kubernetes"}},
			"endpoints": []any{doc{"addresses": []any{address}, "conditions": doc{"ready": true}}},
			"ports":     []any{doc{"name": "https", "port": float64(port), "protocol": "TCP"}},
		},
	} {
		if err := a.apply(ctx, path, object); err != nil {
			return fmt.Errorf("writing %s of the kubernetes Service: %w", object["kind"], err)
		}
	}
	return nil
}

// apply creates an object, or replaces one of its name that says something else.
func (a *api) apply(ctx context.Context, path string, object doc) error {
	named := path + "/" + object["metadata"].(doc)["name"].(string)
	b, err := a.Do(ctx, http.MethodGet, named, nil)
	if kubeapi.NotFound(err) {
		_, err = a.Do(ctx, http.MethodPost, path, object)
		return err
	}
	if err != nil {
		return err
	}
	var there doc
	if err := json.Unmarshal(b, &there); err != nil {
		return err
	}
	for field, want := range object {
		if field != "metadata" && !reflect.DeepEqual(there[field], want) {
			_, err := a.Do(ctx, http.MethodPut, named, object)
			return err
		}
	}
	return nil
}
