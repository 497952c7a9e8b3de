package vpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"minato.dev/minato/cluster/gate"
)

const (
	// egressConns is how many connections a cluster's kube-apiserver may have open into its VPC.
	egressConns = 2048
	// egressDials is how many it may be waiting for: each takes a thread.
	egressDials = 64
	dialTimeout = 5 * time.Second
	// askTimeout is how long kube-apiserver may take to say where it wants to.
	askTimeout = 10 * time.Second
)

// egress gives a cluster's kube-apiserver connections into its VPC: it asks with CONNECT on a socket that nobody but the
// cluster's own uid can reach.
type egress struct {
	cluster string
	group   string // the control plane speaks as a member of this security group while it has no interface
	path    string
	network *network
	server  *http.Server
	log     *slog.Logger
	conns   chan struct{}
	dials   chan struct{}
	ctx     context.Context // ends when the socket closes, and all connections with it
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

func (n *network) openEgress(cluster, group string) (*egress, error) {
	e := &egress{
		cluster: cluster, group: group, path: n.c.c.EgressSocket(cluster), network: n,
		log:   n.log.With("cluster", cluster),
		conns: make(chan struct{}, egressConns), dials: make(chan struct{}, egressDials),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	l, err := listenForGroup(e.ctx, e.path)
	if err != nil {
		e.cancel()
		return nil, err
	}
	e.server = &http.Server{
		Handler:           http.HandlerFunc(e.serve),
		ReadHeaderTimeout: askTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	e.done.Go(func() { _ = e.server.Serve(l) }) // ends with close
	return e, nil
}

// listenForGroup listens on a Unix socket for the group of the folder that it lies in. The folder is there already, and keeps
// everybody else away.
func listenForGroup(ctx context.Context, path string) (net.Listener, error) {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	group := int(info.Sys().(*syscall.Stat_t).Gid)
	if err := errors.Join(os.Lchown(path, -1, group), os.Chmod(path, 0o660)); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// listening is whether the socket is still to be found: the folder may have been made anew.
func (e *egress) listening() bool {
	_, err := os.Lstat(e.path)
	return err == nil
}

func (e *egress) close() {
	e.cancel()
	_ = e.server.Close()
	e.done.Wait()
}

// refusal is why there is no connection. kube-apiserver shows its users the reason of a status line, so it stands there.
type refusal struct {
	code   int
	reason string
}

func (e *egress) serve(w http.ResponseWriter, r *http.Request) {
	select {
	case e.conns <- struct{}{}:
	default:
		e.refuse(w, refusal{http.StatusServiceUnavailable, fmt.Sprintf("the control plane has %d connections open already", egressConns)})
		return
	}
	e.done.Add(1)
	defer func() { <-e.conns; e.done.Done() }()
	backend, no := e.connect(r)
	if no != nil {
		e.log.Warn("no connection into the VPC", "to", r.RequestURI, "because", no.reason)
		e.refuse(w, *no)
		return
	}
	client, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = backend.Close()
		return
	}
	defer context.AfterFunc(e.ctx, func() { _ = client.Close(); _ = backend.Close() })()
	_ = client.SetDeadline(time.Time{})
	if _, err := client.Write([]byte("HTTP/1.1 200 Connected\r\n\r\n")); err != nil || buffered.Reader.Buffered() > 0 {
		_ = client.Close() // gone, or it did not wait for the answer
		_ = backend.Close()
		return
	}
	gate.Exchange(client.(*net.UnixConn), backend)
}

// refuse answers with a reason.
func (e *egress) refuse(w http.ResponseWriter, no refusal) {
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	_ = client.SetDeadline(time.Now().Add(askTimeout))
	fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", no.code, no.reason)
}

func (e *egress) connect(r *http.Request) (gate.Stream, *refusal) {
	if r.Method != http.MethodConnect {
		return nil, &refusal{http.StatusMethodNotAllowed, "only CONNECT is understood here"}
	}
	to, err := netip.ParseAddrPort(r.RequestURI)
	if err != nil {
		return nil, &refusal{http.StatusForbidden, "want an address and a port, names are not looked up"}
	}
	dial, ok := e.dialerFor(to.Addr())
	if !ok && simulatedPods.Contains(to.Addr()) {
		return nil, &refusal{http.StatusForbidden, fmt.Sprintf("%s is the address of a pod on a simulated node: no program runs there", to.Addr())}
	}
	if !ok {
		return nil, &refusal{http.StatusForbidden, fmt.Sprintf("%s is not an address of a machine or pod in %s", to.Addr(), e.network.id)}
	}
	ctx, cancel := context.WithTimeout(e.ctx, dialTimeout)
	defer cancel()
	select {
	case e.dials <- struct{}{}:
		defer func() { <-e.dials }()
	case <-ctx.Done():
		return nil, &refusal{http.StatusServiceUnavailable, fmt.Sprintf("%d connections are being waited for already", egressDials)}
	}
	c, err := dial(ctx, to)
	if err != nil && e.network.c.simulated(e.network.id, to.Addr()) {
		return nil, &refusal{http.StatusBadGateway, fmt.Sprintf("the node at %s is simulated: no program runs on it", to.Addr())}
	}
	if err != nil {
		return nil, &refusal{http.StatusBadGateway, reason(err)}
	}
	return c, nil
}

// simulatedPods are the addresses of pods on simulated nodes (cluster/node/simulated).
var simulatedPods = netip.MustParsePrefix("198.18.0.0/15")

// simulated is whether an address of a VPC is that of a machine that kwok makes up.
func (c *Controller) simulated(vpcID string, address netip.Addr) bool {
	for item := range c.interfaces.All() {
		if i := item.Value; i.Simulated && i.VPCID == vpcID && slices.Contains(i.Addresses, address) {
			return true
		}
	}
	return false
}

// reason is the text of an error that fits into a status line.
func reason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		err = op.Err
	}
	text := []byte(err.Error())
	for i, b := range text {
		if b < ' ' {
			text[i] = ' '
		}
	}
	return string(text)
}

// Dial opens a connection.
type Dial func(ctx context.Context, to netip.AddrPort) (gate.Stream, error)

// Reach says how the control plane of a cluster reaches an address; not ok is for somebody else to say.
type Reach func(clusterID string, to netip.Addr) (dial Dial, ok bool)

// dialerFor decides how an address is reached, and whether it may be.
func (e *egress) dialerFor(to netip.Addr) (Dial, bool) {
	for _, reach := range e.network.c.c.Reaches {
		if dial, ok := reach(e.cluster, to); ok {
			return dial, true
		}
	}
	for _, subnet := range *e.network.subnets.Load() {
		// A subnet's gateway is the VPC itself.
		if subnet.Contains(to) && to != Gateway(subnet) && !e.network.ofPlane(to) {
			return e.dial, true
		}
	}
	return nil, false
}

// ofPlane is whether an address is a control plane's own: this machine has it, and serves nothing there.
func (n *network) ofPlane(to netip.Addr) bool {
	for _, addresses := range *n.planes.Load() {
		if slices.Contains(addresses, to) {
			return true
		}
	}
	return false
}

// dial connects to an address in the VPC: from the first of the control plane's interfaces, as a member of its security groups, or as one of
// the cluster's security group where it has no interface.
func (e *egress) dial(ctx context.Context, to netip.AddrPort) (gate.Stream, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second}
	if from := (*e.network.planes.Load())[e.cluster]; len(from) > 0 {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from[0], 0))
	} else {
		d.Control = func(_, _ string, c syscall.RawConn) error { return setMark(c, groupMark(e.group)) }
	}
	var conn net.Conn
	err := In(Namespace(e.network.c.c.Home, e.network.id), func() (err error) {
		conn, err = d.DialContext(ctx, "tcp4", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
