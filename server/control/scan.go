package control

import (
	"context"
	"time"

	"minato.dev/minato/cluster/insights/scan"
	"minato.dev/minato/internal/home"
)

const (
	scanPath = "/insights/scan"
	// scanTimeout bounds the scan of a cluster, whose collections may be large.
	scanTimeout = 5 * time.Minute
)

// ScanRequest asks for a scan of what lives in a cluster.
type ScanRequest struct {
	Account string `json:"account,omitempty"` // of the cluster; empty is the server's first
	Cluster string `json:"cluster"`
	Target  string `json:"target"` // Kubernetes minor
}

// ScanCluster asks the running server to scan what lives in a cluster.
func ScanCluster(ctx context.Context, dir home.Dir, q ScanRequest) (scan.Report, error) {
	return ask[scan.Report](ctx, scanTimeout, dir, scanPath, q)
}
