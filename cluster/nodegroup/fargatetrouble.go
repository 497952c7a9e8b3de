package nodegroup

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"minato.dev/minato/internal/backoff"
)

// A cluster's Fargate pods, profiles and machines are looked at together, and each is in trouble by itself: it is tried again later and
// later, and the others go on.
var retries = backoff.Policy{Min: 500 * time.Millisecond, Max: 30 * time.Second}

// trouble is how often a thing has failed in a row, and until when it rests.
type trouble struct {
	failures int
	until    time.Time
}

// troubles are those of all clusters, by id and then by thing.
type troubles struct {
	mu        sync.Mutex
	byCluster map[string]map[string]trouble
}

func (t *troubles) of(clusterID string) map[string]trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byCluster[clusterID]
}

// keep puts what failed in a pass in the place of what failed in the one before, so that things that are gone are forgotten.
func (t *troubles) keep(clusterID string, failed map[string]trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byCluster == nil {
		t.byCluster = map[string]map[string]trouble{}
	}
	t.byCluster[clusterID] = failed
	if len(failed) == 0 {
		delete(t.byCluster, clusterID)
	}
}

// attempts are those of one pass.
type attempts struct {
	before, failed map[string]trouble
	now            time.Time
	log            *slog.Logger
}

// try does something about a thing, unless it rests after a failure.
func (a *attempts) try(ctx context.Context, thing string, do func() error) {
	t := a.before[thing]
	if a.now.Before(t.until) {
		a.failed[thing] = t
		return
	}
	err := do()
	if err == nil || ctx.Err() != nil {
		return
	}
	t.failures++
	t.until = a.now.Add(retries.Delay(t.failures))
	a.failed[thing] = t
	if errors.Is(err, errTold) {
		return
	}
	a.log.WarnContext(ctx, "Fargate will try again", "thing", thing, "failures", t.failures, "error", err)
}
