package controlplane

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/ports"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// harbour is a world of working fakes: a store in memory, processes that are goroutines, a gate that obeys at once. What a
// process serves it serves by the files and ports of its Spec, so they must be right.
type harbour struct {
	t          *testing.T
	home       home.Dir
	store      store.Store
	clock      clock.Clock
	tenantCA   *pki.Authority
	controller *Controller
	deps       Deps

	mu        sync.Mutex
	processes map[string]*fakeProcess
	started   []string // names, in order
	tenants   map[string]bool
	groups    map[string]bool   // security groups that have been deleted
	networks  map[string]string // subnets in which there are interfaces, by cluster id
	noNetwork error             // why there are no interfaces for a cluster that has none in its subnets
	taken     map[int]bool      // endpoint ports that the gate cannot have
	crashing  string            // a component that ends as soon as it starts
	// crashingIn is a part of the paths of programs that crash; empty are all.
	crashingIn string
	unrunnable string // a component whose program of 1.36 cannot be run
	interrupt  func(what string) error
	issues     []eks.HealthIssue // of clusters' resources
}

type fakeProcess struct {
	spec  supervisor.Spec
	stop  func()
	state supervisor.State
	runs  int
}

func newHarbour(t *testing.T) *harbour {
	t.Helper()
	ca, err := pki.NewAuthority("tenants", time.Hour*24*365*10)
	must(t, err)
	sealer, err := seal.New(make([]byte, seal.KeySize))
	must(t, err)
	h := &harbour{
		t: t, home: home.Dir(t.TempDir()), tenantCA: ca,
		processes: map[string]*fakeProcess{}, tenants: map[string]bool{}, groups: map[string]bool{}, networks: map[string]string{}, taken: map[int]bool{},
		interrupt: func(string) error { return nil },
	}
	h.store = tellingStore{memstore.New(), h}
	free, release, err := ports.Free(t.Context(), 1)
	must(t, err)
	hookCA := h.serveHook(free[0])
	release()
	bin := t.TempDir()
	for _, v := range kube.Versions() {
		must(t, os.MkdirAll(filepath.Join(bin, "v"+v.Minor), 0o755))
		must(t, os.WriteFile(filepath.Join(bin, "v"+v.Minor, "kube"), nil, 0o755))
	}
	h.deps = Deps{
		Store: h.store, Sealer: sealer, Home: h.home, Clock: &h.clock, Log: slog.New(slog.DiscardHandler), Kube: kube.Binaries(bin),
		Settings:       Settings{Advertise: []string{"127.0.0.1"}, TLSPort: 4567, HookPort: free[0], EtcdEndpoints: []string{"https://127.0.0.1:2379"}},
		EnsureTenant:   h.ensureTenant,
		TenantIdentity: h.tenantIdentity,
		DeleteTenant:   h.deleteTenant,
		EtcdCA:         ca.Pair.CertPEM, HookCA: hookCA,
		FreePorts: keptPorts(t), PortTaken: func(int) bool { return false },
		Processes:           Processes{Ensure: h.ensure, Stop: h.stopProcess, Status: h.status, Names: h.names},
		GateApplied:         func(context.Context, store.Revision) error { return h.at("gate") },
		HookApplied:         func(context.Context, store.Revision) error { return h.at("hook") },
		GateState:           h.gateState,
		EnsureInterfaces:    h.ensureInterfaces,
		RemoveInterfaces:    h.removeInterfaces,
		DeleteSecurityGroup: h.deleteGroup,
		ResourceIssues:      func(context.Context, *eks.Cluster) []eks.HealthIssue { return h.issues },
	}
	h.restart()
	t.Cleanup(func() {
		for _, name := range h.names() {
			h.processes[name].stop()
		}
		must(t, os.RemoveAll(h.home.Run()))
	})
	return h
}

// keptPorts is ports.Free that keeps what it finds until the test ends: claims hold within one store only, and other tests have
// others.
func keptPorts(t *testing.T) func(context.Context, int) ([]int, func(), error) {
	return func(ctx context.Context, n int) ([]int, func(), error) {
		found, release, err := ports.Free(ctx, n)
		t.Cleanup(release)
		return found, func() {}, err
	}
}

// restart is a new server over the same store and processes.
func (h *harbour) restart() { h.controller = New(h.deps) }

// at is called before everything that a pass does to the world; an error from interrupt stands for a crash at this point.
func (h *harbour) at(what string) error { return h.interrupt(what) }

// tellingStore tells of every write.
type tellingStore struct {
	store.Store
	h *harbour
}

func (s tellingStore) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	if err := s.h.at("commit"); err != nil {
		return 0, err
	}
	return s.Store.Commit(ctx, ops...)
}

func (h *harbour) ensureTenant(_ context.Context, id string) error {
	if err := h.at("tenant"); err != nil {
		return err
	}
	h.tenants[id] = true
	return nil
}

func (h *harbour) tenantIdentity(id string) (pki.Pair, error) {
	return h.tenantCA.Issue(pki.Request{CommonName: "k8s-" + id, Client: true, Validity: 365 * 24 * time.Hour})
}

func (h *harbour) deleteTenant(_ context.Context, id string) error {
	if err := h.at("delete tenant"); err != nil {
		return err
	}
	if names := h.deps.Processes.of(id); len(names) > 0 {
		return fmt.Errorf("tenant deleted under running processes %v", names)
	}
	delete(h.tenants, id)
	return nil
}

func (h *harbour) ensureInterfaces(_ context.Context, c *eks.Cluster) error {
	if err := h.at("ensure interfaces"); err != nil {
		return err
	}
	subnets := strings.Join(c.Spec.SubnetIDs, " ")
	if h.networks[c.ID] != subnets && h.noNetwork != nil {
		return h.noNetwork
	}
	h.networks[c.ID] = subnets
	return nil
}

func (h *harbour) removeInterfaces(_ context.Context, c *eks.Cluster) error {
	if err := h.at("remove interfaces"); err != nil {
		return err
	}
	delete(h.networks, c.ID)
	return nil
}

func (h *harbour) deleteGroup(_ context.Context, _ minato.Scope, id string) error {
	if err := h.at("delete security group"); err != nil {
		return err
	}
	h.groups[id] = true
	return nil
}

// gateState proxies nothing: the endpoint of a listening route is served by the fake kube-apiserver itself.
func (h *harbour) gateState(ctx context.Context, id string) (gate.RouteState, error) {
	item, err := gate.Routes(h.store).Get(ctx, id)
	if err != nil {
		return gate.RouteState{}, err
	}
	state := gate.RouteState{ClusterID: id, Port: item.Value.Port, Backends: item.Value.Backends, Listening: !h.taken[item.Value.Port]}
	if !state.Listening {
		state.Error = "address already in use"
	}
	return state, nil
}

func (h *harbour) ensure(_ context.Context, spec supervisor.Spec) error {
	if err := h.at("ensure " + ComponentOf(spec.Name)); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.processes[spec.Name]
	if p != nil && p.state == supervisor.Running && slices.Equal(p.spec.Args, spec.Args) {
		return nil
	}
	runs := 0
	if p != nil {
		p.stop()
		runs = p.runs + 1
	}
	if ComponentOf(spec.Name) == h.unrunnable && strings.Contains(spec.Path, "/v1.36/") {
		return fmt.Errorf("running %s: %w", ComponentOf(spec.Name), supervisor.ErrProgram)
	}
	h.started = append(h.started, spec.Name)
	if ComponentOf(spec.Name) == h.crashing && strings.Contains(spec.Path, h.crashingIn) {
		h.processes[spec.Name] = &fakeProcess{spec, func() {}, supervisor.Backoff, runs}
		return errors.New("it has ended by itself")
	}
	stop, err := serveComponent(spec)
	if err != nil {
		return err
	}
	h.processes[spec.Name] = &fakeProcess{spec, stop, supervisor.Running, runs}
	return nil
}

func (h *harbour) stopProcess(_ context.Context, name string) error {
	if err := h.at("stop"); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.processes[name]; p != nil {
		p.stop()
		delete(h.processes, name)
	}
	return nil
}

func (h *harbour) status(name string) (supervisor.Status, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.processes[name]
	if p == nil {
		return supervisor.Status{}, false
	}
	return supervisor.Status{Name: name, State: p.state, Restarts: p.runs, LastExit: "exit status 1"}, true
}

func (h *harbour) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.processes))
}

// running are the components and generations of all processes: "kube-apiserver-1".
func (h *harbour) running() []string {
	var names []string
	for _, name := range h.names() {
		names = append(names, name[strings.LastIndexByte(name, '/')+1:])
	}
	return names
}

// serveComponent serves what the passes ask of a component, with the certificate and on the port that its arguments say.
func serveComponent(spec supervisor.Spec) (stop func(), err error) {
	cert, err := tls.LoadX509KeyPair(flagOf(spec, "--tls-cert-file"), flagOf(spec, "--tls-private-key-file"))
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:"+flagOf(spec, "--secure-port"), &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: fakeKubernetes(), ReadHeaderTimeout: time.Second, ErrorLog: quiet}
	go func() { _ = srv.Serve(l) }()
	return func() { _ = srv.Close() }, nil
}

func flagOf(spec supervisor.Spec, name string) string {
	for _, a := range spec.Args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
	}
	return ""
}

// quiet takes what clients that go away in the middle of a handshake cause.
var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// fakeKubernetes keeps objects by path.
func fakeKubernetes() http.Handler {
	var mu sync.Mutex
	objects := map[string]json.RawMessage{"/api/v1/namespaces/default/serviceaccounts/default": json.RawMessage(`{}`)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		path := r.URL.Path
		switch {
		case path == "/readyz" || path == "/healthz":
		case r.Method == http.MethodGet && objects[path] == nil:
			http.Error(w, "not found", http.StatusNotFound)
		case r.Method == http.MethodGet:
			_, _ = w.Write(objects[path])
		default:
			var body json.RawMessage
			_ = json.NewDecoder(r.Body).Decode(&body)
			if r.Method == http.MethodPost {
				path += "/kubernetes"
			}
			objects[path] = body
		}
	})
}

// serveHook says no to every token.
func (h *harbour) serveHook(port int) (ca []byte) {
	authority, err := pki.NewAuthority("hook", time.Hour)
	must(h.t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "hook", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, Validity: time.Hour})
	must(h.t, err)
	cert, err := pair.TLS()
	must(h.t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port), &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: h.tenantCA.Pool(), MinVersion: tls.VersionTLS12,
	})
	must(h.t, err)
	srv := &http.Server{ReadHeaderTimeout: time.Second, ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/clusters/"+strings.TrimPrefix(r.TLS.PeerCertificates[0].Subject.CommonName, "k8s-")+"/authenticate" {
			http.Error(w, "not your cluster", http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(doc{"kind": "TokenReview", "status": doc{"authenticated": false}})
	})}
	go func() { _ = srv.Serve(l) }()
	h.t.Cleanup(func() { _ = srv.Close() })
	return authority.Pair.CertPEM
}

// create writes a new cluster's record. Its allowed networks leave loopback out, so that no gate is needed to reach it.
func (h *harbour) create(name string) (recordID string) {
	h.t.Helper()
	scope := minato.Scope{Account: "111122223333", Region: "us-east-1"}
	id := eks.ClusterKey(scope, name)
	_, err := eks.Clusters(h.store).Create(h.t.Context(), id, eks.Cluster{
		Scope: scope, Name: name, ID: fmt.Sprintf("%x-%s", time.Now().UnixNano(), name),
		Spec: eks.ClusterSpec{
			Generation: 1, Version: "1.35", ServiceIPv4CIDR: "10.100.0.0/16", SubnetIDs: []string{"subnet-a", "subnet-b"}, ClusterSecurityGroup: "sg-1", EndpointPublicAccess: true, PublicAccessCIDRs: []string{"203.0.113.0/24"},
		},
		Status: eks.Status{Status: eks.ClusterCreating},
	})
	must(h.t, err)
	return id
}

func (h *harbour) cluster(recordID string) eks.Cluster {
	h.t.Helper()
	item, err := eks.Clusters(h.store).Get(h.t.Context(), recordID)
	must(h.t, err)
	return item.Value
}

func (h *harbour) plane(recordID string) ControlPlane {
	h.t.Helper()
	item, err := Records(h.store).Get(h.t.Context(), h.cluster(recordID).ID)
	must(h.t, err)
	return item.Value
}

// modify changes a cluster's record as an API call does.
func (h *harbour) modify(recordID string, change func(*eks.Cluster)) {
	h.t.Helper()
	_, err := eks.Clusters(h.store).Modify(h.t.Context(), recordID, func(c *eks.Cluster) error { change(c); return nil })
	must(h.t, err)
}

// pass makes one pass that must be without an error.
func (h *harbour) pass(recordID string) {
	h.t.Helper()
	_, err := h.controller.Reconcile(h.t.Context(), recordID)
	must(h.t, err)
}

// active creates a cluster that is ACTIVE.
func (h *harbour) active(name string) (recordID string) {
	h.t.Helper()
	id := h.create(name)
	h.pass(id)
	if st := h.cluster(id).Status; st.Status != eks.ClusterActive {
		h.t.Fatalf("cluster is %s, want ACTIVE: %+v", st.Status, st.Conditions)
	}
	return id
}
