package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// Deps is all that a Controller uses. Every field is needed.
type Deps struct {
	Store    store.Store
	Sealer   *seal.Sealer
	Home     home.Dir
	Settings Settings
	Kube     kube.Binaries
	Clock    *clock.Clock
	Log      *slog.Logger
	// OwnUIDs gives each cluster's processes a uid of their own; it needs root.
	OwnUIDs bool

	// EnsureTenant makes a cluster's user and role in etcd, which reach EtcdPrefix(id) only. It may be repeated.
	EnsureTenant func(ctx context.Context, clusterID string) error
	// TenantIdentity issues the certificate of that user. The webhooks accept it as the cluster, too.
	TenantIdentity func(clusterID string) (pki.Pair, error)
	// DeleteTenant removes the user, the role and every key under the prefix. It may be repeated.
	DeleteTenant func(ctx context.Context, clusterID string) error
	EtcdCA       []byte // PEM, of etcd's server certificates
	HookCA       []byte // PEM, of the webhooks' server certificate

	// FreePorts finds ports that nothing on this machine listens on, kept for the caller until release.
	FreePorts func(ctx context.Context, n int) (ports []int, release func(), err error)
	// PortTaken is whether something listens on a port of 127.0.0.1.
	PortTaken func(port int) bool

	Processes Processes

	// GateApplied waits until the gate has seen a revision of the store.
	GateApplied func(ctx context.Context, rev store.Revision) error
	// GateState is what the gate made of a cluster's route.
	GateState func(ctx context.Context, clusterID string) (gate.RouteState, error)

	// HookApplied waits until the webhooks decide by a revision of the store.
	HookApplied func(ctx context.Context, rev store.Revision) error

	// ResourceIssues are what is wrong with the AWS resources of a cluster.
	ResourceIssues func(ctx context.Context, c *eks.Cluster) []eks.HealthIssue

	// EnsureInterfaces gives a cluster's control plane its network interfaces, and RemoveInterfaces takes them away. Both may be repeated.
	EnsureInterfaces func(ctx context.Context, c *eks.Cluster) error
	RemoveInterfaces func(ctx context.Context, c *eks.Cluster) error

	// DeleteSecurityGroup removes the cluster's security group. It may be repeated.
	DeleteSecurityGroup func(ctx context.Context, scope minato.Scope, id string) error
}

// resync is how often a cluster is looked at when nothing happens.
const resync = time.Minute

// Controller makes clusters' records true. Make it with New.
type Controller struct {
	deps      Deps
	clusters  *store.Collection[eks.Cluster]
	planes    *store.Collection[ControlPlane]
	spares    rsaSpares
	starts    slots
	tenants   memo // made in etcd
	asked     memo // answered by the webhook
	reviewers clients
	build     []step // what a cluster needs to be ACTIVE, in order
	demolish  []step // what must go when it is DELETING, in order
}

// New makes a Controller.
func New(d Deps) *Controller {
	c := &Controller{
		deps:     d,
		clusters: eks.Clusters(d.Store),
		planes:   Records(d.Store),
		spares:   make(rsaSpares, 1),
		starts:   make(slots, startsAtOnce()),
	}
	c.build, c.demolish = c.buildSteps(), c.demolishSteps()
	return c
}

// Run keeps what the controller prepares ahead of need, until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	c.spares.refill(ctx.Done())
	return nil
}

// Reconcile makes one pass over the cluster whose record has this id. It returns when to look again, zero for never, or an
// error for "again, later and later". A pass ends early when the record changes under it.
func (c *Controller) Reconcile(ctx context.Context, id string) (again time.Duration, err error) {
	item, err := c.clusters.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if isCorrupt(err) {
		return 0, reconcile.Terminal(err) // what runs goes on; the record must be restored
	}
	if err != nil {
		return 0, err
	}
	steps := c.build
	switch item.Value.Status.Status {
	case eks.ClusterFailed:
		return 0, nil
	case eks.ClusterDeleting:
		steps = c.demolish
	}
	p := newPass(item)
	if !p.neverActive() {
		p.issues = c.deps.ResourceIssues(ctx, &item.Value)
	}
	work, release := c.untilChanged(ctx, item)
	failed := c.run(work, p, steps)
	p.started()
	release()
	if errors.Is(context.Cause(work), errChanged) {
		return 0, nil // the change brings us back
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	p.health(failed)
	if err := c.commit(ctx, p); err != nil {
		return 0, errors.Join(failed, err)
	}
	if p.cluster.Status.Status == eks.ClusterFailed {
		return 0, nil
	}
	return resync, failed
}

// run does the steps in order up to the first that fails.
func (c *Controller) run(ctx context.Context, p *pass, steps []step) error {
	log := c.deps.Log.With("cluster", p.cluster.Name, "id", p.cluster.ID)
	for _, s := range steps {
		began := time.Now()
		err := s.do(ctx, p)
		log.DebugContext(ctx, "control plane step", "step", s.name, "took", time.Since(began))
		if ctx.Err() != nil {
			return context.Cause(ctx) // whatever the step says, it was cut short
		}
		p.report(ctx, log, s.name, err, c.deps.Clock.Now())
		if err == nil {
			continue
		}
		pr := asProblem(err)
		failed, checkErr := c.upgradeFailed(ctx, p, pr)
		switch {
		case checkErr != nil:
			err = errors.Join(err, checkErr)
		case failed:
			err = errors.Join(err, c.failUpdates(ctx, p, pr))
		case pr.fatal:
			err = errors.Join(err, c.giveUp(ctx, p, pr))
		}
		if p.cluster.Status.Status == eks.ClusterFailed {
			return err
		}
		return fmt.Errorf("%s of cluster %s: %w", s.name, p.cluster.Name, err)
	}
	return nil
}

// giveUp ends what trying again cannot: a cluster that was never ACTIVE is FAILED; updates fail, so that the cluster, which
// goes on as it was before them, can be changed and deleted again.
func (c *Controller) giveUp(ctx context.Context, p *pass, pr *problem) error {
	switch p.cluster.Status.Status {
	case eks.ClusterCreating:
		return p.cluster.Transition(eks.ClusterFailed, eks.ByReconciler)
	case eks.ClusterUpdating:
		if err := c.failUpdates(ctx, p, pr); err != nil {
			return err
		}
		pr.code = "" // the update tells; the cluster itself is as it was before
		return p.cluster.Transition(eks.ClusterActive, eks.ByReconciler)
	}
	return nil
}

// failUpdates ends the updates that run as Failed, and sets the cluster's spec back to what it was before them.
func (c *Controller) failUpdates(ctx context.Context, p *pass, pr *problem) error {
	reason := eks.UpdateError{Code: cmp.Or(pr.updateCode, updateErrorUnknown), Message: pr.message, ResourceIDs: []string{p.cluster.ARN().String()}}
	ops, err := eks.FailUpdates(ctx, c.deps.Store, &p.cluster, reason)
	p.ops = append(p.ops, ops...)
	return err
}

// commit writes what the pass changed on the cluster's record, with all that goes with it, or nothing when there is nothing.
// Should somebody else have written meanwhile, the next pass finds the same things true and writes them then.
func (c *Controller) commit(ctx context.Context, p *pass) error {
	if len(p.ops) == 0 && reflect.DeepEqual(p.item.Value, p.cluster) {
		return nil
	}
	if !p.gone {
		p.item.Value = p.cluster
		p.ops = append(p.ops, c.clusters.UpdateOp(p.item))
	}
	if _, err := c.deps.Store.Commit(ctx, p.ops...); err != nil {
		return fmt.Errorf("writing cluster %s: %w", p.cluster.Name, err)
	}
	return nil
}

// errChanged is the cause of a pass's end when the record that it began with is not what is wanted any more.
var errChanged = errors.New("the cluster's record has changed")

// untilChanged is a context that ends when the record is written by somebody else, so that a cluster can be deleted while its
// creation is waiting for something.
func (c *Controller) untilChanged(ctx context.Context, item store.Item[eks.Cluster]) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	key := c.clusters.Key(item.ID)
	go func() {
		for batch := range c.deps.Store.Watch(ctx, key, item.Revision) {
			for _, e := range batch.Events {
				if e.Key == key {
					cancel(errChanged)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
