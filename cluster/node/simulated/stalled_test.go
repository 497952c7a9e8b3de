package simulated

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/cluster/kubeapi"
)

// TestRouse: pods that kwok should have done something about long ago are touched, and no others.
func TestRouse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	long, just := now.Add(-time.Minute).Format(time.RFC3339), now.Add(-time.Second).Format(time.RFC3339)
	scheduled := func(at string) doc { return doc{"type": "PodScheduled", "status": "True", "lastTransitionTime": at} }
	ready := func(status, at string) doc { return doc{"type": "Ready", "status": status, "lastTransitionTime": at} }
	job := []any{doc{"kind": "Job"}}
	c := newFakeCluster(t)
	for name, p := range map[string]struct {
		stalled          bool
		metadata, status doc
	}{
		"pending":        {true, doc{}, doc{"phase": "Pending", "conditions": []any{scheduled(long)}}},
		"gone-meanwhile": {true, doc{}, doc{"phase": "Pending", "conditions": []any{scheduled(long)}}},
		"just-scheduled": {false, doc{"creationTimestamp": long}, doc{"phase": "Pending", "conditions": []any{scheduled(just)}}},
		"placed-by-name": {true, doc{"creationTimestamp": long}, doc{"phase": "Pending"}},
		"fresh-by-name":  {false, doc{"creationTimestamp": just}, doc{"phase": "Pending"}},
		"well":           {false, doc{}, doc{"phase": "Running", "startTime": long, "conditions": []any{ready("True", long)}}},
		"given-up":       {true, doc{}, doc{"phase": "Running", "startTime": long, "conditions": []any{ready("False", long)}}},
		"just-given-up":  {false, doc{}, doc{"phase": "Running", "startTime": long, "conditions": []any{ready("False", just)}}},
		"job":            {true, doc{"ownerReferences": job}, doc{"phase": "Running", "startTime": long, "conditions": []any{ready("True", long)}}},
		"job-at-work":    {false, doc{"ownerReferences": job}, doc{"phase": "Running", "startTime": just}},
		"job-done":       {false, doc{"ownerReferences": job}, doc{"phase": "Succeeded", "startTime": long}},
		"to-go":          {true, doc{"deletionTimestamp": now.Format(time.RFC3339), "deletionGracePeriodSeconds": 30}, doc{"phase": "Running"}},
		"going":          {false, doc{"deletionTimestamp": now.Add(29 * time.Second).Format(time.RFC3339), "deletionGracePeriodSeconds": 30}, doc{"phase": "Running"}},
		"held":           {false, doc{"deletionTimestamp": long, "deletionGracePeriodSeconds": 0}, doc{"phase": "Running"}},
	} {
		p.metadata["name"], p.metadata["namespace"], p.metadata["uid"] = name, "default", fmt.Sprintf("stalled-%t", p.stalled)
		c.pods = append(c.pods, doc{"metadata": p.metadata, "status": p.status})
	}
	f := newFleet("c1", &Deps{
		Log:    slog.New(slog.DiscardHandler),
		Client: func(context.Context, string) (*kubeapi.Client, error) { return c.client(), nil },
	}, nil)
	if err := f.rouseNode(t.Context(), "ip-172-31-0-4.ec2.internal", now); err != nil {
		t.Error(err)
	}
	const want = 6
	if n := strings.Count(strings.Join(c.touched, ""), `"uid":"stalled-true"`); n != want || len(c.touched) != want {
		t.Errorf("touched\n%s\nwant %d, all of them stalled", strings.Join(c.touched, "\n"), want)
	}
}
