package access_test

import (
	"context"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
)

func TestClustersFollowTheRecords(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	records := eks.Clusters(s)
	view := store.NewView(records)
	clusters := access.NewClusters(view)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- view.Run(ctx) }()
	defer func() { cancel(); <-done }()
	seen := func(rev store.Revision, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := view.WaitFor(ctx, rev); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(id, name string) {
		t.Helper()
		c, ok := clusters.ByID(id)
		if ok != (name != "") || ok && c.Name != name {
			t.Errorf("ByID(%s) = %+v, %t; want %q", id, c, ok, name)
		}
	}

	one := eks.Cluster{Scope: minato.Scope{Account: account, Region: "us-east-1"}, Name: "prod", ID: "1"}
	other := one
	other.Scope.Account, other.ID = "444455556666", "2"
	key := eks.ClusterKey(one.Scope, one.Name)
	item, err := records.Create(ctx, key, one)
	seen(item.Revision, err)
	second, err := records.Create(ctx, eks.ClusterKey(other.Scope, other.Name), other)
	seen(second.Revision, err)
	expect("1", "prod")
	expect("2", "prod")

	// Deleted and made again under the same name, in one go: the old id must not live on.
	item.Value.ID = "3"
	item, err = records.Put(ctx, item)
	seen(item.Revision, err)
	expect("1", "")
	expect("3", "prod")

	seen(s.Commit(ctx, records.DeleteOp(item)))
	expect("3", "")
	expect("2", "prod")
}
