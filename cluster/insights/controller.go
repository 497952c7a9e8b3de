package insights

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/eks"
)

const (
	// quiet is how long a client must not have called an API for a refresh to say that it has stopped. Watches are begun anew every five
	// to ten minutes, so whoever watches is never quiet for so long.
	quiet = 15 * time.Minute
	// recently is how long a call counts as use when nobody asks for a refresh: long enough for what runs once a day.
	recently = 25 * time.Hour
	// refreshEvery is how often all checks are made anyway, as on EKS.
	refreshEvery = 24 * time.Hour
	// again is how often it is looked whether calls have become too old to count.
	again = 10 * time.Minute
	// soon is when checks that could not be made are made again.
	soon = time.Minute
)

// Deps is what the checks and the ingest need.
type Deps struct {
	Store store.Store
	// Client makes a client of a cluster's kube-apiserver, to be closed.
	Client func(ctx context.Context, clusterID string) (*kubeapi.Client, error)
	// AuditLog is where a cluster's audit log lies.
	AuditLog func(clusterID string) string
	// AddonVersions are the versions of an add-on that run on a minor, the newest first; nil for an add-on that is not known.
	AddonVersions func(addon, minor string) []string
	// Announced is the upgrade that the support calendar will make of a cluster soon, if there is one.
	Announced func(*eks.Cluster) (eks.Upcoming, bool)
	Clock     *clock.Clock
	Log       *slog.Logger
}

// Controller computes insights. Make it with New.
type Controller struct {
	deps   Deps
	wakeUp func(key string)

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before and after it
	ending  sync.WaitGroup
	follows map[string]*followed // by the keys of clusters' records
}

// followed is a cluster whose audit log is counted.
type followed struct {
	clusterID string
	usage     *usage
	stop      context.CancelFunc
	caughtUp  <-chan struct{} // is closed when what was called before has been counted
	version   string          // that all checks were last made for
	checked   time.Time       // when they were; zero is never
}

// New makes a Controller. wakeUp has the cluster with a key reconciled.
func New(d Deps, wakeUp func(key string)) *Controller {
	return &Controller{deps: d, wakeUp: wakeUp, follows: map[string]*followed{}}
}

// Run counts audit logs until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	c.ctx = nil
	c.mu.Unlock()
	c.ending.Wait()
	return nil
}

// Reconcile looks at the cluster whose record has this key: it has its audit log counted, and makes the checks that are due.
func (c *Controller) Reconcile(ctx context.Context, key string) (reconcile.Result, error) {
	item, err := eks.Clusters(c.deps.Store).Get(ctx, key)
	if _, corrupt := errors.AsType[*store.CorruptError](err); corrupt {
		return reconcile.Result{}, reconcile.Terminal(err)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && item.Value.Status.Status == eks.ClusterDeleting {
		c.unfollow(key)
		return reconcile.Result{}, nil
	}
	if err != nil || len(item.Value.Status.Versions) == 0 { // it has never served
		return reconcile.Result{}, err
	}
	f, err := c.follow(ctx, key, item.Value.ID)
	if f == nil || err != nil {
		return reconcile.Result{RequeueAfter: time.Second}, err
	}
	select { // or clients would be told to have stopped that nobody has looked for yet
	case <-f.caughtUp:
	case <-ctx.Done():
		return reconcile.Result{}, ctx.Err()
	}
	return c.check(ctx, item, f)
}

// follow begins to count a cluster's audit log, unless that is done already. It is nil while Run does not run.
func (c *Controller) follow(ctx context.Context, key, clusterID string) (*followed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.follows[key]; f != nil && f.clusterID == clusterID {
		return f, nil
	} else if f != nil {
		f.stop()
		delete(c.follows, key)
	}
	if c.ctx == nil {
		return nil, nil
	}
	i := &ingest{
		deps: c.deps, clusterKey: key, clusterID: clusterID, usage: newUsage(), saved: map[apiKey]bool{},
		changed: func() { c.wakeUp(key) }, caughtUp: make(chan struct{}),
	}
	if err := i.load(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(c.ctx)
	c.follows[key] = &followed{clusterID: clusterID, usage: i.usage, stop: stop, caughtUp: i.caughtUp}
	c.ending.Go(func() { i.run(running) })
	return c.follows[key], nil
}

func (c *Controller) unfollow(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.follows[key]; f != nil {
		f.stop()
		delete(c.follows, key)
	}
}

// check makes the checks that are due and writes what they found.
func (c *Controller) check(ctx context.Context, item store.Item[eks.Cluster], f *followed) (reconcile.Result, error) {
	now := c.deps.Clock.Now().UTC().Truncate(time.Millisecond)
	refreshes := eks.InsightsRefreshes(c.deps.Store)
	refresh, err := refreshes.Get(ctx, item.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return reconcile.Result{}, err
	}
	asked := err == nil && refresh.Value.ClusterID == item.Value.ID
	refreshing := asked && refresh.Value.Status == eks.RefreshInProgress
	since := now.Add(-recently)
	if asked && refresh.Value.StartedAt.Add(-quiet).After(since) {
		since = refresh.Value.StartedAt.Add(-quiet)
	}
	all := refreshing || f.version != item.Value.Serving() || now.Sub(f.checked) >= refreshEvery || now.Before(f.checked)
	v := newView(&item.Value, now, since, f.usage.clients(now))
	if v.client, err = c.deps.Client(ctx, item.Value.ID); err == nil {
		defer v.client.Close()
	}
	v.addonVersions, v.store, v.announced = c.deps.AddonVersions, c.deps.Store, c.deps.Announced
	v.missed = f.usage.missed(now, since)
	found, unmade := v.run(ctx, all)
	if ctx.Err() != nil {
		return reconcile.Result{}, ctx.Err()
	}
	ops, err := c.changes(ctx, item.Value.ID, found, all, now)
	if err != nil {
		return reconcile.Result{}, err
	}
	if refreshing {
		refresh.Value.Status, refresh.Value.EndedAt, refresh.Value.Message = eks.RefreshCompleted, now, "Insights refresh completed"
		if unmade != "" {
			refresh.Value.Status, refresh.Value.Message = eks.RefreshFailed, unmade
		}
		ops = append(ops, refreshes.UpdateOp(refresh))
	}
	if len(ops) > 0 {
		ops = append(ops, store.Check(eks.Clusters(c.deps.Store).Key(item.ID), item.Revision))
		if _, err := c.deps.Store.Commit(ctx, ops...); err != nil {
			return reconcile.Result{}, err
		}
	}
	if unmade != "" {
		f.version = "" // all of them once more
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	if all {
		f.version, f.checked = item.Value.Serving(), now
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// changes are the writes that make the records of a cluster's insights say what was found. Those of checks that were all made, and did
// not find them again, go.
func (c *Controller) changes(ctx context.Context, clusterID string, found []eks.Insight, all bool, now time.Time) (ops []store.Op, err error) {
	records := eks.Insights(c.deps.Store)
	page, err := records.List(ctx, store.ID(clusterID)+"/", "", 0)
	if err != nil {
		return nil, err
	}
	old := map[string]store.Item[eks.Insight]{}
	for _, item := range page.Items {
		old[item.Value.ID] = item
	}
	for _, corrupt := range page.Corrupt { // it is made anew
		if _, err := c.deps.Store.Commit(ctx, store.Delete(corrupt.Key, store.AnyRevision)); err != nil {
			return nil, err
		}
	}
	for _, insight := range found {
		id := store.ID(clusterID, insight.ID)
		insight.RefreshedAt, insight.TransitionedAt = now, now
		before, known := old[insight.ID]
		delete(old, insight.ID)
		if !known {
			ops = append(ops, records.CreateOp(id, insight))
			continue
		}
		if before.Value.Status.Status == insight.Status.Status {
			insight.TransitionedAt = before.Value.TransitionedAt
		}
		if same := before.Value; !all {
			same.RefreshedAt = insight.RefreshedAt
			if reflect.DeepEqual(same, insight) {
				continue
			}
		}
		before.Value = insight
		ops = append(ops, records.UpdateOp(before))
	}
	if all {
		for gone := range maps.Values(old) {
			ops = append(ops, records.DeleteOp(gone))
		}
	}
	return ops, nil
}

// RollbackBlockers are the names of the checks that speak against taking a cluster back to a minor now: those in ERROR, and those that
// could not be made.
func (c *Controller) RollbackBlockers(ctx context.Context, cluster *eks.Cluster, target string) (names []string, err error) {
	now := c.deps.Clock.Now()
	v := newView(cluster, now, now, nil)
	v.addonVersions, v.store = c.deps.AddonVersions, c.deps.Store
	if v.client, err = c.deps.Client(ctx, cluster.ID); err != nil {
		return nil, err
	}
	defer v.client.Close()
	for _, check := range rollbackChecks(target) {
		f, err := check.run(ctx, v)
		if err != nil || f.status.Status == eks.InsightError {
			names = append(names, check.name)
		}
	}
	return names, nil
}
