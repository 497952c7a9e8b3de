package addon

import (
	"context"
	"net/url"
	"sync"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/internal/backoff"
)

// rewatch is how long a watch that broke waits before it is begun again.
var rewatch = backoff.Policy{Min: time.Second, Max: time.Minute}

// watches follow the workloads of add-ons, one watch each, so that a change is seen when it happens.
type watches struct {
	deps   Deps
	wakeUp func(key string)

	mu     sync.Mutex
	ctx    context.Context // of run; nil before and after it
	ending sync.WaitGroup
	open   map[string]watched
}

// watched is one workload that is followed.
type watched struct {
	path string
	stop context.CancelFunc
}

func newWatches(d Deps, wakeUp func(string)) *watches {
	return &watches{deps: d, wakeUp: wakeUp, open: map[string]watched{}}
}

// run lets watches be until ctx ends, and returns when they have ended.
func (w *watches) run(ctx context.Context) {
	w.mu.Lock()
	w.ctx = ctx
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.ctx = nil
	w.mu.Unlock()
	w.ending.Wait()
}

// ensure follows the workload of the add-on with a key. Before run has begun it does nothing: the next pass comes.
func (w *watches) ensure(key, clusterID string, o object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if there, ok := w.open[key]; ok {
		if there.path == o.path() {
			return
		}
		there.stop()
	}
	if w.ctx == nil {
		return
	}
	ctx, stop := context.WithCancel(w.ctx)
	w.open[key] = watched{o.path(), stop}
	w.ending.Go(func() { w.follow(ctx, key, clusterID, o) })
}

// end stops following the workload of the add-on with a key.
func (w *watches) end(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if there, ok := w.open[key]; ok {
		there.stop()
		delete(w.open, key)
	}
}

func (w *watches) follow(ctx context.Context, key, clusterID string, o object) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		_ = w.watch(ctx, key, clusterID, o) // however it ended, it is begun again
		if time.Since(began) > rewatch.Max {
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch.Delay(failures)):
		}
	}
}

func (w *watches) watch(ctx context.Context, key, clusterID string, o object) error {
	client, err := w.deps.Client(ctx, clusterID)
	if err != nil {
		return err
	}
	defer client.Close()
	listed := false
	return client.Watch(ctx, o.collection(), url.Values{"fieldSelector": {"metadata.name=" + o.name}}, func(e kubeapi.Event) error {
		if e.Type != "BOOKMARK" && listed || e.Type == "BOOKMARK" && !listed {
			w.wakeUp(key)
		}
		listed = listed || e.Type == "BOOKMARK"
		return nil
	})
}
