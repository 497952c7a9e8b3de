package insights

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"minato.dev/minato/cluster/kubeapi"
)

// auditErrorsPace is how often a kube-apiserver is asked whether it has failed to write audit events: its metrics are 2 MB long, and take it a
// tenth of a second.
const auditErrorsPace = 5 * time.Minute

// auditErrors is what a kube-apiserver's metrics say of audit events that it could not write.
type auditErrors struct {
	// Began tells one process from the next, which counts from zero: seconds since 1970.
	Began float64   `json:"began,omitempty"`
	Count float64   `json:"count,omitempty"`
	At    time.Time `json:"at,omitzero"` // by Minato's clock
}

// since is the gap between two looks at a cluster's kube-apiserver; ok is whether there is one.
func (now auditErrors) since(before auditErrors) (g gap, ok bool) {
	known := before.Count
	if now.Began != before.Began { // another process
		known = 0
	}
	return gap{From: before.At, To: now.At, Why: failedAudit}, now.Count > known
}

var (
	errorsMetric = []byte("apiserver_audit_error_total")
	beganMetric  = []byte("process_start_time_seconds ")
)

// readAuditErrors reads metrics in Prometheus' text format.
func readAuditErrors(metrics []byte) (e auditErrors) {
	for line := range bytes.Lines(metrics) {
		value := func() float64 {
			f, _ := strconv.ParseFloat(string(bytes.TrimSpace(line[bytes.LastIndexByte(bytes.TrimSpace(line), ' ')+1:])), 64)
			return f
		}
		if bytes.HasPrefix(line, errorsMetric) { // one for each plugin
			e.Count += value()
		} else if bytes.HasPrefix(line, beganMetric) {
			e.Began = value()
		}
	}
	return e
}

// watchErrors asks the cluster's kube-apiserver, until ctx ends, whether it has failed to write audit events. One that does not answer is
// asked again the next time.
func (i *ingest) watchErrors(ctx context.Context) {
	tick := time.NewTicker(auditErrorsPace)
	defer tick.Stop()
	for {
		if now, err := i.askErrors(ctx); err == nil && i.usage.heardErrors(now) {
			i.deps.Log.WarnContext(ctx, "a kube-apiserver could not write audit events", "cluster", i.clusterID, "events", now.Count)
			i.changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (i *ingest) askErrors(ctx context.Context) (auditErrors, error) {
	client, err := i.deps.Client(ctx, i.clusterID)
	if err != nil {
		return auditErrors{}, err
	}
	defer client.Close()
	metrics, err := client.Send(ctx, kubeapi.Request{Method: http.MethodGet, Path: "/metrics", Accept: "text/plain"})
	if err != nil {
		return auditErrors{}, err
	}
	now := readAuditErrors(metrics)
	now.At = i.deps.Clock.Now().UTC().Truncate(time.Millisecond)
	return now, nil
}
