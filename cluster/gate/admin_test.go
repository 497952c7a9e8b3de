package gate

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
)

func (w *world) get(path string) (int, string) {
	w.t.Helper()
	resp, err := http.Get("http://" + w.admin + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// up waits until the admin listener answers.
func (w *world) up() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := Applied(ctx, w.admin, 0); err != nil {
		w.t.Fatal(err)
	}
}

func TestReadyOnlyOnceTheRoutesAreRead(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *Config) { c.Store.(*outage).begin() })
	w.up()
	if code, _ := w.get("/healthz"); code != http.StatusOK {
		t.Errorf("healthz = %d", code)
	}
	if code, body := w.get("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz without routes = %d %s", code, body)
	}
	w.store.end()
	w.set(anyone(w, backend(t, "a")))
	if code, body := w.get("/readyz"); code != http.StatusOK {
		t.Errorf("readyz = %d %s", code, body)
	}
}

func TestMetricsCountByResultAndForgetDeletedClusters(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.set(Route{Port: w.port, Backends: []string{backend(t, "a")}, AllowCIDRs: []string{"127.0.0.2/32"}})
	if !w.refused("127.0.0.1") {
		t.Error("a client outside of the list got in")
	}
	c := w.dial("127.0.0.2")
	c.ask("1")
	_, body := w.get("/metrics")
	for _, want := range []string{
		`minato_gate_connections_total{cluster="c1",result="forbidden"} 1`,
		`minato_gate_connections_total{cluster="c1",result="proxied"} 1`,
		`minato_gate_connections_open{cluster="c1"} 1`,
		`minato_gate_routes 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q:\n%s", want, body)
		}
	}
	item, err := w.routes.Get(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	rev, err := w.store.Commit(t.Context(), w.routes.DeleteOp(item))
	if err != nil {
		t.Fatal(err)
	}
	if err := Applied(t.Context(), w.admin, rev); err != nil {
		t.Fatal(err)
	}
	if _, body := w.get("/metrics"); strings.Contains(body, "c1") {
		t.Errorf("metrics still name the deleted cluster:\n%s", body)
	}
}

func TestAppliedSaysNotYet(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.up()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Applied(ctx, w.admin, 1_000_000); !minato.Is(err, minato.Unavailable) {
		t.Errorf("Applied(a revision to come) = %v, want kind unavailable", err)
	}
	for _, bad := range []string{"", "x", "-1"} {
		if code, body := w.get("/applied?revision=" + bad); code != http.StatusBadRequest {
			t.Errorf("revision %q: %d %s", bad, code, body)
		}
	}
}

func TestStateWithoutAGate(t *testing.T) {
	t.Parallel()
	if _, err := State(t.Context(), "127.0.0.1:1", "c1"); !minato.Is(err, minato.Unavailable) {
		t.Errorf("State = %v, want kind unavailable", err)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.set(anyone(w, "127.0.0.1:1"))
	states, err := States(t.Context(), w.admin)
	if err != nil || len(states) != 1 || states[0].ClusterID != "c1" || !states[0].Listening {
		t.Errorf("States = %+v, %v", states, err)
	}
}
