package podagent

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	maxRelayed = 1000 // connections at once
	relayDial  = 5 * time.Second
)

// relay passes connections of pods on to the AWS APIs, where these are reached over TLS with a certificate that pods do not know: their
// SDKs are told a plain address on their own node. Requests are signed for that address, and not a byte of them is changed.
type relay struct {
	dial func(context.Context) (*tls.Conn, error) // to the APIs
	log  *slog.Logger
}

// serve relays until ctx ends.
func (r *relay) serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var passing sync.WaitGroup
	defer passing.Wait()
	slots := make(chan struct{}, maxRelayed)
	for {
		pod, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = pod.Close() // an SDK tries again
			continue
		}
		passing.Go(func() {
			defer func() { <-slots }()
			r.pass(ctx, pod)
		})
	}
}

// pass relays one connection. The API ends those that stand still, and keep-alives find the pods that are gone.
func (r *relay) pass(ctx context.Context, pod net.Conn) {
	defer func() { _ = pod.Close() }()
	dialing, cancel := context.WithTimeout(ctx, relayDial)
	defer cancel()
	api, err := r.dial(dialing)
	if err != nil {
		r.log.WarnContext(ctx, "the AWS APIs cannot be reached", "error", err)
		return
	}
	defer func() { _ = api.Close() }()
	stop := context.AfterFunc(ctx, func() { _, _ = pod.Close(), api.Close() })
	defer stop()
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(pod, api) // however it ends, there is no more
		_ = pod.Close()
	})
	if _, err := io.Copy(api, pod); err == nil {
		_ = api.CloseWrite() // an answer may still come
	} else {
		_ = api.Close()
	}
	answers.Wait()
}
