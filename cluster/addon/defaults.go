package addon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// Deps is all that this package uses. Every field is needed.
type Deps struct {
	Store store.Store
	// Client makes a client of a cluster; an error of kind Unavailable when it has no control plane.
	Client func(ctx context.Context, clusterID string) (*kubeapi.Client, error)
	// Address is where the nodes of a VPC reach the endpoints of its clusters.
	Address string
	// API is where they reach the AWS APIs, a URL; APICA, PEM, signed the certificate there, if it is https.
	API   string
	APICA []byte
	Now   func() time.Time
	Log   *slog.Logger
}

// Defaults gives new clusters the add-ons that they come with.
type Defaults struct{ Deps Deps }

// Reconcile applies the default add-ons to the cluster whose record has this id, if that has not been done. What is there
// already is left as it is: it is the owner's.
func (d Defaults) Reconcile(ctx context.Context, id string) (reconcile.Result, error) {
	item, err := eks.Clusters(d.Deps.Store).Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return reconcile.Result{}, nil
	}
	if _, corrupt := errors.AsType[*store.CorruptError](err); corrupt {
		return reconcile.Result{}, reconcile.Terminal(err)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	cluster := &item.Value
	if !cluster.Spec.BootstrapAddons || cluster.Status.Endpoint == "" || cluster.Status.Status == eks.ClusterDeleting {
		return reconcile.Result{}, nil
	}
	done := eks.DefaultAddons(d.Deps.Store)
	switch _, err := done.Get(ctx, cluster.ID); {
	case err == nil:
		return reconcile.Result{}, nil
	case !errors.Is(err, store.ErrNotFound):
		return reconcile.Result{}, err
	}
	versions, err := d.apply(ctx, cluster)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("applying the default add-ons of cluster %s: %w", cluster.Name, err)
	}
	// If the cluster is as it was read, so that nothing is left behind when it is deleted meanwhile.
	_, err = d.Deps.Store.Commit(ctx,
		done.CreateOp(cluster.ID, eks.DefaultAddonsApplied{Versions: versions, At: d.Deps.Now().UTC()}),
		store.Check(eks.Clusters(d.Deps.Store).Key(id), item.Revision))
	return reconcile.Result{}, err
}

func (d Defaults) apply(ctx context.Context, cluster *eks.Cluster) (versions map[string]string, err error) {
	client, err := d.Deps.Client(ctx, cluster.ID)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	minor, ok := kube.Lookup(cluster.Spec.Version)
	if !ok {
		return nil, minato.Errorf(minato.Internal, "unknown Kubernetes version %q", cluster.Spec.Version)
	}
	versions = map[string]string{}
	for _, a := range catalogue.All() {
		if !a.SelfManaged {
			continue
		}
		v := a.Default(minor)
		objects, err := render(d.Deps, cluster, a, v, catalogue.Install{})
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if err := create(ctx, client, o); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", o, a.Name, err)
			}
		}
		versions[a.Name] = v.Version
	}
	return versions, nil
}

// create applies an object unless there is one of its name.
func create(ctx context.Context, client *kubeapi.Client, o object) error {
	var there kubeapi.Object
	err := client.Get(ctx, o.path(), &there)
	if !kubeapi.NotFound(err) {
		return err
	}
	return client.Apply(ctx, o.path(), manager, false, o.Object)
}
