package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/service/eks"
)

// upTimeout is how long a start waits for the clusters that were up; what takes longer goes on coming up, and the report says so.
const upTimeout = 90 * time.Second

// waitClusters waits until every cluster that a client could use before the stop can be used again.
func (s *Server) waitClusters(ctx context.Context) (string, error) {
	page, err := eks.Clusters(s.store).List(ctx, "", "", 0)
	if err != nil {
		return "", err
	}
	waiting := map[string]string{} // id to name
	for _, item := range page.Items {
		if st := item.Value.Status.Status; st == eks.ClusterActive || st == eks.ClusterUpdating {
			waiting[item.Value.ID] = item.Value.Name
		}
	}
	all := len(waiting)
	deadline := time.Now().Add(upTimeout)
	for len(waiting) > 0 && time.Now().Before(deadline) {
		for _, p := range s.sup.List() {
			if id, ok := controlplane.ClusterOf(p.Name); ok && p.State == supervisor.Running && strings.Contains(p.Name, "/kube-apiserver-") {
				delete(waiting, id)
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	detail := fmt.Sprintf("%d of %d", all-len(waiting), all)
	for _, name := range waiting {
		detail += fmt.Sprintf("; %s is still coming up: see `minato status`", name)
	}
	return detail, nil
}
