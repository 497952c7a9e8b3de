package podagent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Limits of requests by pods.
const (
	perSecond = 1000
	burst     = 500
	// maxWait is how long a request waits for its turn when many come at once: shorter than SDKs wait for an answer.
	maxWait = time.Second
)

// Addresses are where EKS's agent is found on every node.
var Addresses = []netip.Addr{netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23")}

// Handler answers AWS SDKs in pods.
type Handler struct {
	hosts    []string // that a Host header may name
	cache    *cache
	known    *rate.Limiter // of requests with tokens whose credentials are kept
	unknown  *rate.Limiter // of the others
	forgers  forgers
	requests *prometheus.CounterVec
	log      *slog.Logger
}

// HandlerConfig says what a Handler answers by.
type HandlerConfig struct {
	// Hosts are the addresses that a Host header may name; empty are Addresses.
	Hosts []string
	// Assume gets credentials for a token (EKSAuth.Assume), with an end by the clock that Ahead is about.
	Assume func(ctx context.Context, token string) (Credentials, error)
	// Rotate is whether credentials are renewed before they end.
	Rotate bool
	// Ahead is how far the clock by which credentials end is ahead of the machine's (EKSAuth.Ahead); nil if it is the machine's.
	Ahead func() time.Duration
	// Unlimited lets as many requests in as come.
	Unlimited bool
	Log       *slog.Logger
}

// NewHandler makes a Handler. Renew is to be run beside it.
func NewHandler(c HandlerConfig) *Handler {
	h := &Handler{hosts: c.Hosts, cache: newCache(c), log: c.Log}
	h.known, h.unknown = rate.NewLimiter(perSecond, burst), rate.NewLimiter(perSecond, burst)
	if len(h.hosts) == 0 {
		for _, a := range Addresses {
			h.hosts = append(h.hosts, a.String())
		}
	}
	if c.Unlimited {
		h.known, h.unknown = rate.NewLimiter(rate.Inf, 0), rate.NewLimiter(rate.Inf, 0)
	}
	h.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_http_requests_total", Help: "Requests of pods for credentials, by what became of them.",
	}, []string{"outcome"})
	return h
}

// Renew renews credentials until ctx ends.
func (h *Handler) Renew(ctx context.Context) error { return h.cache.renew(ctx) }

// Collectors are the handler's metrics.
func (h *Handler) Collectors() []prometheus.Collector {
	return []prometheus.Collector{h.requests, h.cache.fetches, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pod_identity_cache_tokens", Help: "Tokens whose credentials are kept.",
	}, func() float64 { return float64(h.cache.size()) })}
}

// ServeHTTP answers GET /v1/credentials. What is nonsense is refused before it counts against a limit, and who sends forged tokens is
// refused when it is clear, so that no pod keeps another from its credentials.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.named(r.Host) {
		h.refuse(w, http.StatusForbidden, "host", "Access Denied: the request was made to an invalid address")
		return
	}
	if r.URL.Path != "/v1/credentials" {
		h.refuse(w, http.StatusNotFound, "path", "404 page not found")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		h.refuse(w, http.StatusMethodNotAllowed, "method", "Method Not Allowed")
		return
	}
	token := r.Header.Get("Authorization")
	if err := checkToken(token, time.Now()); err != nil {
		h.refuse(w, http.StatusBadRequest, "token", err.Error())
		return
	}
	if !h.admit(r, token) {
		h.refuse(w, http.StatusTooManyRequests, "limit", "Too Many Requests")
		return
	}
	got, cached, err := h.cache.get(r.Context(), token)
	if err != nil {
		h.forgers.note(r, err)
		h.fail(w, r, err)
		return
	}
	outcome := "new"
	if cached {
		outcome = "cached"
	}
	h.requests.WithLabelValues(outcome).Inc()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(got)
}

// admit is whether a request's turn comes soon; it waits for that. Those for which there are credentials do not queue with the others.
func (h *Handler) admit(r *http.Request, token string) bool {
	limit := h.known
	if _, kept := h.cache.kept(token); !kept {
		if h.forgers.among(r) {
			return false
		}
		limit = h.unknown
	}
	turn := limit.Reserve()
	wait := turn.Delay() // very long if it never comes
	if wait > maxWait {
		turn.Cancel()
		return false
	}
	if wait == 0 {
		return true
	}
	select {
	case <-time.After(wait):
		return true
	case <-r.Context().Done():
		turn.Cancel()
		return false
	}
}

// named is whether a Host header names the agent. DNS names that were made to lead here are no names of it.
func (h *Handler) named(host string) bool {
	if bare, port, err := net.SplitHostPort(host); err == nil && port != "" {
		host = bare
	}
	if len(host) > 2 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	return slices.Contains(h.hosts, host)
}

func (h *Handler) refuse(w http.ResponseWriter, status int, outcome, message string) {
	h.requests.WithLabelValues(outcome).Inc()
	http.Error(w, message, status)
}

// fail tells a pod what EKS Auth says, or that it says nothing.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	h.log.WarnContext(r.Context(), "a pod gets no credentials", "error", err)
	if e, ok := errors.AsType[*upstreamError](err); ok {
		h.refuse(w, e.Status, "refused", e.Error())
		return
	}
	h.refuse(w, http.StatusInternalServerError, "failed", "[]: (InternalServerException): EKS Auth cannot be asked, fault: server")
}
