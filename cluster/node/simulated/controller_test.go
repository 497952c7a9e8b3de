package simulated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

// world is a Controller with a cluster of its own.
type world struct {
	*Controller
	store   *memstore.Store
	cluster *fakeCluster
	config  nodeadm.NodeConfig

	mu        sync.Mutex
	address   string                     // of the active kube-apiserver
	refused   error                      // of every role
	processes map[string]supervisor.Spec // that run
	specs     []supervisor.Spec          // that were ever asked for
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	w := &world{store: memstore.New(), cluster: newFakeCluster(t), processes: map[string]supervisor.Spec{}, address: "127.0.0.1:1000"}
	ca, err := pki.NewAuthority("kubernetes", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.config = nodeadm.NodeConfig{
		Cluster: nodeadm.Cluster{Name: "prod", APIServerEndpoint: "https://x:1", CertificateAuthority: ca.Pair.CertPEM, CIDR: "10.100.0.0/16"},
		Kubelet: nodeadm.Kubelet{Flags: []string{"--node-labels=team=a"}},
	}
	dir, err := os.MkdirTemp("", "minato-simulated-")
	if err != nil {
		t.Fatal(err)
	}
	h := home.Dir(filepath.Join(dir, "home"))
	t.Cleanup(func() { _ = errors.Join(os.RemoveAll(dir), os.RemoveAll(h.Run())) })
	instances := ec2.Instances(w.store)
	move := func(ctx context.Context, scope minato.Scope, id string, state ec2.InstanceState) error {
		_, err := instances.Modify(ctx, ec2.RecordID(scope, id), func(i *ec2.Instance) error {
			i.State = state
			return nil
		})
		return err
	}
	w.Controller = New(Deps{
		Context: ctx, Store: w.store, Home: h, Log: slog.New(slog.DiscardHandler),
		Processes: w.supervisor(),
		Program:   func() (string, error) { return "/kwok", nil },
		Client:    func(context.Context, string) (*kubeapi.Client, error) { return w.cluster.client(), nil },
		Companion: func(_ context.Context, _, user string) (controlplane.Companion, error) {
			pair, err := ca.Issue(pki.Request{CommonName: user, Client: true, Validity: time.Hour})
			w.mu.Lock()
			defer w.mu.Unlock()
			return controlplane.Companion{Address: w.address, CA: ca.Pair.CertPEM, Pair: pair}, err
		},
		Admitted: func(context.Context, *eks.Cluster, ec2.Instance) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.refused
		},
		Running: func(ctx context.Context, scope minato.Scope, id string) error {
			return move(ctx, scope, id, ec2.InstanceRunning)
		},
		Terminated: func(ctx context.Context, scope minato.Scope, id string, _ ec2.InstanceReason) error {
			return move(ctx, scope, id, ec2.InstanceTerminated)
		},
	})
	w.writeCluster(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

// supervisor keeps processes in a map.
func (w *world) supervisor() controlplane.Processes {
	return controlplane.Processes{
		Ensure: func(_ context.Context, spec supervisor.Spec) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.processes[spec.Name] = spec
			w.specs = append(w.specs, spec)
			return nil
		},
		Stop: func(_ context.Context, name string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.processes, name)
			return nil
		},
		Names: func() (names []string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for name := range w.processes {
				names = append(names, name)
			}
			return names
		},
	}
}

func (w *world) running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.processes)
}

func (w *world) writeCluster(t *testing.T) {
	t.Helper()
	c := eks.Cluster{Scope: scope, Name: "prod", ID: "c1", Status: eks.Status{Status: eks.ClusterActive, Endpoint: "https://x:1"}}
	if _, err := eks.Clusters(w.store).Create(t.Context(), eks.ClusterKey(scope, "prod"), c); err != nil {
		t.Fatal(err)
	}
	if _, err := controlplane.Records(w.store).Create(t.Context(), "c1", controlplane.ControlPlane{ClusterID: "c1"}); err != nil {
		t.Fatal(err)
	}
}

// launch writes the record of an instance.
func (w *world) launch(t *testing.T, n int, userData []byte) ec2.Instance {
	t.Helper()
	ip := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
	i := ec2.Instance{
		Scope: scope, ID: fmt.Sprintf("i-%d", n), Type: "t3.medium", Minor: "1.35", Simulated: true, Zone: "us-east-1a", PrivateIP: ip,
		PrivateDNSName: ec2.PrivateDNSName(scope.Region, ip), UserData: userData, DiskGiB: 20, State: ec2.InstancePending,
	}
	if _, err := ec2.Instances(w.store).Create(t.Context(), ec2.RecordID(scope, i.ID), i); err != nil {
		t.Fatal(err)
	}
	return i
}

func (w *world) userData(t *testing.T) []byte {
	t.Helper()
	b, err := nodeadm.Render(w.config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// becomes waits until instances are in a state.
func (w *world) becomes(t *testing.T, state ec2.InstanceState, instances ...ec2.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	records := ec2.Instances(w.store)
	waiting := map[string]bool{}
	for _, i := range instances {
		waiting[ec2.RecordID(scope, i.ID)] = true
	}
	page, err := records.List(ctx, "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		if item.Value.State == state {
			delete(waiting, item.ID)
		}
	}
	for batch := range w.store.Watch(ctx, records.Prefix(), page.Revision) {
		for _, e := range batch.Events {
			if item, err := records.Decode(e.Entry); err == nil && !e.Deleted && item.Value.State == state {
				delete(waiting, item.ID)
			}
		}
		if len(waiting) == 0 {
			return
		}
	}
	if len(waiting) > 0 {
		t.Fatalf("%d of %d instances are not %s", len(waiting), len(instances), state)
	}
}

func (w *world) terminate(t *testing.T, instances ...ec2.Instance) {
	t.Helper()
	for _, i := range instances {
		_, err := ec2.Instances(w.store).Modify(t.Context(), ec2.RecordID(scope, i.ID), func(i *ec2.Instance) error {
			i.State = ec2.InstanceShuttingDown
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits for something that no record tells of.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestLifeOfNodes(t *testing.T) {
	w := newWorld(t)
	w.cluster.playKwok(t.Context())
	var all []ec2.Instance
	for n := range 100 {
		all = append(all, w.launch(t, n, w.userData(t)))
	}
	w.becomes(t, ec2.InstanceRunning, all...)
	if nodes, rights := w.cluster.count(); nodes != len(all) || rights != 2 || w.running() != 1 {
		t.Errorf("%d nodes, %d RBAC objects, %d processes", nodes, rights, w.running())
	}
	w.terminate(t, all[:99]...)
	w.becomes(t, ec2.InstanceTerminated, all[:99]...)
	if nodes, _ := w.cluster.count(); nodes != 1 || w.running() != 1 {
		t.Errorf("%d nodes, %d processes", nodes, w.running())
	}
	w.terminate(t, all[99])
	w.becomes(t, ec2.InstanceTerminated, all[99])
	eventually(t, "kwok goes with the last node", func() bool {
		nodes, rights := w.cluster.count()
		return nodes == 0 && rights == 0 && w.running() == 0
	})
}

func TestNotReadyIsNotRunning(t *testing.T) {
	w := newWorld(t)
	i := w.launch(t, 1, w.userData(t))
	eventually(t, "the node is made", func() bool { nodes, _ := w.cluster.count(); return nodes == 1 })
	item, err := ec2.Instances(w.store).Get(t.Context(), ec2.RecordID(scope, i.ID))
	if err != nil || item.Value.State != ec2.InstancePending {
		t.Fatalf("%v, %v", item.Value.State, err)
	}
	w.cluster.playKwok(t.Context())
	w.becomes(t, ec2.InstanceRunning, i)
}

func TestNoNodeWithoutConfig(t *testing.T) {
	w := newWorld(t)
	w.becomes(t, ec2.InstanceTerminated, w.launch(t, 1, nil), w.launch(t, 2, []byte("#!/bin/sh\n")))
	if nodes, _ := w.cluster.count(); nodes != 0 || w.running() != 0 {
		t.Errorf("%d nodes, %d processes", nodes, w.running())
	}
}

func TestNodeIsNotLetIn(t *testing.T) {
	w := newWorld(t)
	w.refused = minato.Errorf(minato.Unauthenticated, "it has no access entry")
	w.cluster.playKwok(t.Context())
	i := w.launch(t, 1, w.userData(t))
	eventually(t, "kwok runs", func() bool { return w.running() == 1 })
	if nodes, _ := w.cluster.count(); nodes != 0 {
		t.Error("a node was made")
	}
	w.mu.Lock()
	w.refused = nil
	w.mu.Unlock()
	w.becomes(t, ec2.InstanceRunning, i)
}

func TestNameOfAnotherInstance(t *testing.T) {
	w := newWorld(t)
	w.cluster.playKwok(t.Context())
	old := w.launch(t, 1, w.userData(t))
	w.becomes(t, ec2.InstanceRunning, old)
	if err := ec2.Instances(w.store).Delete(t.Context(), ec2.RecordID(scope, old.ID), store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	again := old
	again.ID, again.State = "i-2", ec2.InstancePending
	if _, err := ec2.Instances(w.store).Create(t.Context(), ec2.RecordID(scope, again.ID), again); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, ec2.InstanceRunning, again)
}

func TestNextGeneration(t *testing.T) {
	w := newWorld(t)
	w.cluster.playKwok(t.Context())
	w.becomes(t, ec2.InstanceRunning, w.launch(t, 1, w.userData(t)))
	w.mu.Lock()
	w.address = "127.0.0.1:2000"
	w.mu.Unlock()
	_, err := controlplane.Records(w.store).Modify(t.Context(), "c1", func(p *controlplane.ControlPlane) error {
		p.Active.Number++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "kwok follows", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		last := w.specs[len(w.specs)-1]
		return last.Args[3] == "--master=https://127.0.0.1:2000"
	})
	if err := controlplane.Records(w.store).Delete(t.Context(), "c1", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	eventually(t, "kwok goes with the cluster", func() bool { return w.running() == 0 })
}

func TestLeftovers(t *testing.T) {
	w := newWorld(t)
	w.mu.Lock()
	w.processes[processName("gone")] = supervisor.Spec{}
	w.mu.Unlock()
	if err := w.StopLeftovers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.running() != 0 {
		t.Error("the kwok of a cluster that is gone runs on")
	}
}
