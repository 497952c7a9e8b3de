package gate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/ports"
)

const patience = 20 * time.Second

// world is a running gate with its store.
type world struct {
	t      *testing.T
	store  *outage
	routes *store.Collection[Route]
	admin  string
	port   int // free, for the first cluster
	stop   func()
}

func start(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	found, release, err := ports.Free(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	s := &outage{Store: memstore.New()}
	cfg := Config{
		Store:       s,
		ListenHosts: []string{"127.0.0.1"},
		AdminAddr:   fmt.Sprintf("127.0.0.1:%d", found[0]),
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return &world{t: t, store: s, routes: Routes(s), admin: cfg.AdminAddr, port: found[1], stop: stop}
}

// set writes the route of cluster "c1" and waits until the gate has applied it.
func (w *world) set(r Route) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r.ClusterID = "c1"
	item, err := w.routes.Get(ctx, "c1")
	if err == nil {
		item.Value = r
		item, err = w.routes.Put(ctx, item)
	} else if errors.Is(err, store.ErrNotFound) {
		item, err = w.routes.Create(ctx, "c1", r)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := Applied(ctx, w.admin, item.Revision); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state() RouteState {
	w.t.Helper()
	s, err := State(w.t.Context(), w.admin, "c1")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// eventually asks until yes holds.
func (w *world) eventually(what string, yes func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !yes(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("never happened: %s; the route is %+v", what, w.state())
		}
	}
}

// dial connects to the gate from a loopback address of our choice.
func (w *world) dial(from string) *caller {
	w.t.Helper()
	c, err := w.tryDial(from)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// refused is whether the gate closes a new connection without an answer. The reset may come before the dial has returned.
func (w *world) refused(from string) bool {
	w.t.Helper()
	c, err := w.tryDial(from)
	return errors.Is(err, syscall.ECONNRESET) || err == nil && c.dropped()
}

func (w *world) tryDial(from string) (*caller, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.port))
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &caller{w.t, c.(*net.TCPConn), bufio.NewReader(c)}, nil
}

type caller struct {
	t *testing.T
	*net.TCPConn
	r *bufio.Reader
}

// ask sends a line and returns the answer.
func (c *caller) ask(line string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c, line); err != nil {
		c.t.Fatalf("asking %q: %v", line, err)
	}
	answer, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("answer to %q: %v", line, err)
	}
	return strings.TrimSpace(answer)
}

// dropped is whether the gate closes the connection without an answer.
func (c *caller) dropped() bool {
	_, _ = fmt.Fprintln(c, "anybody there?")
	_, err := c.r.ReadString('\n')
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

// backend answers every line with its name and the line, and at the end of input with "bye".
func backend(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveLines(t, l, name)
	return l.Addr().String()
}

func serveLines(t *testing.T, l net.Listener, name string) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					fmt.Fprintln(c, name, lines.Text())
				}
				fmt.Fprintln(c, name, "bye")
			}()
		}
	}()
}

func anyone(w *world, backends ...string) Route {
	return Route{Port: w.port, Backends: backends, AllowCIDRs: []string{"0.0.0.0/0"}}
}

func TestHalfCloseIsPassedOn(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.set(anyone(w, backend(t, "a")))
	c := w.dial("127.0.0.1")
	if got := c.ask("hello"); got != "a hello" {
		t.Errorf("answer = %q", got)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// The backend sees the end of input, and what it says afterwards still arrives, and then its own end.
	rest, err := io.ReadAll(c.r)
	if err != nil || string(rest) != "a bye\n" {
		t.Errorf("after the half-close: %q, %v", rest, err)
	}
	w.eventually("the connection is forgotten", func() bool { return len(w.state().Open) == 0 })
}

func TestNewGenerationTakesNewConnectionsOnly(t *testing.T) {
	t.Parallel()
	w := start(t)
	old, young := backend(t, "old"), backend(t, "new")
	w.set(anyone(w, old))
	before := w.dial("127.0.0.1")
	before.ask("1")

	w.set(anyone(w, young))
	after := w.dial("127.0.0.1")
	if got := after.ask("2"); got != "new 2" {
		t.Errorf("a connection made after the switch is served by %q", got)
	}
	if got := before.ask("3"); got != "old 3" {
		t.Errorf("a connection made before the switch is served by %q", got)
	}
	if open := w.state().Open; open[old] != 1 || open[young] != 1 {
		t.Errorf("open connections = %v", open)
	}
}

// TestLeavingBackendIsDrained: connections to a backend that is leaving end between two requests, not within one.
func TestLeavingBackendIsDrained(t *testing.T) {
	t.Parallel()
	w := start(t)
	release := make(chan struct{})
	old, young := slowBackend(t, "old", release), backend(t, "new")
	w.set(anyone(w, old))
	began := time.Now()
	idle, busy := w.dial("127.0.0.1"), w.dial("127.0.0.1")
	idle.ask("1")
	r := anyone(w, young)
	r.Leaving = []string{old}
	w.set(r)
	if _, err := fmt.Fprintln(busy, "slow"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if got, err := busy.r.ReadString('\n'); err != nil || got != "old slow\n" {
		t.Errorf("the request that was under way is answered by %q, %v", got, err)
	}
	if got := w.dial("127.0.0.1").ask("2"); got != "new 2" {
		t.Errorf("a new connection is served by %q", got)
	}
	for name, c := range map[string]*caller{"idle": idle, "busy": busy} {
		if _, err := c.r.ReadString('\n'); !errors.Is(err, io.EOF) {
			t.Errorf("the %s connection to the old backend ends with %v, want EOF", name, err)
		}
		if age := time.Since(began); age < freshFor {
			t.Errorf("the %s connection ends when it is %s old, before its client can have asked", name, age)
		}
	}
	must(t, idle.Close())
	must(t, busy.Close())
	w.eventually("the old backend has no connections", func() bool { return w.state().Open[old] == 0 })
}

// slowBackend is backend that answers the line "slow" after release.
func slowBackend(t *testing.T, name string, release <-chan struct{}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					if lines.Text() == "slow" {
						<-release
					}
					fmt.Fprintln(c, name, lines.Text())
				}
			}()
		}
	}()
	return l.Addr().String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeletedRouteClosesEverything(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.set(anyone(w, backend(t, "a")))
	c := w.dial("127.0.0.1")
	c.ask("1")
	waiting := Route{Port: w.port, AllowCIDRs: []string{"0.0.0.0/0"}} // no backend: the next connection has to wait
	w.set(waiting)
	second := w.dial("127.0.0.1")

	rev, err := w.store.Commit(t.Context(), store.Delete(w.routes.Key("c1"), store.AnyRevision))
	if err != nil {
		t.Fatal(err)
	}
	if err := Applied(t.Context(), w.admin, rev); err != nil {
		t.Fatal(err)
	}
	if !c.dropped() || !second.dropped() {
		t.Error("a connection outlived its route")
	}
	if ports.Taken("127.0.0.1", w.port) {
		t.Error("the port is still taken")
	}
	if _, err := State(t.Context(), w.admin, "c1"); !minato.Is(err, minato.NotFound) {
		t.Errorf("State = %v, want kind not found", err)
	}
}

func TestAllowedNetworksHoldForLoopbackToo(t *testing.T) {
	t.Parallel()
	w := start(t)
	a := backend(t, "a")
	w.set(Route{Port: w.port, Backends: []string{a}, AllowCIDRs: []string{"127.0.0.2/32", "203.0.113.0/24"}})
	if got := w.dial("127.0.0.2").ask("1"); got != "a 1" {
		t.Errorf("allowed client got %q", got)
	}
	if !w.refused("127.0.0.1") {
		t.Error("a client outside of the list got in")
	}
	w.set(Route{Port: w.port, Backends: []string{a}})
	if !w.refused("127.0.0.2") {
		t.Error("an empty list let somebody in")
	}
	w.set(Route{Port: w.port, Backends: []string{a}, AllowCIDRs: []string{"nonsense", "127.0.0.1/32"}})
	if got := w.dial("127.0.0.1").ask("2"); got != "a 2" {
		t.Errorf("allowed client got %q", got)
	}
	if s := w.state(); !strings.Contains(s.Error, "nonsense") {
		t.Errorf("state does not tell of the bad network: %+v", s)
	}
}

func TestTakenPortHeals(t *testing.T) {
	t.Parallel()
	w := start(t)
	squatter, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.port))
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	w.set(anyone(w, backend(t, "a")))
	if s := w.state(); s.Listening || !strings.Contains(s.Error, "address already in use") {
		t.Errorf("state with the port taken = %+v", s)
	}
	squatter.Close()
	w.eventually("listening", func() bool { return w.state().Listening })
	if s := w.state(); s.Error != "" {
		t.Errorf("error stays: %+v", s)
	}
	if got := w.dial("127.0.0.1").ask("1"); got != "a 1" {
		t.Errorf("answer = %q", got)
	}
}

func TestServesFromMemoryWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	w := start(t)
	old, young := backend(t, "old"), backend(t, "new")
	w.set(anyone(w, old))
	open := w.dial("127.0.0.1")
	open.ask("1")

	w.store.begin()
	if got := open.ask("2"); got != "old 2" {
		t.Errorf("open connection: %q", got)
	}
	if got := w.dial("127.0.0.1").ask("3"); got != "old 3" {
		t.Errorf("new connection: %q", got)
	}
	w.store.end()
	w.set(anyone(w, young))
	if got := w.dial("127.0.0.1").ask("4"); got != "new 4" {
		t.Errorf("after the outage: %q", got)
	}
}

func TestConnectionWaitsForTheBackend(t *testing.T) {
	t.Parallel()
	w := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	w.set(anyone(w, addr))
	early := w.dial("127.0.0.1") // nothing listens at the backend yet
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	serveLines(t, l, "late")
	if got := early.ask("1"); got != "late 1" {
		t.Errorf("answer = %q", got)
	}
}

func TestBackendThatNeverComes(t *testing.T) {
	t.Parallel()
	e := &endpoint{}
	e.target.Store(&target{backends: []string{"127.0.0.1:1"}, replaced: make(chan struct{})})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if c, _, err := e.connect(ctx); err == nil {
		c.Close()
		t.Error("connected to nothing")
	}
}

func TestBackendsTakeTurnsAndDeadOnesAreSkipped(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.set(anyone(w, backend(t, "a"), "127.0.0.1:1", backend(t, "b")))
	seen := map[string]int{}
	for range 6 {
		seen[w.dial("127.0.0.1").ask("x")]++
	}
	if seen["a x"] == 0 || seen["b x"] == 0 {
		t.Errorf("answers = %v, want both backends", seen)
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *Config) { c.MaxConns = 2 }) // one for each cluster
	w.set(anyone(w, backend(t, "a")))
	first := w.dial("127.0.0.1")
	first.ask("1")
	if !w.refused("127.0.0.1") {
		t.Error("a connection above the limit was served")
	}
	first.Close()
	w.eventually("room again", func() bool { return len(w.state().Open) == 0 })
	if got := w.dial("127.0.0.1").ask("2"); got != "a 2" {
		t.Errorf("answer = %q", got)
	}
}

func TestStopClosesEverything(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.set(anyone(w, backend(t, "a")))
	c := w.dial("127.0.0.1")
	c.ask("1")
	w.stop()
	if !c.dropped() {
		t.Error("a connection outlived the gate")
	}
	if ports.Taken("127.0.0.1", w.port) {
		t.Error("the port is still taken")
	}
}

func TestLimitsFollowTheOpenFiles(t *testing.T) {
	t.Parallel()
	for files, want := range map[uint64]int64{0: 64, 1024: 85, 20000: 3248, 1 << 20: 174677, 1 << 62: 357913855} {
		if got := connsFor(files); got != want {
			t.Errorf("connsFor(%d) = %d, want %d", files, got, want)
		}
	}
}

// outage is a store that can be cut off.
type outage struct {
	store.Store
	mu   sync.Mutex
	cut  bool
	gone chan struct{} // closed when an outage begins
}

var errOutage = errors.New("the store is away")

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cut = true
	if o.gone != nil {
		close(o.gone)
	}
	o.gone = nil
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cut = false
}

func (o *outage) List(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cut {
		return store.Listing{}, errOutage
	}
	return o.Store.List(ctx, prefix, opts)
}

func (o *outage) Watch(ctx context.Context, prefix string, rev store.Revision) <-chan store.Batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make(chan store.Batch, 1)
	if o.cut {
		out <- store.Batch{Err: errOutage}
		close(out)
		return out
	}
	if o.gone == nil {
		o.gone = make(chan struct{})
	}
	gone := o.gone
	go func() {
		defer close(out)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		in := o.Store.Watch(ctx, prefix, rev)
		for {
			select {
			case b, ok := <-in:
				if !ok {
					return
				}
				out <- b
			case <-gone:
				out <- store.Batch{Err: errOutage}
				return
			}
		}
	}()
	return out
}
