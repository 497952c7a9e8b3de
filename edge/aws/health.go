package aws

import (
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handleHealth adds the paths for whoever looks after the server.
func (l *Listener) handleHealth() {
	l.open.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("ok\n"))
	})
	l.open.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		err := l.cfg.Ready(r.Context())
		switch {
		case err == nil:
			w.Write([]byte("ok\n"))
		case fromLoopback(r):
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		default: // the reason is for those on this machine
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	metrics := promhttp.HandlerFor(l.cfg.Registry, promhttp.HandlerOpts{})
	l.open.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if !fromLoopback(r) {
			http.Error(w, "metrics are for clients on this machine", http.StatusForbidden)
			return
		}
		metrics.ServeHTTP(w, r)
	})
}

func fromLoopback(r *http.Request) bool {
	ip := net.ParseIP(remoteHost(r))
	return ip != nil && ip.IsLoopback()
}
