package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/store"
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
	all, waiting, cannot := comingUp(page.Items, func(minor string) bool { _, ok := s.o.Kube.Path(minor); return ok })
	deadline := time.Now().Add(upTimeout)
	for len(waiting) > 0 && time.Now().Before(deadline) {
		for _, id := range whole(s.sup.List()) {
			delete(waiting, id)
		}
		s.step.Update(fmt.Sprintf("%d of %d", all-len(waiting)-len(cannot), all))
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	detail := fmt.Sprintf("%d of %d", all-len(waiting)-len(cannot), all)
	for _, name := range waiting {
		detail += fmt.Sprintf("; %s is still coming up: see `minato status`", name)
	}
	return strings.Join(append([]string{detail}, cannot...), "; "), nil
}

// comingUp counts the clusters that a client could use before the stop, and tells those that come up again, by id, from those
// that cannot, with the reason: nobody should wait for these.
func comingUp(clusters []store.Item[eks.Cluster], built func(minor string) bool) (all int, waiting map[string]string, cannot []string) {
	waiting = map[string]string{}
	for _, item := range clusters {
		c := item.Value
		switch {
		case c.Status.Status != eks.ClusterActive && c.Status.Status != eks.ClusterUpdating:
			continue
		case built(c.Spec.Version):
			waiting[c.ID] = c.Name
		default:
			cannot = append(cannot, fmt.Sprintf("%s cannot come up: run `make kube VERSION=%s`", c.Name, c.Spec.Version))
		}
		all++
	}
	return all, waiting, cannot
}

// whole are the ids of the clusters of which every component runs.
func whole(processes []supervisor.Status) (ids []string) {
	running := map[string]map[string]bool{} // id to components
	for _, p := range processes {
		id, ok := controlplane.ClusterOf(p.Name)
		if !ok || p.State != supervisor.Running {
			continue
		}
		if running[id] == nil {
			running[id] = map[string]bool{}
		}
		running[id][controlplane.ComponentOf(p.Name)] = true
	}
	for id, components := range running {
		if len(components) == controlplane.Components {
			ids = append(ids, id)
		}
	}
	return ids
}
