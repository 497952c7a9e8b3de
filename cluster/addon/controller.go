package addon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// Times that an add-on has.
const (
	// settling is how long what was just applied may take to run before the add-on is DEGRADED, where there are nodes.
	settling = 3 * time.Minute
	// trouble is how long an add-on that did run may lack replicas before it is DEGRADED: nodes come, pods move.
	trouble = 30 * time.Second
	// unreachable is how long a cluster may not answer, or answer nothing but that it cannot, before a change of an add-on fails.
	unreachable = 5 * time.Minute

	soon   = time.Second // while something is expected to happen
	resync = time.Minute // to find what was deleted
)

// Controller makes the records of add-ons true. Make it with New.
type Controller struct {
	deps    Deps
	addons  *store.Collection[eks.Addon]
	watches *watches

	mu    sync.Mutex
	lacks map[string]time.Time // since when an add-on that is ACTIVE lacks replicas
}

// New makes a Controller. wakeUp has the add-on with a key reconciled.
func New(d Deps, wakeUp func(key string)) *Controller {
	return &Controller{deps: d, addons: eks.Addons(d.Store), watches: newWatches(d, wakeUp), lacks: map[string]time.Time{}}
}

// Run keeps an eye on what add-ons run, until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	c.watches.run(ctx)
	return nil
}

// pass is one look at one add-on.
type pass struct {
	item    store.Item[eks.Addon]
	addon   eks.Addon // what the record is to be
	cluster *eks.Cluster
	kind    catalogue.Addon
	objects []object
	client  *kubeapi.Client
	ops     []store.Op // to be committed along with the record
	gone    bool       // with ops goes the record
}

// Reconcile makes one pass over the add-on whose record has this id.
func (c *Controller) Reconcile(ctx context.Context, id string) (reconcile.Result, error) {
	item, err := c.addons.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		c.forget(id)
		return reconcile.Result{}, nil
	}
	if _, corrupt := errors.AsType[*store.CorruptError](err); corrupt {
		return reconcile.Result{}, reconcile.Terminal(err)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	p := &pass{item: item, addon: item.Value}
	if gone, err := c.prepare(ctx, p); gone || err != nil {
		return reconcile.Result{}, err
	}
	defer p.client.Close()
	again, err := c.step(ctx, p)
	if pr, ok := errors.AsType[*problem](err); ok {
		again, err = resync, c.fail(ctx, p, pr.issue)
	} else if err != nil && p.addon.Status.Status.Transient() && c.deps.Now().Sub(p.addon.ModifiedAt) > unreachable {
		err = errors.Join(err, c.fail(ctx, p, givenUp(err)))
	}
	if commitErr := c.commit(ctx, p); commitErr != nil {
		return reconcile.Result{}, errors.Join(err, commitErr)
	}
	return reconcile.Result{RequeueAfter: again}, err
}

// prepare reads and renders what a pass needs. A cluster that is being deleted takes its add-ons along.
func (c *Controller) prepare(ctx context.Context, p *pass) (gone bool, err error) {
	a := &p.addon
	cluster, err := eks.Clusters(c.deps.Store).Get(ctx, eks.ClusterKey(a.Scope, a.ClusterName))
	if errors.Is(err, store.ErrNotFound) || err == nil && (cluster.Value.ID != a.ClusterID || cluster.Value.Status.Status == eks.ClusterDeleting) {
		c.forget(p.item.ID)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	p.cluster = &cluster.Value
	var known bool
	if p.kind, known = catalogue.Lookup(a.Name); !known {
		return false, reconcile.Terminal(minato.Errorf(minato.Internal, "there is no add-on %q", a.Name))
	}
	if p.objects, err = c.render(p, a.Spec); err != nil {
		return false, err
	}
	p.client, err = c.deps.Client(ctx, a.ClusterID)
	return false, err
}

func (c *Controller) render(p *pass, spec eks.AddonSpec) ([]object, error) {
	v, err := p.kind.Installed(spec.Version)
	if err != nil {
		return nil, err
	}
	in := catalogue.Install{Namespace: spec.Namespace, Values: spec.Values}
	if !spec.RoleARN.IsZero() {
		in.RoleARN = spec.RoleARN.String()
	}
	return render(c.deps, p.cluster, p.kind, v, in)
}

// step does what the add-on's status asks for, and tells when to look again.
func (c *Controller) step(ctx context.Context, p *pass) (again time.Duration, err error) {
	switch p.addon.Status.Status {
	case eks.AddonDeleting:
		return 0, c.remove(ctx, p)
	case eks.AddonCreateFailed, eks.AddonDeleteFailed:
		return 0, nil // for its owner to update or delete
	}
	switch status := p.addon.Status; {
	case status.Status.Transient() && status.AppliedGeneration != p.addon.Spec.Generation:
		err = c.apply(ctx, p)
	case status.AppliedGeneration == 0:
		return 0, nil // nothing of it is ours, and its owner has to say what is to become of it
	default:
		err = c.restore(ctx, p)
	}
	if err != nil {
		return 0, err
	}
	if w, ok := workloadPath(p.objects, p.kind); ok {
		c.watches.ensure(p.item.ID, p.addon.ClusterID, w)
		return c.judge(ctx, p, w)
	}
	return 0, fmt.Errorf("the add-on %s has no workload %s", p.addon.Name, p.kind.Workload)
}

// restore puts objects that are gone into the cluster again.
func (c *Controller) restore(ctx context.Context, p *pass) error {
	restored, err := restore(ctx, p.client, p.objects)
	if len(restored) > 0 {
		c.deps.Log.InfoContext(ctx, "objects of an add-on were gone, and are there again", "cluster", p.addon.ClusterName, "addon", p.addon.Name, "objects", restored)
	}
	return err
}

// apply puts the objects of the spec into the cluster, and takes out those that the version before had and this one has not.
func (c *Controller) apply(ctx context.Context, p *pass) error {
	a := &p.addon
	if err := tryAll(ctx, p.client, p.objects, a.Spec.ResolveConflicts); err != nil {
		return err
	}
	if !a.Status.Installed { // to be known before it is true, so that its deletion can leave nothing behind
		a.Status.Installed = true
		p.item.Value = *a
		item, err := c.addons.Put(ctx, p.item)
		if err != nil {
			return err
		}
		p.item = item
	}
	if err := applyAll(ctx, p.client, p.objects, a.Spec.ResolveConflicts); err != nil {
		return err
	}
	before, err := eks.AddonBefore(ctx, c.deps.Store, a)
	if err != nil {
		return err
	}
	if before != nil && a.Status.AppliedGeneration > 0 {
		old, err := c.render(p, *before)
		if err != nil {
			return err
		}
		if err := removeAll(ctx, p.client, missingFrom(p.objects, old)); err != nil {
			return err
		}
	}
	a.Status.AppliedGeneration, a.Status.AppliedAt = a.Spec.Generation, c.deps.Now().UTC()
	return nil
}

// missingFrom are those of the old objects that are not among the new ones.
func missingFrom(now, old []object) (missing []object) {
	there := map[string]bool{}
	for _, o := range now {
		there[o.path()] = true
	}
	for _, o := range old {
		if !there[o.path()] {
			missing = append(missing, o)
		}
	}
	return missing
}

// remove takes the add-on out of the cluster, unless it is to be left there or never came there, and then its records.
func (c *Controller) remove(ctx context.Context, p *pass) error {
	if !p.addon.Spec.Preserve && p.addon.Status.Installed {
		if err := removeAll(ctx, p.client, p.objects); err != nil {
			return err
		}
	}
	if err := eks.RemoveAddonUpdates(ctx, c.deps.Store, &p.addon); err != nil {
		return err
	}
	if err := eks.RemoveAddonIdentities(ctx, c.deps.Store, &p.addon); err != nil {
		return err
	}
	c.forget(p.item.ID)
	p.ops, p.gone = append(p.ops, c.addons.DeleteOp(p.item)), true
	return nil
}

// fail ends what cannot be done. An update that failed has changed nothing, and the spec says so again.
func (c *Controller) fail(ctx context.Context, p *pass, issue eks.HealthIssue) error {
	a := &p.addon
	a.Status.Health = []eks.HealthIssue{issue}
	switch a.Status.Status {
	case eks.AddonCreating:
		a.Status.Status = eks.AddonCreateFailed
	case eks.AddonDeleting:
		a.Status.Status = eks.AddonDeleteFailed
	case eks.AddonUpdating:
		before, err := eks.AddonBefore(ctx, c.deps.Store, a)
		if err != nil {
			return err
		}
		if before != nil && a.Status.AppliedGeneration != a.Spec.Generation {
			generation := a.Spec.Generation + 1
			a.Spec, a.Spec.Generation = *before, generation
		}
		ops, err := eks.CompleteAddonUpdates(ctx, c.deps.Store, a, eks.UpdateError(issue))
		if err != nil {
			return err
		}
		p.ops = append(p.ops, ops...)
		a.Status.Status = eks.AddonUpdateFailed
	default:
		a.Status.Status = eks.AddonDegraded
	}
	return nil
}

// commit writes what the pass changed, or nothing when there is nothing. Should somebody else have written meanwhile, the next
// pass finds the same things true and writes them then.
func (c *Controller) commit(ctx context.Context, p *pass) error {
	if len(p.ops) == 0 && reflect.DeepEqual(p.item.Value, p.addon) {
		return nil
	}
	if !p.gone {
		p.item.Value = p.addon
		p.ops = append(p.ops, c.addons.UpdateOp(p.item))
	}
	if _, err := c.deps.Store.Commit(ctx, p.ops...); err != nil {
		return fmt.Errorf("writing add-on %s of cluster %s: %w", p.addon.Name, p.addon.ClusterName, err)
	}
	return nil
}

// forget ends what is kept in memory about an add-on.
func (c *Controller) forget(id string) {
	c.watches.end(id)
	c.lacking(id, false)
}
