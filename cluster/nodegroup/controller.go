package nodegroup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// Deps is all that a Controller uses. Every field is needed.
type Deps struct {
	Store store.Store
	EC2   *ec2.Service
	// Now is the machine's time: nodes join and drain in it, whatever a test clock says.
	Now func() time.Time
	Log *slog.Logger

	// CheckRole is whether a role exists (else an Error of kind NotFound) and a service may assume it (else Denied).
	CheckRole func(ctx context.Context, role minato.ARN, servicePrincipal string, resource minato.ARN) error
	// EnsureProfile makes the instance profile of a name with a role in it, and RemoveProfile removes it. Both may be repeated.
	EnsureProfile func(ctx context.Context, account, name, role string) (minato.ARN, error)
	RemoveProfile func(ctx context.Context, account, name, role string) error
	// EnsureEntry gives a role an access entry of a type, unless it has one; an error of kind InUse says that it has one which will not do.
	// RemoveEntry removes it. Both may be repeated.
	EnsureEntry func(ctx context.Context, cluster *eks.Cluster, role minato.ARN, kind string) error
	RemoveEntry func(ctx context.Context, clusterID string, role minato.ARN, kind string) error
	// Connect makes a client of a cluster's kube-apiserver, to be closed.
	Connect func(ctx context.Context, clusterID string) (*kubeapi.Client, error)

	Limits Limits
}

// Limits are how long things may take.
type Limits struct {
	Join   time.Duration // from launch to a Ready node
	Drain  time.Duration // from the cordon to the last pod
	Remove time.Duration // Drain, for a nodegroup that is being deleted
	Repair time.Duration // not Ready, before a node is replaced
}

// DefaultLimits are EKS's ("Amazon EKS User Guide", node auto repair and nodegroup updates). Removing is quicker than on EKS.
var DefaultLimits = Limits{Join: 15 * time.Minute, Drain: 15 * time.Minute, Remove: 15 * time.Second, Repair: 30 * time.Minute}

const (
	// resync is how often a nodegroup is looked at when nothing happens, and soon how often while something does.
	resync = 10 * time.Second
	soon   = 250 * time.Millisecond
)

// Controller makes nodegroups' records true. Make it with New and let it Run.
type Controller struct {
	deps      Deps
	groups    *store.Collection[eks.Nodegroup]
	instances *store.View[ec2.Instance]
	clients   clients
	build     []step
	demolish  []step
}

// New makes a Controller.
func New(d Deps) *Controller {
	c := &Controller{deps: d, groups: eks.Nodegroups(d.Store), instances: store.NewView(ec2.Instances(d.Store)),
		clients: clients{connect: d.Connect, byID: map[string]keptClient{}}}
	c.build, c.demolish = c.buildSteps(), c.demolishSteps()
	return c
}

// Run follows the instances until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.instances.Run(ctx) }

// OnInstance has wake called with the id of the nodegroup's record when one of its instances has changed.
func (c *Controller) OnInstance(wake func(id string)) {
	c.instances.Subscribe(func(id string) {
		if item, ok := c.instances.Get(id); ok {
			if key := item.Value.Tags[recordTag]; key != "" {
				wake(key)
			}
		}
	})
}

// Reconcile makes one pass over the nodegroup whose record has this id. It returns when to look again, zero for never, or an error
// for "again, later and later".
func (c *Controller) Reconcile(ctx context.Context, id string) (again time.Duration, err error) {
	select {
	case <-c.instances.Ready():
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	item, err := c.groups.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if corrupt, ok := errors.AsType[*store.CorruptError](err); ok {
		return 0, reconcile.Terminal(corrupt)
	}
	if err != nil {
		return 0, err
	}
	steps := c.build
	switch item.Value.Status.Status {
	case eks.NodegroupCreateFailed:
		return 0, nil
	case eks.NodegroupDeleting:
		steps = c.demolish
	}
	p := newPass(item, c.deps.Now().UTC().Truncate(time.Millisecond))
	failed := c.run(ctx, p, steps)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err := c.finish(ctx, p, failed); err != nil {
		return 0, errors.Join(failed, err)
	}
	if _, known := errors.AsType[*problem](failed); known {
		return slowly(p), nil // it is told in the record, and looked at again in its time
	}
	if p.busy() {
		return soon, failed
	}
	return resync, failed
}

// slowly is when to look again at what is wrong.
func slowly(p *pass) time.Duration {
	if p.group.Status.Status.Transient() {
		return time.Second
	}
	return resync
}

// run does the steps in order up to the first that fails.
func (c *Controller) run(ctx context.Context, p *pass, steps []step) error {
	log := c.deps.Log.With("cluster", p.group.ClusterName, "nodegroup", p.group.Name)
	for _, s := range steps {
		err := s.do(ctx, p)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.report(ctx, log, s.name, err)
		if err != nil {
			return fmt.Errorf("%s of nodegroup %s: %w", s.name, p.group.Name, err)
		}
		if p.over {
			break
		}
	}
	return nil
}

// finish sets the status that follows from a pass and writes what it changed, or nothing when there is nothing. Should somebody
// else have written meanwhile, the next pass finds the same things true and writes them then.
func (c *Controller) finish(ctx context.Context, p *pass, failed error) error {
	if p.group.Status.Status != eks.NodegroupDeleting {
		if err := c.settle(ctx, p, failed); err != nil {
			return err
		}
	}
	if len(p.ops) == 0 && reflect.DeepEqual(p.item.Value, p.group) {
		return nil
	}
	if !p.gone {
		p.item.Value = p.group
		p.ops = append(p.ops, c.groups.UpdateOp(p.item))
	}
	_, err := c.deps.Store.Commit(ctx, p.ops...)
	if err := ignoreRace(err); err != nil {
		return fmt.Errorf("writing nodegroup %s: %w", p.group.Name, err)
	}
	return nil
}

// commit writes instances, and waits until we see them.
func (c *Controller) commit(ctx context.Context, ops func() ([]store.Op, error)) error {
	return commitInstances(ctx, c.deps.Store, c.instances, ops)
}

func commitInstances(ctx context.Context, s store.Store, seen *store.View[ec2.Instance], ops func() ([]store.Op, error)) error {
	for {
		all, err := ops()
		if err != nil || len(all) == 0 {
			return err
		}
		rev, err := s.Commit(ctx, all...)
		if ignoreRace(err) == nil && err != nil && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		return seen.WaitFor(ctx, rev)
	}
}

// ignoreRace passes over a commit that met another writer: what that one wrote brings us back.
func ignoreRace(err error) error {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
