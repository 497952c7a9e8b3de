package insights

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/eks"
)

// deafStore writes, and says that it did not.
type deafStore struct {
	store.Store
	deaf bool
}

var errDeaf = errors.New("no answer")

func (s *deafStore) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	rev, err := s.Store.Commit(ctx, ops...)
	if s.deaf && err == nil {
		return 0, errDeaf
	}
	return rev, err
}

// counted is an ingest of a log with one call, as a server that has just started makes it.
func counted(t *testing.T, s store.Store, log string) *ingest {
	t.Helper()
	i := &ingest{
		deps: Deps{
			Store: s, Clock: &clock.Clock{}, Log: slog.New(slog.DiscardHandler), AuditLog: func(string) string { return log },
		},
		clusterKey: "prod", clusterID: "c1", usage: newUsage(), saved: map[apiKey]bool{}, changed: func() {},
	}
	if err := i.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return i
}

// What was counted is written whatever became of the records of it, and of the commits before.
func TestFlush(t *testing.T) {
	event := string(line()) + "\n"
	corrupt := func(key string) func(*testing.T, *deafStore, string) {
		return func(t *testing.T, s *deafStore, log string) {
			if err := counted(t, s, log).flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Commit(t.Context(), store.Update(key, []byte("{"), store.AnyRevision)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, before := range map[string]func(t *testing.T, s *deafStore, log string){
		"at first":            func(*testing.T, *deafStore, string) {},
		"a corrupt count":     corrupt(eks.APIUsagePrefix + usageID("c1", flowSchemas)),
		"a corrupt cursor":    corrupt(eks.APIUsagePrefix + cursorID("c1")),
		"an unanswered write": func(_ *testing.T, s *deafStore, _ string) { s.deaf = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := &deafStore{Store: memstore.New()}
			if _, err := eks.Clusters(s).Create(t.Context(), "prod", *testCluster()); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(t.TempDir(), "audit.log")
			if err := os.WriteFile(log, []byte(event), 0o600); err != nil {
				t.Fatal(err)
			}
			before(t, s, log)
			i := counted(t, s, log)
			if err := i.flush(t.Context()); err != nil != s.deaf {
				t.Fatalf("the first flush: %v", err)
			}
			s.deaf = false
			// One more call, as there always is, and another try where the first finds what was written.
			if err := os.WriteFile(log, []byte(strings.Repeat(event, 2)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := i.read(t.Context()); err != nil {
				t.Fatal(err)
			}
			_ = i.flush(t.Context())
			if err := i.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if item, err := usageRecords(s).Get(t.Context(), usageID("c1", flowSchemas)); err != nil || len(item.Value.Agents) != 1 {
				t.Errorf("counts %+v, %v", item.Value, err)
			}
			if item, err := cursors(s).Get(t.Context(), cursorID("c1")); err != nil || item.Value.Position.Offset != int64(2*len(event)) {
				t.Errorf("cursor %+v, %v, want the end of the log", item.Value, err)
			}
		})
	}
}

// A call that a clock ahead of ours has dated counts as of now, and later ones after it.
func TestCallsOfTheFuture(t *testing.T) {
	s := memstore.New()
	if _, err := eks.Clusters(s).Create(t.Context(), "prod", *testCluster()); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	log := filepath.Join(t.TempDir(), "audit.log")
	var text []byte
	for _, at := range []time.Time{now.AddDate(1, 0, 0), now} {
		text = append(append(text, line("2026-10-01T12:00:00.123456Z", at.Format(time.RFC3339Nano))...), '\n')
	}
	if err := os.WriteFile(log, text, 0o600); err != nil {
		t.Fatal(err)
	}
	clients := counted(t, s, log).usage.clients(time.Now())[flowSchemas]
	if len(clients) != 1 || clients[0].count != 2 || clients[0].last.After(time.Now()) {
		t.Errorf("the clients are %+v", clients)
	}
}

// An API that nobody has called in a month makes room for others, in memory and in the store.
func TestForgottenAPIs(t *testing.T) {
	s := memstore.New()
	if _, err := eks.Clusters(s).Create(t.Context(), "prod", *testCluster()); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "audit.log")
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(log, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(string(line()))
	i := counted(t, s, log)
	if err := i.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := i.usage.clients(noon.AddDate(0, 0, 31)); len(got) != 0 {
		t.Fatalf("after a month the clients are %v", got)
	}
	other := string(line("v1beta3", "v1alpha1", "flowcontrol.apiserver.k8s.io", "shop.example.com", "flowschemas", "carts", "1.32", ""))
	write(string(line()), other)
	if _, _, err := i.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := usageRecords(s).Get(t.Context(), usageID("c1", flowSchemas)); !errors.Is(err, store.ErrNotFound) || len(i.usage.apis) != 1 {
		t.Errorf("the record of what is forgotten: %v; there are %d APIs", err, len(i.usage.apis))
	}
	write(string(line()), other, string(line()))
	if _, _, err := i.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if item, err := usageRecords(s).Get(t.Context(), usageID("c1", flowSchemas)); err != nil || len(item.Value.Agents) != 1 {
		t.Errorf("called once more, its record is %+v, %v", item.Value, err)
	}
}
