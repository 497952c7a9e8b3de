package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"minato.dev/minato/engine/store"
)

// appliedWait is how long one question for a revision is held before the answer is "not yet".
const appliedWait = 10 * time.Second

// serveAdmin answers on the admin address until ctx ends:
//
//	GET /healthz              the process runs
//	GET /readyz               the routes have been read and applied
//	GET /metrics              for Prometheus
//	GET /routes               the state of every route
//	GET /routes/{cluster}     the state of one
//	GET /applied?revision=N   200 once every route is as the store had it at revision N, or later
//
// A port that cannot be bound does not hold back /applied, or one cluster could hold up all others: its state says so.
func (g *Gate) serveAdmin(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", g.admin)
	if err != nil {
		return fmt.Errorf("gate: listening on the admin address: %w", err)
	}
	srv := &http.Server{
		Handler:           g.adminHandler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      appliedWait + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("gate: serving the admin address: %w", err)
	}
	return nil
}

func (g *Gate) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-g.view.Ready():
			fmt.Fprintln(w, "ok")
		default:
			http.Error(w, "the routes have not been read from the store yet", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, g.States()) })
	mux.HandleFunc("GET /routes/{cluster}", func(w http.ResponseWriter, r *http.Request) {
		s, ok := g.state(r.PathValue("cluster"))
		if !ok {
			http.Error(w, "no such route", http.StatusNotFound)
			return
		}
		writeJSON(w, s)
	})
	mux.HandleFunc("GET /applied", g.serveApplied)
	return mux
}

func (g *Gate) serveApplied(w http.ResponseWriter, r *http.Request) {
	rev, err := strconv.ParseInt(r.URL.Query().Get("revision"), 10, 64)
	if err != nil || rev < 0 {
		http.Error(w, "revision must be a number such as 42", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), appliedWait)
	defer cancel()
	if err := g.view.WaitFor(ctx, store.Revision(rev)); err != nil {
		http.Error(w, fmt.Sprintf("revision %d is not there yet, the gate is at %d", rev, g.view.Revision()), http.StatusGatewayTimeout)
		return
	}
	fmt.Fprintln(w, "ok")
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
