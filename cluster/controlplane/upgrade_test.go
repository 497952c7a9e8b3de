package controlplane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/service/eks"
)

// beginUpgrade is what UpdateClusterVersion writes.
func (h *harbour) beginUpgrade(recordID, kind, to string) (updateKey string) {
	h.t.Helper()
	return beginUpgrade(h.t, h.store, recordID, kind, to)
}

func beginUpgrade(t *testing.T, s store.Store, recordID, kind, to string) (updateKey string) {
	t.Helper()
	return beginUpdate(t, s, recordID, kind, func(spec *eks.ClusterSpec) { spec.Version = to })
}

// beginUpdate is what UpdateClusterConfig writes.
func beginUpdate(t *testing.T, s store.Store, recordID, kind string, change func(*eks.ClusterSpec)) (updateKey string) {
	t.Helper()
	clusters := eks.Clusters(s)
	item, err := clusters.Get(t.Context(), recordID)
	must(t, err)
	before := item.Value.Spec
	id := fmt.Sprintf("update-%d", before.Generation+1)
	key := eks.UpdatesOf(&item.Value) + store.ID(id)
	_, err = eks.Updates(s).Create(t.Context(), key, eks.Update{
		ID: id, ClusterID: item.Value.ID, Type: kind, Status: eks.UpdateInProgress, Generation: before.Generation + 1, Before: &before,
	})
	must(t, err)
	_, err = clusters.Modify(t.Context(), recordID, func(c *eks.Cluster) error {
		change(&c.Spec)
		c.Spec.Generation++
		return c.Transition(eks.ClusterUpdating, eks.ByAPI)
	})
	must(t, err)
	return key
}

func (h *harbour) update(key string) eks.Update {
	h.t.Helper()
	item, err := eks.Updates(h.store).Get(h.t.Context(), key)
	must(h.t, err)
	return item.Value
}

// settle makes passes until the cluster is ACTIVE, as the reconcile loop does whatever each of them says.
func (h *harbour) settle(recordID string) eks.Cluster {
	h.t.Helper()
	for range 20 {
		_, err := h.controller.Reconcile(h.t.Context(), recordID)
		if c := h.cluster(recordID); err == nil && c.Status.Status == eks.ClusterActive {
			return c
		}
	}
	h.t.Fatalf("the cluster never becomes ACTIVE: %+v", h.cluster(recordID).Status)
	return eks.Cluster{}
}

func TestUpgradeAndRollback(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	before := h.plane(id)
	for i, step := range []struct{ kind, to, patch string }{{eks.VersionUpdate, "1.36", "v1.36.3"}, {eks.VersionRollback, "1.35", "v1.35.4"}} {
		key := h.beginUpgrade(id, step.kind, step.to)
		if c := h.cluster(id); c.Serving() == step.to || c.NodeLimit() != "1.35" {
			t.Errorf("before the pass the cluster serves %s, and nodes may have %s", c.Serving(), c.NodeLimit())
		}
		h.pass(id)
		c, plane := h.cluster(id), h.plane(id)
		if c.Status.Status != eks.ClusterActive || c.Serving() != step.to || len(c.Status.Versions) != i+2 {
			t.Errorf("status %+v, want ACTIVE with %s", c.Status, step.to)
		}
		if u := h.update(key); u.Status != eks.UpdateSuccessful || u.Before != nil {
			t.Errorf("update %+v, want Successful", u)
		}
		if plane.Active.Number != i+2 || plane.Active.Patch != step.patch || plane.Next != nil || plane.Port != before.Port {
			t.Errorf("active %+v next %+v on port %d, want generation %d of %s on port %d", plane.Active, plane.Next, plane.Port, i+2, step.patch, before.Port)
		}
		for _, name := range h.names() {
			if path := h.processes[name].spec.Path; !strings.Contains(path, "/v"+step.to+"/") {
				t.Errorf("%s runs %s, want %s", name, path, step.to)
			}
		}
	}
}

// TestUpgradeThatDoesNotComeUp: the new version's programs end at once, before the gate turns to them or after.
func TestUpgradeThatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	for component, running := range map[string][]string{
		apiServerComponent: oneGeneration, // it has never stopped
		// The gate had turned: another generation of the old version takes over.
		controllerManagerComponent: {"kube-apiserver-3", "kube-controller-manager-3", "kube-scheduler-3"},
		schedulerComponent:         {"kube-apiserver-3", "kube-controller-manager-3", "kube-scheduler-3"},
	} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t)
			id := h.active("prod")
			h.crashing, h.crashingIn = component, "/v1.36/"
			key := h.beginUpgrade(id, eks.VersionUpdate, "1.36")
			c := h.settle(id)
			u := h.update(key)
			if u.Status != eks.UpdateFailed || len(u.Errors) != 1 || !strings.Contains(u.Errors[0].Message, component+" has ended") || !strings.Contains(u.Errors[0].Message, "goes on with 1.35") {
				t.Errorf("update %+v, want it Failed because %s ends", u, component)
			}
			if c.Spec.Version != "1.35" || c.Serving() != "1.35" || c.Status.ObservedGeneration != c.Spec.Generation || len(c.Status.Health) != 0 {
				t.Errorf("spec %s, status %+v, want all as it was with 1.35", c.Spec.Version, c.Status)
			}
			if got := h.running(); !slices.Equal(got, running) {
				t.Errorf("running %v, want %v", got, running)
			}
			plane := h.plane(id)
			route, err := gate.Routes(h.store).Get(t.Context(), c.ID)
			must(t, err)
			if plane.Next != nil || !slices.Equal(route.Value.Backends, backendsOf(plane.Active)) || len(route.Value.Leaving) > 0 {
				t.Errorf("next %+v, route %+v, want the active generation's alone: %+v", plane.Next, route.Value, plane.Active)
			}
			if l, _ := portClaims(h.store).List(t.Context(), "", "", 0); len(l.Items) != 4 {
				t.Errorf("%d ports are claimed, want 4", len(l.Items))
			}
		})
	}
}

// TestUpgradeGivenUpAfterTheGateTurned: a spec that goes back between the turn of the gate and the end of the old generation finds
// the old kube-apiserver there, and the connections come back to it before the new one ends.
func TestUpgradeGivenUpAfterTheGateTurned(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	h.beginUpgrade(id, eks.VersionUpdate, "1.36")
	h.interrupt = func(what string) error {
		if what == "stop" { // the old controllers, after the turn
			return errKilled
		}
		return nil
	}
	_, err := h.controller.Reconcile(t.Context(), id)
	if err == nil {
		t.Fatal("nothing was stopped")
	}
	h.modify(id, func(c *eks.Cluster) { c.Spec.Version = "1.35"; c.Spec.Generation++ })
	routes := gate.Routes(h.store)
	h.interrupt = func(what string) error {
		if what != "stop" {
			return nil
		}
		route, err := routes.Get(t.Context(), h.cluster(id).ID)
		must(t, err)
		if active := h.plane(id).Active; active.Number != 1 || !slices.Equal(route.Value.Backends, backendsOf(active)) {
			t.Errorf("a process is stopped while the route is %+v, active %+v", route.Value, active)
		}
		return nil
	}
	h.restart()
	h.settle(id)
	if got := h.running(); !slices.Equal(got, oneGeneration) {
		t.Errorf("running %v, want %v", got, oneGeneration)
	}
}

// TestUpgradeWithoutItsProgram: what was built when the update began has gone.
func TestUpgradeWithoutItsProgram(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	h.deps.Kube = "/nowhere"
	h.restart()
	key := h.beginUpgrade(id, eks.VersionUpdate, "1.36")
	for range 3 {
		_, _ = h.controller.Reconcile(t.Context(), id)
	}
	if u := h.update(key); u.Status != eks.UpdateFailed || !strings.Contains(u.Errors[0].Message, "make kube VERSION=1.36") {
		t.Errorf("update %+v, want it Failed with what to build", u)
	}
	if c := h.cluster(id); c.Spec.Version != "1.35" || c.Spec.Generation != 3 {
		t.Errorf("spec %+v, want 1.35 again", c.Spec)
	}
}

// TestUpgradeWhoseProgramCannotBeRun: it is there, and the kernel does not take it. Only who starts it finds out, and nobody tries for long.
func TestUpgradeWhoseProgramCannotBeRun(t *testing.T) {
	t.Parallel()
	for _, component := range []string{apiServerComponent, schedulerComponent} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t)
			id := h.active("prod")
			h.unrunnable = component
			key := h.beginUpgrade(id, eks.VersionUpdate, "1.36")
			h.settle(id)
			if u := h.update(key); u.Status != eks.UpdateFailed || !strings.Contains(u.Errors[0].Message, component+": "+supervisor.ErrProgram.Error()) {
				t.Errorf("update %+v, want it Failed because %s cannot be run", u, component)
			}
			if c := h.cluster(id); c.Serving() != "1.35" || len(c.Status.Health) != 0 {
				t.Errorf("status %+v, want 1.35 again", c.Status)
			}
		})
	}
}

// TestUpgradeThatTakesTooLong: the time that it may take is counted from its own generation's beginning.
func TestUpgradeThatTakesTooLong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failing string // where the pass does not get on
		begun   func(*ControlPlane)
		want    eks.UpdateStatus
	}{
		"the last upgrade is long ago": {"ports", func(p *ControlPlane) { p.Active.Begun = time.Now().Add(-time.Hour) }, eks.UpdateInProgress},
		"it has just begun":            {"gate", func(*ControlPlane) {}, eks.UpdateInProgress},
		"it has begun long ago":        {"gate", func(p *ControlPlane) { p.Next.Begun = time.Now().Add(-time.Hour) }, eks.UpdateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t)
			id := h.active("prod")
			key := h.beginUpgrade(id, eks.VersionUpdate, "1.36")
			h.interrupt = func(what string) error {
				if what == test.failing {
					return errors.New("not now")
				}
				return nil
			}
			free := h.deps.FreePorts
			h.deps.FreePorts = func(ctx context.Context, n int) ([]int, func(), error) {
				if err := h.at("ports"); err != nil {
					return nil, nil, err
				}
				return free(ctx, n)
			}
			h.restart()
			_, _ = h.controller.Reconcile(t.Context(), id)
			item, err := Records(h.store).Get(t.Context(), h.cluster(id).ID)
			must(t, err)
			test.begun(&item.Value)
			_, err = Records(h.store).Put(t.Context(), item)
			must(t, err)
			if _, err := h.controller.Reconcile(t.Context(), id); err == nil {
				t.Error("the pass goes through")
			}
			if u := h.update(key); u.Status != test.want {
				t.Errorf("update %+v, want %s", u, test.want)
			}
		})
	}
}
