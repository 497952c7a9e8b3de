package simulated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// Deps is all that a Controller uses. Every field is needed.
type Deps struct {
	// Context ends when everything in the background is to end.
	Context   context.Context
	Store     store.Store
	Home      home.Dir
	Log       *slog.Logger
	Processes controlplane.Processes
	// Program is the path of kwok, or why there is none.
	Program func() (string, error)
	// Client makes a client of a cluster, as Minato.
	Client func(ctx context.Context, clusterID string) (*kubeapi.Client, error)
	// Companion makes a user of a cluster, for kwok to be.
	Companion func(ctx context.Context, clusterID, user string) (controlplane.Companion, error)
	// Admitted is nil when the cluster would let a node with the instance's role in.
	Admitted func(ctx context.Context, cluster *eks.Cluster, i ec2.Instance) error
	// Running and Terminated tell of an instance that it has come up, and that nothing is left of it.
	Running    func(ctx context.Context, scope minato.Scope, instanceID string) error
	Terminated func(ctx context.Context, scope minato.Scope, instanceID string, reason ec2.InstanceReason) error
}

const (
	// Workers is how many instances are worked on at once: enough to keep a kube-apiserver busy, few enough to leave it time for
	// others.
	Workers = 16
	// clusterPause is how long an instance waits for a cluster that is not there, or does not let it in, before it looks again.
	clusterPause = 5 * time.Second
	// clusterKey marks keys that are clusters.
	clusterKey = "cluster/"
)

// Controller makes the nodes of simulated instances. Make it with New.
type Controller struct {
	deps      Deps
	instances *store.Collection[ec2.Instance]
	clusters  *store.Collection[eks.Cluster]
	queue     *reconcile.Controller

	mu      sync.Mutex
	fleets  map[string]*fleet // by cluster id
	fleetOf map[string]*fleet // by instance
}

// New makes a Controller.
func New(d Deps) *Controller {
	c := &Controller{
		deps: d, instances: ec2.Instances(d.Store), clusters: eks.Clusters(d.Store),
		fleets: map[string]*fleet{}, fleetOf: map[string]*fleet{},
	}
	c.queue = &reconcile.Controller{
		Name:  "simulated nodes",
		Store: d.Store,
		Sources: []reconcile.Source{
			{Prefix: ec2.InstancesPrefix},
			{Prefix: controlplane.RecordsPrefix, Key: func(id string) string { return clusterKey + id }},
		},
		Reconcile: c.reconcile,
		Workers:   Workers,
		Log:       d.Log,
	}
	return c
}

// Count is how many simulated instances a cluster has that are, or will be, its nodes.
func (c *Controller) Count(clusterID string) int {
	c.mu.Lock()
	f := c.fleets[clusterID]
	c.mu.Unlock()
	if f == nil {
		return 0
	}
	return f.size()
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.queue.Run(ctx) }

func (c *Controller) reconcile(ctx context.Context, key string) (reconcile.Result, error) {
	if id, ok := strings.CutPrefix(key, clusterKey); ok {
		return reconcile.Result{}, c.reconcileCluster(ctx, id)
	}
	item, err := c.instances.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return reconcile.Result{}, c.leave(ctx, key)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if !item.Value.Simulated {
		return reconcile.Result{}, nil
	}
	switch item.Value.State {
	case ec2.InstanceTerminated:
		return reconcile.Result{}, c.leave(ctx, key)
	case ec2.InstanceShuttingDown:
		return reconcile.Result{}, c.terminate(ctx, key, item.Value)
	}
	return c.bring(ctx, key, item.Value)
}

// reconcileCluster has kwok follow a cluster to its next generation, and end with it.
func (c *Controller) reconcileCluster(ctx context.Context, clusterID string) error {
	c.mu.Lock()
	f := c.fleets[clusterID]
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	_, err := controlplane.Records(c.deps.Store).Get(ctx, clusterID)
	if errors.Is(err, store.ErrNotFound) {
		return f.abandon(ctx)
	}
	if err != nil {
		return err
	}
	return f.refresh(ctx)
}

// bring makes an instance's Node. A machine that is told nothing, or nonsense, ends, as those do that are not simulated.
func (c *Controller) bring(ctx context.Context, key string, i ec2.Instance) (reconcile.Result, error) {
	config, err := readConfig(i)
	if err != nil {
		reason := ec2.InstanceReason{Code: "Client.InstanceInitiatedShutdown", Message: "Client.InstanceInitiatedShutdown: " + err.Error()}
		return reconcile.Result{}, c.deps.Terminated(ctx, i.Scope, i.ID, reason)
	}
	cluster, err := c.cluster(ctx, i, config)
	if err != nil {
		return reconcile.Result{}, err
	}
	if cluster == nil || cluster.Status.Endpoint == "" {
		return reconcile.Result{RequeueAfter: clusterPause}, nil
	}
	f := c.join(cluster.ID, key, i.PrivateDNSName)
	if err := f.ensure(ctx); err != nil {
		return reconcile.Result{}, err
	}
	n, exists, synced := f.node(i.PrivateDNSName)
	switch {
	case !synced:
		return reconcile.Result{}, nil // we are woken
	case exists && n.providerID == providerID(i):
		if !n.ready {
			return reconcile.Result{}, nil // we are woken
		}
		return reconcile.Result{}, c.running(ctx, i)
	case i.State != ec2.InstancePending && !exists:
		return reconcile.Result{}, nil // somebody deleted the Node, and a kubelet would not make it again either
	}
	if err := c.deps.Admitted(ctx, cluster, i); err != nil {
		if !minato.Is(err, minato.Unauthenticated) {
			return reconcile.Result{}, err
		}
		c.deps.Log.InfoContext(ctx, "a node is not let in", "instance", i.ID, "because", err)
		return reconcile.Result{RequeueAfter: clusterPause}, nil
	}
	object, err := nodeOf(i, config)
	if err != nil {
		return reconcile.Result{}, reconcile.Terminal(err)
	}
	return reconcile.Result{}, f.create(ctx, object, i.PrivateDNSName, providerID(i))
}

func (c *Controller) running(ctx context.Context, i ec2.Instance) error {
	if i.State != ec2.InstancePending {
		return nil
	}
	return c.deps.Running(ctx, i.Scope, i.ID)
}

// terminate removes the instance's Node, and says that the instance is gone.
func (c *Controller) terminate(ctx context.Context, key string, i ec2.Instance) error {
	if config, err := readConfig(i); err == nil {
		cluster, err := c.cluster(ctx, i, config)
		if err != nil {
			return err
		}
		if cluster != nil && cluster.Status.Endpoint != "" && cluster.Status.Status != eks.ClusterDeleting {
			if err := c.fleet(cluster.ID).remove(ctx, i.PrivateDNSName, providerID(i)); err != nil {
				return fmt.Errorf("removing node %s: %w", i.PrivateDNSName, err)
			}
		}
	}
	if err := c.deps.Terminated(ctx, i.Scope, i.ID, ec2.InstanceReason{}); err != nil {
		return err
	}
	return c.leave(ctx, key)
}

func readConfig(i ec2.Instance) (nodeadm.NodeConfig, error) {
	config, err := nodeadm.Parse(i.UserData)
	if err != nil {
		return config, err
	}
	return config, config.Validate()
}

// cluster is the cluster that a node belongs to, nil if there is none of its name.
func (c *Controller) cluster(ctx context.Context, i ec2.Instance, config nodeadm.NodeConfig) (*eks.Cluster, error) {
	item, err := c.clusters.Get(ctx, eks.ClusterKey(i.Scope, config.Cluster.Name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &item.Value, nil
}

// fleet is that of a cluster.
func (c *Controller) fleet(clusterID string) *fleet {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fleets[clusterID]
	if f == nil {
		f = newFleet(clusterID, &c.deps, c.queue.Enqueue)
		c.fleets[clusterID] = f
	}
	return f
}

func (c *Controller) join(clusterID, key, name string) *fleet {
	f := c.fleet(clusterID)
	f.join(key, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fleetOf[key] = f
	return f
}

func (c *Controller) leave(ctx context.Context, key string) error {
	c.mu.Lock()
	f := c.fleetOf[key]
	delete(c.fleetOf, key)
	c.mu.Unlock()
	if f == nil || !f.leave(key) {
		return nil
	}
	return f.closeIfEmpty(ctx)
}
