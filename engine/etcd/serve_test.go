package etcd_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
)

// TestStopAndStartAgain: etcd stops without waiting for its watches, and comes back with all it had.
func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	stop := etcdtest.Serve(t, c)
	s := etcdtest.Bootstrapped(t, c)
	watch := s.Client.Watch(t.Context(), "/a", clientv3.WithCreatedNotify())
	<-watch
	first, err := s.Client.Put(t.Context(), "/a", "1")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("etcd took %v to stop, as if it had waited for the watch", took)
	}
	etcdtest.Serve(t, c)
	ready(t, s)
	if err := s.Admin.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := s.Client.Put(t.Context(), "/a", "2")
	if err != nil || second.Header.Revision != first.Header.Revision+1 {
		t.Fatalf("after the restart: %v, %v; want revision %d", second, err, first.Header.Revision+1)
	}
	for want := first.Header.Revision; want <= second.Header.Revision; {
		resp, ok := <-watch
		if !ok || resp.Err() != nil {
			t.Fatalf("the watch ended: %v", resp.Err())
		}
		for _, e := range resp.Events {
			if e.Kv.ModRevision != want {
				t.Fatalf("the watch saw revision %d, want %d", e.Kv.ModRevision, want)
			}
			want++
		}
	}
}

// TestListeners: clients on loopback with certificates, health and metrics on a socket that only the owner reaches, nothing else.
func TestListeners(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	info, err := os.Stat(s.Config.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data folder: %v, %v; want mode 0700", info.Mode(), err)
	}
	dir, err := os.Open(s.Config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", etcd.HTTPSocket(s.Config.Dir))
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://etcd/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "etcd_mvcc_db_total_size_in_bytes") {
		t.Errorf("metrics: %v, %.200s", err, body)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	for _, port := range []int{0, -1, 65536} {
		c := etcdtest.Config(t)
		c.Port = port
		if err := etcd.Serve(t.Context(), c); !minato.Is(err, minato.Invalid) {
			t.Errorf("port %d: %v, want an error of kind Invalid", port, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := etcdtest.Config(t)
	c.Port = l.Addr().(*net.TCPAddr).Port
	if err := etcd.Serve(t.Context(), c); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port that is taken: %v", err)
	}
}
