package aws

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestHold(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]time.Duration{
		// As sent by aws eks wait cluster-active, and by aws eks describe-cluster.
		"aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.18 md/arch#x86_64 lang/python#3.11.7 md/pyimpl#CPython m/D,b,N,Z,B,g cfg/retry-mode#legacy botocore/1.43.11": longHold,
		"aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 os/linux#6.18 md/arch#x86_64 lang/python#3.11.7 md/pyimpl#CPython m/Z,D,N,g,b cfg/retry-mode#legacy botocore/1.43.11":   0,
		"aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26 m/B": hold,
		"curl/8 m/AB,BB": 0,
		"m/":             0,
		"":               0,
	} {
		if got := holdFor(agent); got != want {
			t.Errorf("holdFor(%q) = %s, want %s", agent, got, want)
		}
	}
}

// pipes is a listener whose connections are made by dial.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p <- far
	return near, nil
}

// TestServeDrains stops a server with two requests under way: one that ends soon, and one held back for as long as its
// context lasts.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := make(pipes)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error)
		go func() {
			served <- Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/held" {
					<-r.Context().Done()
				} else {
					time.Sleep(time.Second)
				}
				fmt.Fprint(w, "done")
			}), slog.New(slog.DiscardHandler))
		}()
		client := &http.Client{Transport: &http.Transport{DialContext: ln.dial, DisableKeepAlives: true}}
		answered := make(chan time.Duration, 2)
		begin := time.Now()
		for _, path := range []string{"/soon", "/held"} {
			go func() {
				resp, err := client.Get("http://host" + path)
				if err != nil {
					t.Error(err)
				} else if body, err := io.ReadAll(resp.Body); string(body) != "done" {
					t.Errorf("%s: %q %v", path, body, err)
				}
				answered <- time.Since(begin)
			}()
		}
		synctest.Wait()
		stop()
		if took := <-answered; took != time.Second {
			t.Errorf("the request that ends soon was answered after %v", took)
		}
		if took := <-answered; took != drainGrace {
			t.Errorf("the held one was answered after %v, want %v", took, drainGrace)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
