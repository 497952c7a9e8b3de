package controlplane

import (
	"context"
	"sync"
)

// memo remembers for which clusters something has been done since this server started.
type memo struct{ done sync.Map }

func (m *memo) has(clusterID string) bool { _, ok := m.done.Load(clusterID); return ok }
func (m *memo) set(clusterID string)      { m.done.Store(clusterID, nil) }
func (m *memo) drop(clusterID string)     { m.done.Delete(clusterID) }

// tenantStep makes the cluster's user and role in etcd, once in each server's life: nobody but us takes them away.
type tenantStep struct {
	ensure func(ctx context.Context, clusterID string) error
	done   *memo
}

func (s tenantStep) do(ctx context.Context, p *pass) error {
	if s.done.has(p.cluster.ID) {
		return nil
	}
	if err := s.ensure(ctx, p.cluster.ID); err != nil {
		return err
	}
	s.done.set(p.cluster.ID)
	return nil
}

// removeTenantStep takes the user, the role and every key of the cluster out of etcd.
type removeTenantStep struct {
	remove func(ctx context.Context, clusterID string) error
	done   *memo
}

func (s removeTenantStep) do(ctx context.Context, p *pass) error {
	s.done.drop(p.cluster.ID)
	return s.remove(ctx, p.cluster.ID)
}
