package aws

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What a client can write into the log: by its user agent, and by an error that quotes its request. Our own errors are whole.
const (
	maxLoggedAgent = 256
	maxLoggedError = 2048
)

// logRequest writes the one event of a request: never a body, a key or a token.
func (l *Listener) logRequest(r *http.Request, call *Call, status int, took time.Duration) {
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError || status == broken {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("request", call.RequestID),
		slog.String("principal", call.Credential.Principal.ARN.String()),
		slog.String("service", cut(call.Service, maxLoggedAgent)),
		slog.String("action", call.Action),
		slog.String("resource", cut(call.Resource.String(), maxLoggedError)),
		slog.Int("status", status),
		slog.Duration("took", took),
		slog.String("from", call.SourceIP),
		slog.String("agent", cut(call.UserAgent, maxLoggedAgent)),
	}
	if call.Err != nil {
		text := call.Err.Error()
		if level == slog.LevelInfo {
			text = cut(text, maxLoggedError)
		}
		attrs = append(attrs, slog.String("code", call.ErrorCode), slog.String("error", text))
	}
	l.cfg.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

func cut(s string, most int) string { return s[:min(len(s), most)] }

type metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minato_api_requests_total",
			Help: "Requests to the AWS APIs by service, action, HTTP status and error code (empty for success).",
		}, []string{"service", "action", "status", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "minato_api_request_duration_seconds",
			Help:    "Time to answer a request, without those of waiters, which may be held back.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"service", "action"}),
	}
	r.MustRegister(m.requests, m.latency)
	return m
}

// observe counts a request. Only what was found in a table becomes a label, so that a client cannot make up new ones.
func (m *metrics) observe(call *Call, status int, took time.Duration) {
	service, action := call.Service, call.Action
	if call.Credential.AccessKeyID == "" { // the service is what somebody unknown says
		service = ""
	}
	m.requests.WithLabelValues(service, action, strconv.Itoa(status), call.ErrorCode).Inc()
	if call.Hold == 0 {
		m.latency.WithLabelValues(service, action).Observe(took.Seconds())
	}
}
