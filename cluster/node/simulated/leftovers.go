package simulated

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"minato.dev/minato/service/ec2"
)

// StopLeftovers stops the kwok, and removes the run folder, of every cluster that has no simulated instances any more. It is for the
// start of a server.
func (c *Controller) StopLeftovers(ctx context.Context) error {
	used, err := c.used(ctx)
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, name := range c.deps.Processes.Names() {
		if id, ours := ClusterOf(name); ours {
			left[id] = true
		}
	}
	entries, err := os.ReadDir(c.deps.Home.Run(runFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		left[e.Name()] = true
	}
	for id := range left {
		if used[id] {
			continue
		}
		if err := c.fleet(id).abandon(ctx); err != nil {
			return fmt.Errorf("stopping the kwok of cluster %s: %w", id, err)
		}
	}
	return nil
}

// used are the clusters that have simulated instances.
func (c *Controller) used(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	page, err := c.instances.List(ctx, "", "", 0)
	if err != nil {
		return nil, err
	}
	for _, item := range page.Items {
		i := item.Value
		if !i.Simulated || i.State == ec2.InstanceTerminated {
			continue
		}
		config, err := readConfig(i)
		if err != nil {
			continue
		}
		cluster, err := c.cluster(ctx, i, config)
		if err != nil {
			return nil, err
		}
		if cluster != nil {
			used[cluster.ID] = true
		}
	}
	return used, nil
}
