package controlplane

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/ports"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// world is everything that a control plane needs around it, real but for the webhook, which knows no tokens.
type world struct {
	home       home.Dir
	store      store.Store
	admin      *etcd.Admin
	pki        etcd.PKI
	etcdPort   int
	supervisor *supervisor.Supervisor
	gateAddr   string
	hookCA     []byte
	settings   Settings
	clock      clock.Clock
	deps       Deps
	controller *Controller

	reviews       atomic.Int64 // TokenReviews that the webhook has answered
	deletedGroups sync.Map
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{home: home.Dir(t.TempDir())}
	w.pki = etcd.PKI(w.home.PKI())
	free, release, err := ports.Free(t.Context(), 3)
	must(t, err)
	w.etcdPort, w.gateAddr = free[0], loopback(free[1])
	t.Cleanup(func() { must(t, os.RemoveAll(w.home.Run())) })
	w.startEtcd(t)
	w.startGate(t)
	w.hookCA = w.startHook(t, free[2])
	w.settings = Settings{
		Advertise: []string{"127.0.0.1"}, TLSPort: 4567, HookPort: free[2], EtcdEndpoints: []string{fmt.Sprintf("https://127.0.0.1:%d", w.etcdPort)},
	}
	release()

	w.supervisor, err = supervisor.New(w.home.Processes(), testLog(t))
	must(t, err)
	t.Cleanup(func() { w.stopEverything(t) })
	w.deps, err = w.makeDeps(builtKube(t), testLog(t))
	must(t, err)
	w.deps.FreePorts = keptPorts(t)
	w.controller = New(w.deps)
	return w
}

// makeDeps is what a server needs in this world.
func (w *world) makeDeps(programs kube.Binaries, log *slog.Logger) (Deps, error) {
	sealer, err := seal.Open(w.home.SealKey())
	if err != nil {
		return Deps{}, err
	}
	etcdCA, err := os.ReadFile(w.pki.ServerAuthorityFile())
	return Deps{
		Store: w.store, Sealer: sealer, Home: w.home, Kube: programs, Clock: &w.clock, Log: log, Settings: w.settings,
		OwnUIDs:      os.Geteuid() == 0,
		EnsureTenant: w.admin.EnsureTenant, TenantIdentity: w.admin.TenantIdentity, DeleteTenant: w.admin.DeleteTenant,
		EtcdCA: etcdCA, HookCA: w.hookCA,
		FreePorts: ports.Free, PortTaken: func(port int) bool { return ports.Taken("127.0.0.1", port) },
		Processes:   Supervised(w.supervisor),
		GateApplied: func(ctx context.Context, rev store.Revision) error { return gate.Applied(ctx, w.gateAddr, rev) },
		GateState: func(ctx context.Context, id string) (gate.RouteState, error) {
			return gate.State(ctx, w.gateAddr, id)
		},
		HookApplied:      func(context.Context, store.Revision) error { return nil },
		ResourceIssues:   func(context.Context, *eks.Cluster) []eks.HealthIssue { return nil },
		EnsureInterfaces: func(context.Context, *eks.Cluster) error { return nil },
		RemoveInterfaces: func(context.Context, *eks.Cluster) error { return nil },
		DeleteSecurityGroup: func(_ context.Context, _ minato.Scope, id string) error {
			w.deletedGroups.Store(id, true)
			return nil
		},
	}, err
}

// builtKube is where `make kube` puts what it builds.
func builtKube(t *testing.T) kube.Binaries {
	t.Helper()
	dir, err := filepath.Abs("../../bin/kube")
	must(t, err)
	if _, ok := kube.Binaries(dir).Path("1.35"); !ok {
		t.Fatal("Kubernetes 1.35 is not built: run `make kube VERSION=1.35`")
	}
	return kube.Binaries(dir)
}

func (w *world) startEtcd(t *testing.T) {
	t.Helper()
	must(t, w.pki.Ensure())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- etcd.Serve(ctx, etcd.ServeConfig{Dir: w.home.Etcd(), PKI: w.pki, Port: w.etcdPort, Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() { cancel(); must(t, <-done) })
	client, err := w.connect(testLog(t))
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	must(t, w.admin.Bootstrap(t.Context()))
}

// connect makes the store and the administrator of the etcd that runs.
func (w *world) connect(log *slog.Logger) (io.Closer, error) {
	client, err := etcd.Connect(w.pki.Target(etcd.Root, loopback(w.etcdPort)))
	if err != nil {
		return nil, err
	}
	w.store = etcdstore.New(client)
	w.admin, err = etcd.NewAdmin(client, w.pki, log)
	return client, err
}

func (w *world) startGate(t *testing.T) {
	t.Helper()
	g, err := gate.New(gate.Config{Store: w.store, ListenHosts: []string{"127.0.0.1"}, AdminAddr: w.gateAddr, Log: testLog(t)})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
}

// startHook serves a webhook that says no to every token, to callers that have a tenant's certificate.
func (w *world) startHook(t *testing.T, port int) (ca []byte) {
	t.Helper()
	authority, err := pki.NewAuthority("test hook", time.Hour)
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "hook", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, Validity: time.Hour})
	must(t, err)
	cert, err := pair.TLS()
	must(t, err)
	tenants, err := w.pki.Authority()
	must(t, err)
	l, err := tls.Listen("tcp", loopback(port), &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: tenants.Pool(), MinVersion: tls.VersionTLS12,
	})
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /clusters/{id}/authenticate", func(rw http.ResponseWriter, r *http.Request) {
		if cn := r.TLS.PeerCertificates[0].Subject.CommonName; cn != "k8s-"+r.PathValue("id") {
			http.Error(rw, "not your cluster: "+cn, http.StatusForbidden)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.reviews.Add(1)
		_ = json.NewEncoder(rw).Encode(doc{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": doc{"authenticated": false}})
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second, ErrorLog: quiet}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return authority.Pair.CertPEM
}

func (w *world) stopEverything(t *testing.T) {
	t.Helper()
	if t.Failed() {
		w.showLogs(t)
	}
	names := w.deps.Processes.Names()
	if err := w.deps.Processes.stop(context.Background(), names...); err != nil {
		t.Error(err)
	}
	w.supervisor.Close()
}

func (w *world) showLogs(t *testing.T) {
	t.Helper()
	files, _ := filepath.Glob(w.home.Logs("clusters", "*", "*.log"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && filepath.Base(f) != "audit.log" {
			t.Logf("the end of %s:\n%s", f, b[max(0, len(b)-3000):])
		}
	}
}

// create writes the record of a new cluster and returns the record's id.
func (w *world) create(t *testing.T, name, version string) string {
	t.Helper()
	scope := minato.Scope{Account: "111122223333", Region: "us-east-1"}
	id := eks.ClusterKey(scope, name)
	sum := fmt.Sprintf("%032x", time.Now().UnixNano())
	_, err := eks.Clusters(w.store).Create(t.Context(), id, eks.Cluster{
		Scope: scope, Name: name, ID: sum,
		Spec: eks.ClusterSpec{
			Generation: 1, Version: version, ServiceIPv4CIDR: "10.100.0.0/16", ClusterSecurityGroup: "sg-1",
			EndpointPublicAccess: true, PublicAccessCIDRs: []string{"0.0.0.0/0"}, AuthenticationMode: "API",
		},
		Status: eks.Status{Status: eks.ClusterCreating},
	})
	must(t, err)
	return id
}

func (w *world) cluster(t *testing.T, id string) eks.Cluster {
	t.Helper()
	item, err := eks.Clusters(w.store).Get(t.Context(), id)
	must(t, err)
	return item.Value
}

// reconcile makes passes until the cluster has a status, or is gone where that is empty.
func (w *world) reconcile(t *testing.T, id string, want eks.ClusterStatus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		_, err := w.controller.Reconcile(ctx, id)
		item, getErr := eks.Clusters(w.store).Get(ctx, id)
		if (want == "" && getErr != nil) || (getErr == nil && item.Value.Status.Status == want) {
			return
		}
		if err != nil {
			t.Logf("pass: %v", err)
			select {
			case <-time.After(200 * time.Millisecond): // as a reconcile loop backs off
			case <-ctx.Done():
			}
		}
	}
	t.Fatalf("cluster is %s, want %s", w.cluster(t, id).Status.Status, want)
}

// pass makes one pass that must be without an error.
func (w *world) pass(t *testing.T, id string) {
	t.Helper()
	_, err := w.controller.Reconcile(t.Context(), id)
	must(t, err)
}

// restart is a new server in the place of one that was killed.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.supervisor.Close()
	var err error
	w.supervisor, err = supervisor.New(w.home.Processes(), testLog(t))
	must(t, err)
	w.deps.Processes = Supervised(w.supervisor)
	w.controller = New(w.deps)
}

// client is an administrator of a cluster, at its endpoint.
func (w *world) client(t *testing.T, id string) *api {
	t.Helper()
	p := newPass(store.Item[eks.Cluster]{ID: id, Value: w.cluster(t, id)})
	item, err := Records(w.store).Get(t.Context(), p.cluster.ID)
	must(t, err)
	p.plane = item
	p.keys, err = unsealKeys(w.deps.Sealer, item.Value)
	must(t, err)
	api, err := newAPI(p, loopback(item.Value.Port))
	must(t, err)
	t.Cleanup(api.Close)
	return api
}

// pids are the processes of all clusters by name.
func (w *world) pids() map[string]int {
	pids := map[string]int{}
	for _, st := range w.supervisor.List() {
		pids[st.Name] = st.PID
	}
	return pids
}

func (w *world) keys(t *testing.T, prefix string) []string {
	t.Helper()
	l, err := w.store.List(t.Context(), prefix, store.ListOptions{})
	must(t, err)
	var keys []string
	for _, e := range l.Entries {
		keys = append(keys, e.Key)
	}
	return slices.Clip(keys)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Logf("%s", b[:len(b)-1])
	}
	return len(b), nil
}
