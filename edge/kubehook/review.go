package kubehook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxTokenReview bounds a TokenReview. A token has 4 KiB at most; the rest is room for audiences, and for saying "too long" of tokens
// that are.
const maxTokenReview = 64 << 10

// reviewer answers one review of a cluster's kube-apiserver, from memory or within a time of its own. An error that is a *badReview is
// the caller's, any other ours.
type reviewer func(ctx context.Context, clusterID string, body []byte) (answer any, err error)

// badReview is a request that no kube-apiserver makes.
type badReview struct{ message string }

func (e *badReview) Error() string { return e.message }

// review is what all webhooks have in common: who may ask, how much, how long it took.
//
// Statuses follow from what kube-apiserver makes of them. An answer of any kind has status 200; everything else it takes for
// a broken webhook. It asks again after a 500, and after a 503 with Retry-After, and gives up at once on 4xx.
func (s *Server) review(name string, limit int64, answer reviewer) http.HandlerFunc {
	latency := s.metrics.latency.WithLabelValues(name)
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		defer func() { latency.Observe(time.Since(start).Seconds()) }()
		id := r.PathValue("id")
		if caller := commonName(r); caller != "k8s-"+id {
			s.cfg.Log.Warn("webhook called with a wrong certificate", "review", name, "cluster", id, "certificate", caller)
			http.Error(w, "the client certificate is not that of this cluster's kube-apiserver", http.StatusForbidden)
			return
		}
		if err := s.cfg.Ready(); err != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		body, err := readBody(w, r, limit)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		result, err := answer(r.Context(), id, body)
		if bad, ok := errors.AsType[*badReview](err); ok {
			http.Error(w, bad.message, http.StatusBadRequest)
			return
		}
		if err != nil {
			s.cfg.Log.Error("webhook failed", "review", name, "cluster", id, "error", err, "cause", errors.Unwrap(err))
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		writeJSON(w, result)
	}
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, limit)
	if n := r.ContentLength; n > 0 && n <= limit {
		b := make([]byte, n)
		_, err := io.ReadFull(body, b)
		return b, err
	}
	return io.ReadAll(body)
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// commonName is the name in the client's certificate, which the handshake has verified; empty if it showed none.
func commonName(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	return r.TLS.VerifiedChains[0][0].Subject.CommonName
}
