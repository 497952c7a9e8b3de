package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"minato.dev/minato/engine/store"
)

// StopLeftovers stops the processes, and removes the run folders, of clusters that no longer exist. It is for the start of a
// server, whose store may be older than what runs: a backup has been restored. A cluster whose record is there and cannot be
// read exists.
func (c *Controller) StopLeftovers(ctx context.Context) error {
	known := map[string]bool{}
	exists := func(clusterID string) (bool, error) {
		if there, asked := known[clusterID]; asked {
			return there, nil
		}
		_, err := c.deps.Store.Get(ctx, c.planes.Key(clusterID))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		known[clusterID] = err == nil
		return known[clusterID], nil
	}
	for _, name := range c.deps.Processes.Names() {
		id, ours := ClusterOf(name)
		if !ours {
			continue
		}
		there, err := exists(id)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		c.deps.Log.WarnContext(ctx, "stopping the process of a cluster that does not exist", "process", name)
		if err := c.deps.Processes.Stop(ctx, name); err != nil {
			return err
		}
	}
	return c.removeLeftoverFolders(exists)
}

func (c *Controller) removeLeftoverFolders(exists func(clusterID string) (bool, error)) error {
	entries, err := os.ReadDir(c.deps.Home.Run("clusters"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		there, err := exists(e.Name())
		if err != nil {
			return err
		}
		if !there {
			if err := os.RemoveAll(c.deps.Home.Run("clusters", e.Name())); err != nil {
				return fmt.Errorf("removing leftover run folder: %w", err)
			}
		}
	}
	return nil
}
