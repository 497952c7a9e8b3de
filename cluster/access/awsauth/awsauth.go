package awsauth

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"minato.dev/minato/cluster/access"
)

// Config is what Follow works with.
type Config struct {
	// Targets are the kube-apiservers of all clusters that have an aws-auth ConfigMap, by cluster id. It must answer from memory.
	Targets func() map[string]Target
	// Changed has a value whenever Targets may answer something else.
	Changed <-chan struct{}
	// AWSAuths is where it all goes.
	AWSAuths *access.AWSAuths
	Log      *slog.Logger
}

// Follow keeps up with the ConfigMaps of all clusters until ctx ends.
func Follow(ctx context.Context, c Config) error {
	var group sync.WaitGroup
	defer group.Wait()
	running := map[string]follow{}
	for {
		want := c.Targets()
		for id, f := range running {
			if target, ok := want[id]; !ok || target != f.target {
				f.stop()
				delete(running, id)
				if !ok {
					c.AWSAuths.Forget(id)
				}
			}
		}
		for id, target := range want {
			if _, ok := running[id]; ok {
				continue
			}
			one, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			running[id] = follow{target, func() { cancel(); <-ended }}
			f := follower{clusterID: id, target: target, auths: c.AWSAuths, log: c.Log, now: time.Now}
			group.Go(func() {
				defer close(ended)
				f.run(one)
			})
		}
		select {
		case <-c.Changed:
		case <-ctx.Done():
			for _, f := range running {
				f.stop()
			}
			return nil
		}
	}
}

// follow is a follower that runs. stop returns when it has ended, and sets nothing any more.
type follow struct {
	target Target
	stop   func()
}
