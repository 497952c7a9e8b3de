package tunnel_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/cluster/tunnel"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/service/ssm"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

// world is a Hub with one machine that is registered, and an echo service on that machine.
type world struct {
	hub      *tunnel.Hub
	store    *memstore.Store
	node     tunnel.Node
	instance ssm.ManagedInstance
	echo     netip.AddrPort
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ca, err := pki.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: "hub", Server: true, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{store: memstore.New(), instance: ssm.ManagedInstance{
		Scope: scope, ID: "mi-1", Name: "one", ClusterID: "c1", PublicKey: public, Address: netip.MustParseAddr("127.0.0.1"),
		PodCIDR: netip.MustParsePrefix("127.0.1.0/24"),
	}}
	if _, err := ssm.Instances(w.store).Create(t.Context(), ssm.RecordID(scope, "mi-1"), w.instance); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.hub = tunnel.NewHub(w.store, func() (*tls.Certificate, error) {
		c, err := pair.TLS()
		return &c, err
	}, w.registry(t), log)
	l := listen(t, "127.0.0.1:0")
	run(t, w.hub.Follow)
	run(t, func(ctx context.Context) error { return w.hub.Serve(ctx, l) })
	w.node = tunnel.Node{
		Server: l.Addr().String(), CA: ca.Pool(), Key: private, Address: w.instance.Address, PodCIDR: w.instance.PodCIDR, Log: log,
	}
	echo := listen(t, "127.0.0.1:0")
	w.echo = netip.MustParseAddrPort(echo.Addr().String())
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c) // until the other side has sent all
				_, _ = io.WriteString(c, "!")
				_ = c.Close()
			}()
		}
	}()
	return w
}

// registry says hello to whoever connects.
func (w *world) registry(t *testing.T) string {
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "images")
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestRegistryIsForwarded(t *testing.T) {
	w := newWorld(t)
	w.known(t)
	l := listen(t, "127.0.0.1:0")
	run(t, func(ctx context.Context) error { return w.node.ForwardRegistry(ctx, l) })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "images" {
		t.Errorf("%q, %v", got, err)
	}
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func run(t *testing.T, part func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = part(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// dial waits until the node is connected.
func (w *world) dial(t *testing.T, to netip.AddrPort) (c gate.Stream, err error) {
	t.Helper()
	dial, ok := w.hub.Reach("c1", to.Addr())
	if !ok {
		t.Fatalf("the hub does not know %s", to)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		c, err = dial(ctx, to)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "not connected") {
			return c, err
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(err)
		}
	}
}

// known waits until the hub has read the record.
func (w *world) known(t *testing.T) {
	t.Helper()
	eventually(t, func() bool { _, ok := w.hub.Reach("c1", w.instance.Address); return ok })
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("not within 20 s")
		}
	}
}

func TestBytesPass(t *testing.T) {
	w := newWorld(t)
	w.known(t)
	run(t, w.node.Run)
	for range 20 { // one after the other through one connection
		c, err := w.dial(t, w.echo)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("minato ", 100_000)
		go func() {
			_, _ = io.WriteString(c, text)
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || string(got) != text+"!" {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		_ = c.Close()
	}
}

func TestOnlyNodeAndPods(t *testing.T) {
	w := newWorld(t)
	w.known(t)
	run(t, w.node.Run)
	if _, ok := w.hub.Reach("c2", w.instance.Address); ok {
		t.Error("another cluster reaches the node")
	}
	if _, ok := w.hub.Reach("c1", netip.MustParseAddr("127.0.2.1")); ok {
		t.Error("an address that is nobody's is reached")
	}
	if _, ok := w.hub.Reach("c1", netip.MustParseAddr("127.0.1.7")); !ok {
		t.Error("a pod is not reached")
	}
	dial, _ := w.hub.Reach("c1", w.instance.Address)
	c, err := w.dial(t, w.echo)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if _, err := dial(t.Context(), netip.MustParseAddrPort("127.0.2.1:80")); err == nil || !strings.Contains(err.Error(), "neither this node nor a pod") {
		t.Errorf("the node connects elsewhere: %v", err)
	}
	closed := listen(t, "127.0.0.1:0")
	_ = closed.Close()
	if _, err := dial(t.Context(), netip.MustParseAddrPort(closed.Addr().String())); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error of a closed port is %v", err)
	}
}

func TestBrokenConnectionIsNoEnd(t *testing.T) {
	w := newWorld(t)
	w.known(t)
	run(t, w.node.Run)
	resetting := listen(t, "127.0.0.1:0")
	go func() {
		c, err := resetting.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}()
	c, err := w.dial(t, netip.MustParseAddrPort(resetting.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a reset is read as %v", err)
	}
}

func TestNodeComesBack(t *testing.T) {
	w := newWorld(t)
	w.known(t)
	stop := run(t, w.node.Run)
	c, err := w.dial(t, w.echo)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := io.ReadAll(c); err == nil {
		t.Error("a stream ends in order when its node goes")
	}
	run(t, w.node.Run)
	c, err = w.dial(t, w.echo)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestStrangersAndDeregistered(t *testing.T) {
	w := newWorld(t)
	w.known(t)
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.node
	stranger.Key = other
	run(t, stranger.Run)
	run(t, w.node.Run)
	c, err := w.dial(t, w.echo)
	if err != nil {
		t.Fatal(err)
	}
	if err := ssm.Instances(w.store).Delete(t.Context(), ssm.RecordID(scope, "mi-1"), store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err == nil {
		t.Error("the stream of a machine that is deregistered ends in order")
	}
	eventually(t, func() bool { _, ok := w.hub.Reach("c1", w.instance.Address); return !ok })
}
