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
	switch {
	case t.Nodegroup != "":
		item, err := s.nodegroup(ctx, c, t.Nodegroup)
		return PartUpdates(s.Store), PartUpdatesOf(c.ID, nodegroupPart, item.Value.UUID), err
	case t.Addon != "":
		item, err := Addons(s.Store).Get(ctx, AddonKey(c.ID, t.Addon))
		return PartUpdates(s.Store), PartUpdatesOf(c.ID, addonPart, item.Value.UUID), s.partError(ctx, addonWords, c.Name, t.Addon, err)
	case t.Capability != "":
		return nil, "", minato.Errorf(minato.NotFound, "No capability found for name: %s.", shorten(t.Capability)).With("clusterName", c.Name)
	}
	return Updates(s.Store), UpdatesOf(c), nil
}
