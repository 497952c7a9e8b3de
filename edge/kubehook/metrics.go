package kubehook

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics name no cluster: whoever can connect may read them.
type metrics struct {
	registry        *prometheus.Registry
	authentications *prometheus.CounterVec
	authorizations  *prometheus.CounterVec
	latency         *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		authentications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minato_hook_authentications_total",
			Help: "Token reviews by result (accepted, rejected, failed) and by the reason of a rejection.",
		}, []string{"result", "reason"}),
		authorizations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minato_hook_authorizations_total",
			Help: "Access reviews by decision (allow, deny, noOpinion).",
		}, []string{"decision"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "minato_hook_review_duration_seconds",
			Help:    "Time to answer a review, without the network.",
			Buckets: prometheus.ExponentialBuckets(25e-6, 2, 14),
		}, []string{"review"}),
	}
	m.registry.MustRegister(m.authentications, m.authorizations, m.latency)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
