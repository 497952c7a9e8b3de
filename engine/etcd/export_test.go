package etcd

import "context"

// Mark lets tests compact as Maintain does.
type Mark = mark

// Compact is one compaction of Maintain.
func (a *Admin) Compact(ctx context.Context, m *Mark) error { return a.compact(ctx, m) }

// Look is one look of Maintain.
func (a *Admin) Look(ctx context.Context, m *Mark) error { return a.look(ctx, m) }
