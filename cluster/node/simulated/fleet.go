package simulated

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"minato.dev/minato/cluster/kubeapi"
)

const (
	nodesPath = "/api/v1/nodes"
	// clientFor is how long a client is used; its certificate is good for an hour.
	clientFor = 30 * time.Minute
	// watchPause is the time between two watches, of which the first has broken.
	watchPause = 500 * time.Millisecond
)

// node is what is known of one Node of a cluster.
type node struct {
	providerID string
	ready      bool
}

// fleet are the simulated nodes of one cluster: the instances that they are, the kwok that plays them, and the cluster's own
// view of them. It lives as long as the Controller, and runs something only while it has members.
type fleet struct {
	clusterID string
	deps      *Deps
	wake      func(instance string) // asks for a look at an instance, by its record's id

	starting sync.Mutex // held while something is started or stopped

	mu       sync.Mutex
	members  map[string]string // node name by instance
	names    map[string]string // instance by node name
	nodes    map[string]node   // by name
	synced   bool              // nodes are all nodes
	address  string            // of the kube-apiserver that kwok was last started for; empty when it is not started
	client   *kubeapi.Client
	until    time.Time // when client is to be made anew
	stopped  chan struct{}
	stopping context.CancelFunc
}

func newFleet(clusterID string, deps *Deps, wake func(string)) *fleet {
	return &fleet{
		clusterID: clusterID, deps: deps, wake: wake,
		members: map[string]string{}, names: map[string]string{}, nodes: map[string]node{},
	}
}

func (f *fleet) log() *slog.Logger { return f.deps.Log.With("cluster_id", f.clusterID) }

// join makes an instance a member.
func (f *fleet) join(instance, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[instance], f.names[name] = name, instance
}

// leave is the reverse of join. It tells whether the last member has left.
func (f *fleet) leave(instance string) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, ok := f.members[instance]
	if !ok {
		return false
	}
	delete(f.members, instance)
	delete(f.names, name)
	return len(f.members) == 0
}

func (f *fleet) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.members)
}

func (f *fleet) empty() bool { return f.size() == 0 }

// node is what the cluster last said of a node; false as the second result when it has not told of its nodes yet.
func (f *fleet) node(name string) (n node, exists, synced bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, exists = f.nodes[name]
	return n, exists, f.synced
}

// api is a client of the cluster, shared by everybody who works on the fleet.
func (f *fleet) api(ctx context.Context) (*kubeapi.Client, error) {
	f.mu.Lock()
	client := f.client
	fresh := client != nil && time.Now().Before(f.until)
	f.mu.Unlock()
	if fresh {
		return client, nil
	}
	client, err := f.deps.Client(ctx, f.clusterID)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.client, f.until = client, time.Now().Add(clientFor)
	return client, nil
}

// forgetClient has the next api make a new client, because the kube-apiserver may be another one now.
func (f *fleet) forgetClient() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.client = nil
}

// ensure makes kwok run for the active generation, and follows the cluster's nodes. It is cheap when both are so.
func (f *fleet) ensure(ctx context.Context) error {
	f.mu.Lock()
	started := f.address != ""
	f.mu.Unlock()
	if started {
		return nil
	}
	return f.refresh(ctx)
}

// refresh is ensure that looks again, because the cluster's control plane has changed. A fleet without members runs nothing.
func (f *fleet) refresh(ctx context.Context) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	if f.empty() {
		return nil
	}
	program, err := f.deps.Program()
	if err != nil {
		return err
	}
	companion, err := f.deps.Companion(ctx, f.clusterID, user)
	if err != nil {
		return err
	}
	f.mu.Lock()
	same := f.address == companion.Address
	f.mu.Unlock()
	if same {
		return nil
	}
	f.forgetClient()
	api, err := f.api(ctx)
	if err != nil {
		return err
	}
	if err := grant(ctx, api); err != nil {
		return err
	}
	k := kwok{
		clusterID: f.clusterID, program: program, companion: companion,
		dir: f.deps.Home.Run(runFolder, f.clusterID), log: f.deps.Home.Logs("clusters", f.clusterID, "kwok.log"),
	}
	if err := k.write(f.deps.Home); err != nil {
		return fmt.Errorf("writing kwok's files: %w", err)
	}
	if err := f.deps.Processes.Ensure(ctx, k.spec()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.address = companion.Address
	if f.stopping == nil {
		following, cancel := context.WithCancel(f.deps.Context)
		stopped := make(chan struct{})
		f.stopping, f.stopped = cancel, stopped
		go func() {
			defer close(stopped)
			var both sync.WaitGroup
			both.Go(func() { f.follow(following) })
			both.Go(func() { f.rouse(following) })
			both.Wait()
		}()
	}
	return nil
}

// closeIfEmpty stops what runs for a fleet that has no members any more.
func (f *fleet) closeIfEmpty(ctx context.Context) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	if !f.empty() {
		return nil
	}
	return f.close(ctx, true)
}

// abandon stops what runs because the cluster is gone.
func (f *fleet) abandon(ctx context.Context) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	return f.close(ctx, false)
}

func (f *fleet) close(ctx context.Context, revoking bool) error {
	f.mu.Lock()
	cancel, stopped := f.stopping, f.stopped
	f.stopping, f.stopped, f.address, f.synced = nil, nil, "", false
	f.nodes = map[string]node{}
	f.mu.Unlock()
	if cancel != nil {
		cancel()
		<-stopped
	}
	if err := f.deps.Processes.Stop(ctx, processName(f.clusterID)); err != nil {
		return err
	}
	if err := os.RemoveAll(f.deps.Home.Run(runFolder, f.clusterID)); err != nil {
		return err
	}
	if !revoking {
		return nil
	}
	// A role that nobody is anymore does no harm: a cluster that does not answer keeps it.
	if api, err := f.api(ctx); err != nil {
		f.log().WarnContext(ctx, "the rights of kwok stay in the cluster", "error", err)
	} else if err := revoke(ctx, api); err != nil {
		f.log().WarnContext(ctx, "the rights of kwok stay in the cluster", "error", err)
	}
	return nil
}

// follow keeps nodes true until ctx ends.
func (f *fleet) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.watch(ctx); err != nil && ctx.Err() == nil {
			f.log().DebugContext(ctx, "the watch of nodes ended", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
}

func (f *fleet) watch(ctx context.Context) error {
	client, err := f.deps.Client(ctx, f.clusterID)
	if err != nil {
		return err
	}
	defer client.Close()
	listed := map[string]node{}
	listing := true
	return client.Watch(ctx, nodesPath, url.Values{"labelSelector": {Label + "=true"}}, func(e kubeapi.Event) error {
		if e.Type == "BOOKMARK" {
			if listing {
				listing = false
				f.replace(listed)
			}
			return nil
		}
		name, n, err := readNode(e.Object)
		if err != nil {
			return err
		}
		if listing {
			listed[name] = n
		} else {
			f.observe(name, n, e.Type == "DELETED")
		}
		return nil
	})
}

// replace takes a new list of all nodes, and has all members looked at.
func (f *fleet) replace(nodes map[string]node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes, f.synced = nodes, true
	for instance := range f.members {
		f.wake(instance)
	}
}

// observe takes what a watch saw. A heartbeat changes nothing that matters here, so nobody is woken by it.
func (f *fleet) observe(name string, n node, deleted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, known := f.nodes[name]
	if deleted {
		delete(f.nodes, name)
	} else {
		f.nodes[name] = n
	}
	if instance, ok := f.names[name]; ok && (deleted || !known || was != n) {
		f.wake(instance)
	}
}

// readNode reads of a Node what a fleet remembers.
func readNode(object []byte) (name string, n node, err error) {
	var o struct {
		Metadata struct{ Name string }
		Spec     struct{ ProviderID string }
		Status   struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if err := json.Unmarshal(object, &o); err != nil {
		return "", n, fmt.Errorf("reading a Node: %w", err)
	}
	n.providerID = o.Spec.ProviderID
	for _, c := range o.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			n.ready = true
		}
	}
	return o.Metadata.Name, n, nil
}

// create makes a Node. One of the same name that another instance has left is removed, and the error says so.
func (f *fleet) create(ctx context.Context, object doc, name, providerID string) error {
	api, err := f.api(ctx)
	if err != nil {
		return err
	}
	_, err = api.Do(ctx, http.MethodPost, nodesPath, object)
	if kubeapi.Status(err) != http.StatusConflict {
		return f.trouble(err)
	}
	b, err := api.Do(ctx, http.MethodGet, nodesPath+"/"+name, nil)
	if err != nil {
		return f.trouble(err)
	}
	if _, there, err := readNode(b); err != nil || there.providerID == providerID {
		return err
	}
	if err := api.Delete(ctx, nodesPath+"/"+name); err != nil {
		return f.trouble(err)
	}
	return fmt.Errorf("node %s was that of another instance; it is removed", name)
}

// remove deletes the Node of an instance, if it has one.
func (f *fleet) remove(ctx context.Context, name, providerID string) error {
	n, exists, synced := f.node(name)
	api, err := f.api(ctx)
	if err != nil {
		return err
	}
	if !synced {
		b, err := api.Do(ctx, http.MethodGet, nodesPath+"/"+name, nil)
		if kubeapi.NotFound(err) {
			return nil
		}
		if err != nil {
			return f.trouble(err)
		}
		exists = true
		if _, n, err = readNode(b); err != nil {
			return err
		}
	}
	if !exists || n.providerID != providerID {
		return nil
	}
	return f.trouble(api.Delete(ctx, nodesPath+"/"+name))
}

// trouble makes a new client for the next try, unless the kube-apiserver has answered with this one.
func (f *fleet) trouble(err error) error {
	if err != nil && kubeapi.Status(err) == 0 {
		f.forgetClient()
	}
	return err
}
