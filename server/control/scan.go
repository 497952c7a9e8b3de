package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/insights/scan"
	"minato.dev/minato/internal/home"
)

const (
	scanPath = "/insights/scan"
	// scanTimeout bounds the scan of a cluster: its largest collections are read as a whole.
	scanTimeout = 5 * time.Minute
)

// ScanRequest asks for a scan of what lives in a cluster.
type ScanRequest struct {
	Account string `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster string `json:"cluster"`
	Target  string `json:"target"` // Kubernetes minor
}

// scan answers POST /insights/scan: a Report, or a message with status 400.
func (s Server) scan(w http.ResponseWriter, r *http.Request) {
	var q ScanRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		http.Error(w, "the request is not understood: "+err.Error(), http.StatusBadRequest)
		return
	}
	report, err := s.ScanCluster(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(report)
}

// ScanCluster asks the running server to scan what lives in a cluster.
func ScanCluster(ctx context.Context, dir home.Dir, q ScanRequest) (report scan.Report, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return report, err
	}
	status, body, err := exchangeWithin(ctx, scanTimeout, dir, http.MethodPost, scanPath, body)
	if err != nil {
		return report, err
	}
	if status != http.StatusOK {
		return report, minato.Errorf(minato.Invalid, "%s", body)
	}
	return report, json.Unmarshal(body, &report)
}
