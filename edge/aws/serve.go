package aws

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Times that a connection may take. An answer may be held back for a waiter (longHold) for less than requestTimeout.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second // of a whole request; net/http waits for no more once it is there
	requestTimeout = 60 * time.Second // from the header to the answer
	writeTimeout   = 90 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeader      = 64 << 10 // bytes

	drainGrace = 3 * time.Second // for requests under way when the server stops; then their contexts end
	drainEnd   = 2 * time.Second // and then their connections
)

// Serve answers connections from ln, which has TLS where it is wanted, until ctx ends, and then lets requests under way
// finish. It closes ln. The error is nil after ctx has ended.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken connections
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		drain(srv, cancelRequests)
	})
	err := srv.Serve(ln)
	if stop() { // ctx has not ended: the listener has failed
		return err
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func drain(srv *http.Server, cancelRequests func()) {
	timer := time.AfterFunc(drainGrace, cancelRequests)
	defer timer.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), drainGrace+drainEnd)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close() // what is left is of no use to anybody
	}
}
