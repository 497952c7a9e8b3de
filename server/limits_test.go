package server

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/home"
)

// TestListenersAreBounded is that silent clients cannot use up the files of the process: of 400, each listener takes 100.
func TestListenersAreBounded(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	// No parallel test runs meanwhile.
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 400, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	s := &Server{cfg: home.Config{Listen: "127.0.0.1:0"}}
	_, err := s.listen(t.Context())
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []net.Listener{s.listener, s.tlsListener} {
		t.Cleanup(func() { _ = l.Close() })
		var first net.Conn
		for range 100 {
			first = open(t, l)
		}
		accepted := make(chan net.Conn)
		go func() { accepted <- open(t, l) }()
		select {
		case <-accepted:
			t.Fatal("it takes more connections than it may")
		case <-time.After(50 * time.Millisecond):
		}
		_ = first.Close()
		<-accepted // whoever came later gets the place that became free
	}
}

// open connects a client and returns the server's end, once that is accepted.
func open(t *testing.T, l net.Listener) net.Conn {
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = client.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
