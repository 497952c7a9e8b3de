package gate

import "github.com/prometheus/client_golang/prometheus"

// How a connection was dealt with: the values of the label "result".
const (
	resultProxied   = "proxied"
	resultForbidden = "forbidden"  // the client's address is in no allowed network
	resultLimit     = "limit"      // too many connections
	resultNoBackend = "no_backend" // no backend accepted in time
)

type metrics struct {
	registry  *prometheus.Registry
	open      *prometheus.GaugeVec
	conns     *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	bindFails *prometheus.CounterVec
	routes    prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "minato_gate_connections_open", Help: "Client connections open now.",
		}, []string{"cluster"}),
		conns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minato_gate_connections_total",
			Help: "Client connections by result: proxied, forbidden (by publicAccessCidrs), limit, no_backend.",
		}, []string{"cluster", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minato_gate_bytes_total", Help: "Bytes passed on, counted when a direction of a connection ends.",
		}, []string{"cluster", "direction"}),
		bindFails: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minato_gate_bind_failures_total", Help: "Failed attempts to listen on a cluster's port.",
		}, []string{"cluster"}),
		routes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minato_gate_routes", Help: "Routes followed now.",
		}),
	}
	m.registry.MustRegister(m.open, m.conns, m.bytes, m.bindFails, m.routes)
	return m
}

// forget drops the series of a deleted cluster.
func (m *metrics) forget(cluster string) {
	by := prometheus.Labels{"cluster": cluster}
	m.open.DeletePartialMatch(by)
	m.conns.DeletePartialMatch(by)
	m.bytes.DeletePartialMatch(by)
	m.bindFails.DeletePartialMatch(by)
}
