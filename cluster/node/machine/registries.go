package machine

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"minato.dev/minato/cluster/vpc"
)

// registriesAddress is where containerd finds its way to registries elsewhere: a port of the node's own loopback.
const registriesAddress = "127.0.0.1:10247"

const (
	registriesUser = "containerd"
	// maxPulls is how many connections to registries a node has at once, and dialTimeout how long it tries to make one.
	maxPulls    = 64
	dialTimeout = 10 * time.Second
)

// registries is how a node's containerd reaches registries that are not Minato's, though nothing leads out of a VPC: a proxy for TLS,
// whose connections the machine outside makes. Only containerd knows its password. Since images are named by whoever may make a pod, it
// connects to other machines only.
type registries struct {
	password string
	control  func(network, address string, _ syscall.RawConn) error
	pulls    chan struct{} // as many as are under way
	log      *slog.Logger
}

func newRegistries(log *slog.Logger) *registries {
	return &registries{password: rand.Text(), control: otherMachine, pulls: make(chan struct{}, maxPulls), log: log}
}

// url is what containerd is told.
func (r *registries) url() string {
	u := url.URL{Scheme: "http", User: url.UserPassword(registriesUser, r.password), Host: registriesAddress}
	return u.String()
}

// serve serves the proxy in the network namespace at path until ctx ends.
func (r *registries) serve(ctx context.Context, path string) error {
	var listener net.Listener
	err := vpc.In(path, func() (err error) {
		if err := loopbackUp(); err != nil { // the guest's half may not have come to that yet
			return err
		}
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", registriesAddress)
		return err
	})
	if err != nil {
		return fmt.Errorf("listening for pulls: %w", err)
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// ServeHTTP answers CONNECT.
func (r *registries) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		http.Error(w, "want CONNECT: registries are reached over TLS", http.StatusMethodNotAllowed)
		return
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(registriesUser+":"+r.password))
	if subtle.ConstantTimeCompare([]byte(req.Header.Get("Proxy-Authorization")), []byte(want)) != 1 {
		http.Error(w, "this is for the node's containerd", http.StatusProxyAuthRequired)
		return
	}
	select {
	case r.pulls <- struct{}{}:
		defer func() { <-r.pulls }()
	default:
		http.Error(w, "too many connections to registries", http.StatusServiceUnavailable)
		return
	}
	dialer := net.Dialer{Timeout: dialTimeout, Control: r.control}
	registry, err := dialer.DialContext(req.Context(), "tcp", req.Host)
	if err != nil {
		r.log.InfoContext(req.Context(), "a registry is not reached", "registry", req.Host, "error", err)
		unreached(w, err)
		return
	}
	defer func() { _ = registry.Close() }()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(registry, buffered)
		_ = registry.Close()
	}()
	_, _ = io.Copy(client, registry)
}

// unreached answers why there is no connection in the place that containerd tells its pod's owner of: the text beside the status code.
func unreached(w http.ResponseWriter, why error) {
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, why.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = client.Close() }()
	oneLine := strings.Join(strings.Fields(why.Error()), " ")
	_, _ = fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", http.StatusBadGateway, oneLine)
}

// otherMachine refuses addresses that are this machine's, or mean nothing on another.
func otherMachine(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := to.Addr().Unmap()
	if !ip.IsGlobalUnicast() { // loopback, link-local, multicast or none
		return fmt.Errorf("%s is not the address of another machine", ip)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip.AsSlice())
	}) {
		return errors.New("a node does not reach the machine that it is on")
	}
	return nil
}
