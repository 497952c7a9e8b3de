package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcdtest"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
)

// overwrite writes one key n times and gives the last revision.
func overwrite(t *testing.T, c *clientv3.Client, n int) int64 {
	t.Helper()
	var last int64
	for i := range n {
		resp, err := c.Put(t.Context(), "/minato/n", strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		last = resp.Header.Revision
	}
	return last
}

func compact(t *testing.T, a *etcd.Admin, m *etcd.Mark) {
	t.Helper()
	if err := a.Compact(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// compactRev is what kube-apiservers read: the value of compact_rev_key, and how often it was written.
func compactRev(t *testing.T, c *clientv3.Client) (value string, version int64) {
	t.Helper()
	resp, err := c.Get(t.Context(), "compact_rev_key")
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return "", 0
	}
	return string(resp.Kvs[0].Value), resp.Kvs[0].Version
}

func wantHistory(t *testing.T, c *clientv3.Client, rev int64, there bool) {
	t.Helper()
	_, err := c.Get(t.Context(), "/minato/n", clientv3.WithRev(rev))
	if there && err != nil || !there && !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("reading at revision %d: %v; want it there: %v", rev, err, there)
	}
}

// TestCompaction keeps a whole period of history and says in compact_rev_key what went.
func TestCompaction(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	var m etcd.Mark
	old := overwrite(t, s.Client, 5)
	compact(t, s.Admin, &m) // the first period begins
	if value, version := compactRev(t, s.Client); value != "0" || version != 1 {
		t.Fatalf("compact_rev_key is %q, version %d; want 0, version 1", value, version)
	}
	young := overwrite(t, s.Client, 5)
	wantHistory(t, s.Client, old, true)

	compact(t, s.Admin, &m)
	value, version := compactRev(t, s.Client)
	to, err := strconv.ParseInt(value, 10, 64)
	if err != nil || to <= old || to >= young || version != 2 {
		t.Fatalf("compact_rev_key is %q, version %d; want a revision between %d and %d, version 2", value, version, old, young)
	}
	wantHistory(t, s.Client, old, false)
	wantHistory(t, s.Client, to-1, false)
	wantHistory(t, s.Client, to, true)
	wantHistory(t, s.Client, young-4, true)
	if got := s.Admin.Maintenance(); got.CompactedTo != to || time.Since(got.CompactedAt) > time.Minute {
		t.Errorf("maintenance: %+v, want compacted to %d just now", got, to)
	}
}

// TestCompactionIsShared: of two who compact one etcd, as kube-apiservers do, only one does in each period.
func TestCompactionIsShared(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	var first, second etcd.Mark
	overwrite(t, s.Client, 3)
	compact(t, s.Admin, &first)
	compact(t, s.Admin, &second) // learns that somebody compacts
	if _, version := compactRev(t, s.Client); version != 1 {
		t.Fatalf("compact_rev_key was written %d times", version)
	}
	overwrite(t, s.Client, 3)
	compact(t, s.Admin, &first)
	value, version := compactRev(t, s.Client)
	compact(t, s.Admin, &second)
	if again, v := compactRev(t, s.Client); again != value || v != version || version != 2 {
		t.Fatalf("the second compacted too: %s (version %d), then %s (version %d)", value, version, again, v)
	}
	// The first is gone: the second takes over after a period.
	overwrite(t, s.Client, 3)
	compact(t, s.Admin, &second)
	if again, v := compactRev(t, s.Client); again == value || v != 3 {
		t.Fatalf("nobody compacts: compact_rev_key is %s (version %d)", again, v)
	}
}

const tinyQuota = 8 << 20

// fill writes until etcd is full, each value under the key that name gives.
func fill(t *testing.T, s store.Store, name func(i int) string) error {
	t.Helper()
	value := bytes.Repeat([]byte("x"), 200<<10)
	for i := range 1000 {
		_, err := s.Commit(t.Context(), store.Create(name(i), value))
		if errors.Is(err, store.ErrExists) {
			_, err = s.Commit(t.Context(), store.Update(name(i), value, store.AnyRevision))
		}
		if err != nil {
			return err
		}
	}
	t.Fatal("etcd took 200 MB with a quota of 8 MiB")
	return nil
}

// TestFullOfHistory: an etcd that history has filled heals by itself.
func TestFullOfHistory(t *testing.T) {
	t.Parallel()
	s := tiny(t)
	records := etcdstore.New(s.Client)
	err := fill(t, records, func(int) string { return "/minato/one" })
	if !minato.Is(err, minato.Unavailable) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("a write to a full etcd: %v, want an error of kind Unavailable that says it is full", err)
	}
	h, err := s.Admin.Health(t.Context())
	if err != nil || len(h.Alarms) != 1 || h.Alarms[0] != "NOSPACE" {
		t.Fatalf("health of a full etcd: %+v, %v; want the alarm NOSPACE", h, err)
	}
	var m etcd.Mark
	if err := s.Admin.Look(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	wantHealed(t, s, records, "/minato/healed")
	compact(t, s.Admin, &m) // the mark agrees with what healing wrote
	if value, version := compactRev(t, s.Client); value == "0" || version != 2 {
		t.Errorf("compact_rev_key is %q, version %d", value, version)
	}
}

// TestFullOfData: an etcd that live data have filled stays closed to writes and says so, until something is deleted.
func TestFullOfData(t *testing.T) {
	t.Parallel()
	s := tiny(t)
	records := etcdstore.New(s.Client)
	if err := s.Admin.EnsureTenant(t.Context(), "big"); err != nil {
		t.Fatal(err)
	}
	const spares = 10
	for i := range spares {
		if _, err := records.Commit(t.Context(), store.Create(fmt.Sprintf("/minato/spare/%d", i), nil)); err != nil {
			t.Fatal(err)
		}
	}
	var m etcd.Mark
	var healed error
	// At first the file is full of pages that healing gives back; more and more of it are live data.
	for round := 0; healed == nil && round < 20; round++ {
		name := func(i int) string { return fmt.Sprintf("/k8s/big/%d/%d", round, i) }
		if err := fill(t, records, name); !minato.Is(err, minato.Unavailable) {
			t.Fatalf("a write to a full etcd: %v, want an error of kind Unavailable", err)
		}
		healed = s.Admin.Look(t.Context(), &m)
	}
	if !minato.Is(healed, minato.LimitExceeded) {
		t.Fatalf("healing an etcd full of live data: %v, want an error of kind LimitExceeded", healed)
	}
	if got := s.Admin.Maintenance(); got.Alarm != "NOSPACE" {
		t.Errorf("maintenance: %+v, want the alarm NOSPACE", got)
	}
	defragmented := s.Admin.Maintenance().DefragmentedAt
	if err := s.Admin.Look(t.Context(), &m); !minato.Is(err, minato.LimitExceeded) || s.Admin.Maintenance().DefragmentedAt != defragmented {
		t.Errorf("the next look: %v, defragmented %v, want the same error and no defragmentation", err, s.Admin.Maintenance().DefragmentedAt)
	}
	if _, err := records.Commit(t.Context(), store.Create("/minato/a", nil)); !minato.Is(err, minato.Unavailable) {
		t.Errorf("a write: %v, want an error of kind Unavailable", err)
	}
	if err := s.Admin.DeleteTenant(t.Context(), "big"); err != nil {
		t.Fatal(err)
	}
	// The database counts pages as free one or two writes after they were given up.
	healed = s.Admin.Look(t.Context(), &m)
	for i := 0; i < spares && healed != nil; i++ {
		if _, err := records.Commit(t.Context(), store.Delete(fmt.Sprintf("/minato/spare/%d", i), store.AnyRevision)); err != nil {
			t.Fatal(err)
		}
		healed = s.Admin.Look(t.Context(), &m)
	}
	if healed != nil {
		t.Fatal(healed)
	}
	wantHealed(t, s, records, "/minato/a")
}

// TestTenantsLeaveSpace: a tenant that fills etcd cannot keep Minato from deleting it.
func TestTenantsLeaveSpace(t *testing.T) {
	t.Parallel()
	const quota = 64 << 20
	s := withQuota(t, quota)
	big, small := tenant(t, s, "big"), tenant(t, s, "small")
	txn := func(c *clientv3.Client, key, value string) error {
		inner := clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut(key, value)}, nil)
		_, err := c.Txn(t.Context()).Then(inner).Commit()
		return err
	}
	keys := 0
	write := func() error {
		value := strings.Repeat("x", 256<<10)
		if keys > quota*3/4/len(value) {
			value = value[:16<<10] // what is in use is known at each commit only, every 100 ms
		}
		keys++
		return txn(big, fmt.Sprintf("/k8s/big/%d", keys), value)
	}
	var m etcd.Mark
	// Dropping history makes room again, until there is none.
	for room := true; room; {
		var err error
		for err == nil && keys < 2000 {
			err = write()
		}
		if !errors.Is(err, rpctypes.ErrNoSpace) {
			t.Fatalf("after %d values: %v, want no space", keys, err)
		}
		err = s.Admin.Look(t.Context(), &m)
		room = write() == nil
		if !room && !minato.Is(err, minato.LimitExceeded) {
			t.Errorf("a look at what tenants have filled: %v, want an error of kind LimitExceeded", err)
		}
	}
	if err := txn(small, "/k8s/small/x", "x"); !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Errorf("another tenant's write: %v, want no space", err)
	}
	if _, err := small.Grant(t.Context(), 60); !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Errorf("another tenant's lease: %v, want no space", err)
	}
	allowed(t, s.Client, put("/minato/eks/clusters/deleting"))
	allowed(t, big, remove("/k8s/big/1"), get("/k8s/big/", clientv3.WithPrefix(), clientv3.WithCountOnly()))
	if err := s.Admin.DeleteTenant(t.Context(), "big"); err != nil {
		t.Fatal(err)
	}
	// The database counts pages as free one or two writes after they were given up.
	for i := range 10 {
		if err := s.Admin.Look(t.Context(), &m); err == nil {
			break
		}
		allowed(t, s.Client, put(fmt.Sprintf("/minato/spare/%d", i)))
	}
	if err := txn(small, "/k8s/small/x", "x"); err != nil {
		t.Errorf("another tenant's write when there is room again: %v", err)
	}
}

func tiny(t *testing.T) *etcdtest.Server {
	t.Helper()
	return withQuota(t, tinyQuota)
}

func withQuota(t *testing.T, quota int64) *etcdtest.Server {
	t.Helper()
	c := etcdtest.Config(t)
	c.Quota = quota
	etcdtest.Serve(t, c)
	return etcdtest.Bootstrapped(t, c)
}

// wantHealed is that etcd takes writes, raises no alarm and is small again.
func wantHealed(t *testing.T, s *etcdtest.Server, records store.Store, key string) {
	t.Helper()
	if _, err := records.Commit(t.Context(), store.Create(key, []byte("x"))); err != nil {
		t.Fatalf("a write after healing: %v", err)
	}
	h, err := s.Admin.Health(t.Context())
	if err != nil || len(h.Alarms) != 0 || h.Members[0].Size > tinyQuota/2 || h.Members[0].Quota != tinyQuota {
		t.Errorf("health after healing: %+v, %v", h, err)
	}
	if got := s.Admin.Maintenance(); got.Alarm != "" || got.DefragmentedAt.IsZero() {
		t.Errorf("maintenance after healing: %+v", got)
	}
}

// TestFragmented: space that deleted data left is given back, and a small file is left alone.
func TestFragmented(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	var m etcd.Mark
	if err := s.Admin.Look(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	if got := s.Admin.Maintenance(); !got.DefragmentedAt.IsZero() {
		t.Fatalf("an empty etcd was defragmented: %+v", got)
	}
	value := strings.Repeat("x", 1<<20)
	for i := range 80 {
		if _, err := s.Client.Put(t.Context(), "/minato/"+strconv.Itoa(i), value); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := s.Client.Delete(t.Context(), "/minato/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.Compact(t.Context(), resp.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	// etcd counts pages as free only after more writes have been committed, which a server in use always makes; and Maintain,
	// too, looks again and again.
	for deadline := time.After(30 * time.Second); ; {
		if _, err := s.Client.Put(t.Context(), "/minato/tick", time.Now().String()); err != nil {
			t.Fatal(err)
		}
		if err := s.Admin.Look(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
		h, err := s.Admin.Health(t.Context())
		if err == nil && h.Members[0].Size <= 16<<20 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after 80 MiB were deleted: %+v, %v; want a small file", h, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestMaintainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Admin.Maintain(ctx); err != nil {
		t.Error(err)
	}
}

func TestHealthOfNothing(t *testing.T) {
	t.Parallel()
	c := etcdtest.Config(t)
	client := etcdtest.Connect(t, c.PKI.Target(etcd.Root, "127.0.0.1:"+strconv.Itoa(c.Port)))
	admin, err := etcd.NewAdmin(client, c.PKI, c.Log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	h, err := admin.Health(ctx)
	if !minato.Is(err, minato.Unavailable) || len(h.Members) != 1 || h.Members[0].Error == "" {
		t.Errorf("%+v, %v; want an error of kind Unavailable and one at the member", h, err)
	}
}
