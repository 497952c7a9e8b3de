package eks

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// UpdateTarget names what an update belongs to: the cluster itself, where all are empty, or one of its parts.
type UpdateTarget struct {
	Nodegroup  string
	Addon      string
	Capability string
}

// updatesOf is where the updates of a target lie: a collection, and the id prefix in it.
func (s *Service) updatesOf(ctx context.Context, c *Cluster, t UpdateTarget) (*store.Collection[Update], string, error) {
	var err *minato.Error
	switch {
	case t.Nodegroup != "":
		item, err := s.nodegroup(ctx, c, t.Nodegroup)
		return PartUpdates(s.Store), PartUpdatesOf(c.ID, nodegroupPart, item.Value.UUID), err
	case t.Addon != "":
		err = minato.Errorf(minato.NotFound, "No addon: %s found in cluster: %s", shorten(t.Addon), c.Name).With("addonName", t.Addon)
	case t.Capability != "":
		err = minato.Errorf(minato.NotFound, "No capability found for name: %s.", shorten(t.Capability))
	default:
		return Updates(s.Store), UpdatesOf(c), nil
	}
	return nil, "", err.With("clusterName", c.Name)
}
