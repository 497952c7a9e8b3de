// Package etcdtest gives a test an etcd of its own: a real one, bootstrapped as Minato's is, in the test's process or in one
// that can be killed.
package etcdtest

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/ports"
)

// patience is how long an etcd may take to come up and to stop.
const patience = 30 * time.Second

// Server is a bootstrapped etcd.
type Server struct {
	Config etcd.ServeConfig
	Client *clientv3.Client // comes as root
	Admin  *etcd.Admin
}

// Start runs etcd in the test's own process until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	c := Config(t)
	Serve(t, c)
	return Bootstrapped(t, c)
}

// Config is what Serve needs for an etcd in the test's folder, its certificates made.
func Config(t testing.TB) etcd.ServeConfig {
	t.Helper()
	dir := t.TempDir()
	c := etcd.ServeConfig{Dir: filepath.Join(dir, "etcd"), PKI: etcd.PKI(filepath.Join(dir, "pki")), Port: FreePort(t), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if err := c.PKI.Ensure(); err != nil {
		t.Fatal(err)
	}
	return c
}

// Serve runs an etcd until the returned function is called, or else until the test ends.
func Serve(t testing.TB, c etcd.ServeConfig) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- etcd.Serve(ctx, c) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("etcd: %v", err)
			}
		case <-time.After(patience):
			t.Errorf("etcd did not stop within %v", patience)
		}
	}
	t.Cleanup(stop)
	return stop
}

// Bootstrapped is a server's clients, once it is ready and has its users.
func Bootstrapped(t testing.TB, c etcd.ServeConfig) *Server {
	t.Helper()
	s := &Server{Config: c}
	s.Client = s.Connect(t, etcd.Root)
	admin, err := etcd.NewAdmin(s.Client, c.PKI, c.Log)
	if err != nil {
		t.Fatal(err)
	}
	s.Admin = admin
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := admin.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := admin.Bootstrap(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// Endpoint is where the server's clients come to.
func (s *Server) Endpoint() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Config.Port)) }

// Connect makes a client that comes as one of Minato's own, closed when the test ends.
func (s *Server) Connect(t testing.TB, id etcd.Identity) *clientv3.Client {
	t.Helper()
	return Connect(t, s.Config.PKI.Target(id, s.Endpoint()))
}

// Connect makes a client of a target, closed when the test ends.
func Connect(t testing.TB, target etcd.Target) *clientv3.Client {
	t.Helper()
	client, err := etcd.Connect(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// FreePort is a port on loopback for this test.
func FreePort(t testing.TB) int {
	t.Helper()
	found, release, err := ports.Free(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return found[0]
}
