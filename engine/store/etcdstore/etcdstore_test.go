package etcdstore_test

import (
	"context"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd/etcdtest"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/engine/store/storetest"
)

// compactable is an etcdstore whose history can be compacted.
type compactable struct {
	*etcdstore.Store
	client *clientv3.Client
}

func (c compactable) Compact(ctx context.Context, rev store.Revision) error {
	_, err := c.client.Compact(ctx, int64(rev))
	return err
}

func TestConformance(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t).Client
	storetest.Run(t, func(*testing.T) storetest.Store { return compactable{etcdstore.New(client), client} })
}
