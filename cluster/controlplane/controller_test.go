package controlplane

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/service/eks"
)

var oneGeneration = []string{"kube-apiserver-1", "kube-controller-manager-1", "kube-scheduler-1"}

func TestCreate(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	c, plane := h.cluster(id), h.plane(id)

	if want := fmt.Sprintf("https://127.0.0.1:%d", plane.Port); c.Status.Endpoint != want {
		t.Errorf("endpoint %q, want %q", c.Status.Endpoint, want)
	}
	if pem, err := base64.StdEncoding.DecodeString(c.Status.CAData); err != nil || !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
		t.Errorf("CAData %q is not base64 of PEM", c.Status.CAData)
	}
	if want := "https://127.0.0.1:4567/id/" + c.ID; c.Status.Issuer != want {
		t.Errorf("issuer %q, want %q", c.Status.Issuer, want)
	}
	if c.Status.ObservedGeneration != 1 || len(c.Status.Health) != 0 || c.Status.PlatformVersion == "" {
		t.Errorf("status %+v", c.Status)
	}
	if got := h.running(); !slices.Equal(got, oneGeneration) {
		t.Errorf("running %v, want %v", got, oneGeneration)
	}
	for _, cond := range c.Status.Conditions {
		if !cond.OK {
			t.Errorf("condition %+v", cond)
		}
	}
	if bytes.Contains(plane.Sealed, []byte("PRIVATE KEY")) {
		t.Error("the record's keys are not sealed")
	}
}

func TestNothingToDoWritesNothing(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	began := len(h.started)
	h.interrupt = func(what string) error {
		if what == "commit" {
			t.Error("a pass over a cluster that is as it should be wrote something")
		}
		return nil
	}
	h.pass(id)
	h.restart() // a new server finds everything as it should be, too
	h.pass(id)
	if len(h.started) != began {
		t.Errorf("processes started again: %v", h.started[began:])
	}
}

func TestUpdateIsObserved(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	c := h.cluster(id)
	update := eks.Update{ID: "u1", ClusterID: c.ID, Status: eks.UpdateInProgress, Generation: 2}
	_, err := eks.Updates(h.store).Create(t.Context(), eks.UpdatesOf(&c)+"u1", update)
	must(t, err)
	h.modify(id, func(c *eks.Cluster) {
		c.Spec.PublicAccessCIDRs = []string{"198.51.100.0/24"}
		c.Spec.Generation = 2
		c.Status.Status = eks.ClusterUpdating
	})
	h.pass(id)

	if st := h.cluster(id).Status; st.Status != eks.ClusterActive || st.ObservedGeneration != 2 {
		t.Errorf("status %s observed %d, want ACTIVE 2", st.Status, st.ObservedGeneration)
	}
	item, err := eks.Updates(h.store).Get(t.Context(), eks.UpdatesOf(&c)+"u1")
	must(t, err)
	if item.Value.Status != eks.UpdateSuccessful {
		t.Errorf("update is %s, want Successful", item.Value.Status)
	}
	route, err := gate.Routes(h.store).Get(t.Context(), c.ID)
	must(t, err)
	if !slices.Equal(route.Value.AllowCIDRs, []string{"198.51.100.0/24"}) {
		t.Errorf("route allows %v", route.Value.AllowCIDRs)
	}
	if got := h.running(); !slices.Equal(got, oneGeneration) {
		t.Errorf("an update of the allowed networks changed the processes: %v", got)
	}
}

func TestNewArgumentsSwapTheGeneration(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	before := h.plane(id)
	h.deps.Settings.EtcdEndpoints = []string{"https://127.0.0.1:2380"}
	h.restart()
	var order []string
	h.interrupt = func(what string) error { order = append(order, what); return nil }
	h.pass(id)

	after := h.plane(id)
	if after.Active.Number != 2 || after.Next != nil || after.Port != before.Port {
		t.Errorf("active %+v next %v port %d, want generation 2 on port %d", after.Active, after.Next, after.Port, before.Port)
	}
	if got, want := h.running(), []string{"kube-apiserver-2", "kube-controller-manager-2", "kube-scheduler-2"}; !slices.Equal(got, want) {
		t.Errorf("running %v, want %v", got, want)
	}
	route, err := gate.Routes(h.store).Get(t.Context(), h.cluster(id).ID)
	must(t, err)
	if want := []string{loopback(after.Active.Ports.APIServer)}; !slices.Equal(route.Value.Backends, want) {
		t.Errorf("backends %v, want %v", route.Value.Backends, want)
	}
	// The gate must have turned before anything of the old generation ends, and no two controller managers may run at once.
	if started, stopped, gate := slices.Index(order, "ensure kube-apiserver"), slices.Index(order, "stop"), slices.Index(order, "gate"); started > gate || gate > stopped {
		t.Errorf("order %v, want the new kube-apiserver, then the gate, then the old one's end", order)
	}
	if stopped, started := slices.Index(order, "stop"), slices.Index(order, "ensure kube-controller-manager"); stopped > started {
		t.Errorf("order %v, want the old controllers to end before the new ones start", order)
	}
	if dirs, _ := filepath.Glob(filepath.Join(string(newRunDir(h.home, after.ClusterID)), "gen-*")); len(dirs) != 1 {
		t.Errorf("generation folders %v, want one", dirs)
	}
	if l, _ := portClaims(h.store).List(t.Context(), "", "", 0); len(l.Items) != 4 {
		t.Errorf("%d ports are claimed, want 4", len(l.Items))
	}
}

// TestTurnedGateStaysTurned: a server that died between turning the gate and writing so down does not turn it back.
func TestTurnedGateStaysTurned(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	h.deps.Settings.EtcdEndpoints = []string{"https://127.0.0.1:2380"}
	h.restart()
	h.interrupt = func(what string) error {
		if what == "stop" {
			return errKilled
		}
		return nil
	}
	if _, err := h.controller.Reconcile(t.Context(), id); !errors.Is(err, errKilled) {
		t.Fatalf("err = %v, want killed", err)
	}
	next := h.plane(id).Next
	if next == nil {
		t.Fatal("there is no next generation")
	}
	routes := gate.Routes(h.store)
	before, err := routes.Get(t.Context(), h.cluster(id).ID)
	must(t, err)
	if !slices.Equal(before.Value.Backends, backendsOf(*next)) {
		t.Fatalf("backends %v, want the next generation's", before.Value.Backends)
	}
	h.interrupt = func(what string) error {
		if now, err := routes.Get(t.Context(), before.ID); err != nil || !slices.Equal(now.Value.Backends, before.Value.Backends) {
			t.Errorf("before %q the route goes to %v, %v, after %v", what, now.Value.Backends, err, before.Value.Backends)
		}
		return nil
	}
	h.restart()
	h.pass(id)
	if after, err := routes.Get(t.Context(), before.ID); err != nil || len(after.Value.Leaving) > 0 {
		t.Errorf("%v are leaving still, %v", after.Value.Leaving, err)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	other := h.active("prod2")
	c := h.cluster(id)
	_, err := eks.Updates(h.store).Create(t.Context(), eks.UpdatesOf(&c)+"u1", eks.Update{ID: "u1"})
	must(t, err)
	h.modify(id, func(c *eks.Cluster) { c.Status.Status = eks.ClusterDeleting })
	h.interrupt = func(what string) error {
		if _, there := h.networks[c.ID]; there && what == "delete security group" {
			return errors.New("its interfaces are still there")
		}
		return nil
	}
	h.pass(id)
	h.wantGone(c)
	if _, there := h.networks[c.ID]; there {
		t.Error("the control plane's interfaces are still there")
	}
	if !h.groups["sg-1"] {
		t.Error("the cluster's security group is still there")
	}
	if got := h.running(); !slices.Equal(got, oneGeneration) {
		t.Errorf("running %v, want the other cluster's %v", got, oneGeneration)
	}
	h.pass(other)
}

// wantGone checks that nothing of a deleted cluster is left.
func (h *harbour) wantGone(c eks.Cluster) {
	h.t.Helper()
	l, err := h.store.List(h.t.Context(), "/", store.ListOptions{})
	must(h.t, err)
	for _, e := range l.Entries {
		if strings.Contains(e.Key+string(e.Value), c.ID) {
			h.t.Errorf("left in the store: %s", e.Key)
		}
	}
	if names := h.deps.Processes.of(c.ID); len(names) > 0 {
		h.t.Errorf("left running: %v", names)
	}
	if h.tenants[c.ID] {
		h.t.Error("left in etcd: the tenant")
	}
	for _, dir := range []string{string(newRunDir(h.home, c.ID)), LogDir(h.home, c.ID)} {
		if _, err := os.Stat(dir); err == nil {
			h.t.Errorf("left on disk: %s", dir)
		}
	}
}

var errKilled = errors.New("killed")

// TestKilledAnywhere ends the server at every single thing that it does while it creates, changes and deletes a cluster, and
// has a new one go on from there.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"create", "swap", "upgrade", "delete"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			for n := 0; ; n++ {
				if !killedAt(t, phase, n) {
					if n < 5 {
						t.Fatalf("only %d points to be killed at", n)
					}
					return
				}
			}
		})
	}
}

// killedAt does one phase with a kill at the n-th thing done; false when there are not so many.
func killedAt(t *testing.T, phase string, n int) (killed bool) {
	h := newHarbour(t)
	id := h.create("prod")
	c, update := h.cluster(id), ""
	if phase != "create" {
		h.pass(id)
	}
	switch phase {
	case "swap":
		h.deps.Settings.EtcdEndpoints = []string{"https://127.0.0.1:2380"}
		h.restart()
	case "upgrade":
		update = h.beginUpgrade(id, eks.VersionUpdate, "1.36")
	case "delete":
		h.modify(id, func(c *eks.Cluster) { c.Status.Status = eks.ClusterDeleting })
	}
	count, what := 0, ""
	h.interrupt = func(w string) error {
		// A dead process does nothing more: everything after the kill fails as well.
		if count++; count > n {
			killed = true
			if what == "" {
				what = w
			}
			return errKilled
		}
		return nil
	}
	_, err := h.controller.Reconcile(t.Context(), id)
	if killed && err == nil {
		t.Fatalf("killed at %s (%d): the pass says that all is well", what, n)
	}
	h.interrupt = func(string) error { return nil }
	h.restart()
	must(t, h.controller.StopLeftovers(t.Context()))
	h.pass(id)
	if phase == "delete" {
		h.wantGone(c)
		return killed
	}
	want := oneGeneration
	if phase == "swap" || phase == "upgrade" {
		want = []string{"kube-apiserver-2", "kube-controller-manager-2", "kube-scheduler-2"}
	}
	if st := h.cluster(id).Status; st.Status != eks.ClusterActive || len(st.Health) != 0 {
		t.Errorf("killed at %s (%d): status %+v, want ACTIVE", what, n, st)
	}
	if got := h.running(); !slices.Equal(got, want) {
		t.Errorf("killed at %s (%d): running %v, want %v", what, n, got, want)
	}
	if phase == "upgrade" && h.update(update).Status != eks.UpdateSuccessful {
		t.Errorf("killed at %s (%d): update %+v, want Successful", what, n, h.update(update))
	}
	return killed
}

func TestEndpointPortTaken(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.create("prod")
	// While it is being created, another port will do.
	first := 0
	h.interrupt = func(what string) error {
		if what == "gate" && first == 0 {
			first = h.plane(id).Port
			h.taken[first] = true
		}
		return nil
	}
	h.pass(id)
	port := h.plane(id).Port
	if port == first || h.cluster(id).Status.Status != eks.ClusterActive {
		t.Fatalf("port %d after %d was taken, status %s", port, first, h.cluster(id).Status.Status)
	}
	if _, err := portClaims(h.store).Get(t.Context(), fmt.Sprint(first)); err == nil {
		t.Errorf("port %d is still claimed", first)
	}
	// Once clients know it, it stays, and the owner is told.
	h.taken[port] = true
	if _, err := h.controller.Reconcile(t.Context(), id); err == nil {
		t.Error("no error though the port is taken")
	}
	st := h.cluster(id).Status
	if len(st.Health) != 1 || st.Health[0].Code != issueUnreachable || !strings.Contains(st.Health[0].Message, fmt.Sprint(port)) {
		t.Errorf("health %+v, want an issue that names port %d", st.Health, port)
	}
	if st.Status != eks.ClusterActive || h.plane(id).Port != port {
		t.Errorf("status %s port %d, want ACTIVE on %d", st.Status, h.plane(id).Port, port)
	}
	// What is wrong with the cluster's resources is told beside that.
	h.issues = []eks.HealthIssue{{Code: "IamRoleNotFound"}}
	_, _ = h.controller.Reconcile(t.Context(), id)
	if health := h.cluster(id).Status.Health; len(health) != 2 || health[0].Code != issueUnreachable || health[1].Code != "IamRoleNotFound" {
		t.Errorf("health %+v, want the port and the role", health)
	}
	delete(h.taken, port)
	h.pass(id)
	if health := h.cluster(id).Status.Health; len(health) != 1 || health[0].Code != "IamRoleNotFound" {
		t.Errorf("health %+v after the port came free, want the role", health)
	}
	h.issues = nil
	h.pass(id)
	if health := h.cluster(id).Status.Health; len(health) != 0 {
		t.Errorf("health %+v after all is mended", health)
	}
}

func TestDiskFullHealsItself(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.create("prod")
	h.interrupt = func(what string) error {
		if what == "ensure kube-apiserver" {
			return fmt.Errorf("opening log: %w", syscall.ENOSPC)
		}
		return nil
	}
	if _, err := h.controller.Reconcile(t.Context(), id); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("err = %v, want no space", err)
	}
	st := h.cluster(id).Status
	if st.Status != eks.ClusterCreating || len(st.Health) != 1 || st.Health[0].Code != issueLimitExceeded {
		t.Errorf("status %+v, want CREATING with an issue", st)
	}
	h.interrupt = func(string) error { return nil }
	h.pass(id)
	if st := h.cluster(id).Status; st.Status != eks.ClusterActive || len(st.Health) != 0 {
		t.Errorf("status %+v, want ACTIVE and healthy", st)
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.create("prod")
	h.crashing = controllerManagerComponent
	for range crashLoopRestarts + 1 {
		_, _ = h.controller.Reconcile(t.Context(), id)
	}
	st := h.cluster(id).Status
	if st.Status != eks.ClusterCreating || len(st.Health) != 1 || !strings.Contains(st.Health[0].Message, controllerManagerComponent) {
		t.Errorf("status %+v, want an issue that names %s", st, controllerManagerComponent)
	}
	h.crashing = ""
	h.pass(id)
	if st := h.cluster(id).Status; st.Status != eks.ClusterActive || len(st.Health) != 0 {
		t.Errorf("status %+v, want ACTIVE", st)
	}
}

func TestPrivatePortTaken(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	h.deps.PortTaken = func(int) bool { return true }
	h.restart()
	id := h.create("prod")
	h.crashing = apiServerComponent
	_, _ = h.controller.Reconcile(t.Context(), id)
	before := h.plane(id).Active.Ports.APIServer
	h.crashing = ""
	h.pass(id)
	if got := h.plane(id).Active; got.Number != 2 || got.Ports.APIServer == before {
		t.Errorf("active %+v, want generation 2 on another port than %d", got, before)
	}
	if st := h.cluster(id).Status; st.Status != eks.ClusterActive {
		t.Errorf("status %s, want ACTIVE", st.Status)
	}
}

// TestPrivatePortTakenAndKilled: the generation on other ports goes on where it was when Minato ended.
func TestPrivatePortTakenAndKilled(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	h.deps.PortTaken = func(int) bool { return true }
	for _, p := range h.processes {
		p.state = supervisor.Backoff
	}
	h.interrupt = func(what string) error {
		if what == "ensure "+apiServerComponent {
			return errKilled
		}
		return nil
	}
	h.restart()
	if _, err := h.controller.Reconcile(t.Context(), id); err == nil || h.plane(id).Next == nil {
		t.Fatalf("next %+v, error %v, want a generation that was begun", h.plane(id).Next, err)
	}
	h.interrupt = func(string) error { return nil }
	h.restart()
	h.settle(id)
	if plane := h.plane(id); plane.Active.Number != 2 || plane.Next != nil {
		t.Errorf("active %+v next %+v, want generation 2", plane.Active, plane.Next)
	}
}

func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(cp *ControlPlane) []byte{
		"not JSON":     func(*ControlPlane) []byte { return []byte("{") },
		"other keys":   func(cp *ControlPlane) []byte { cp.Sealed[0] ^= 1; return nil },
		"newer format": func(*ControlPlane) []byte { return []byte(`{"v":99,"data":{}}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t)
			ruin := func(id string) {
				item, err := Records(h.store).Get(t.Context(), h.cluster(id).ID)
				must(t, err)
				op := store.Update(Records(h.store).Key(item.ID), spoil(&item.Value), item.Revision)
				if op.Value == nil {
					op = Records(h.store).UpdateOp(item)
				}
				_, err = h.store.Commit(t.Context(), op)
				must(t, err)
			}

			up := h.active("prod")
			ruin(up)
			if _, err := h.controller.Reconcile(t.Context(), up); err == nil {
				t.Error("no error though the record is corrupt")
			}
			if st := h.cluster(up).Status; st.Status != eks.ClusterActive || len(st.Health) != 1 {
				t.Errorf("status %+v, want ACTIVE with an issue", st)
			}
			h.wantUpdateFails(up)
			must(t, h.controller.StopLeftovers(t.Context()))
			if got := h.running(); !slices.Equal(got, oneGeneration) {
				t.Errorf("running %v: what served must go on", got)
			}

			fresh := h.create("young")
			h.interrupt = func(what string) error {
				if what == "tenant" {
					return errors.New("not now")
				}
				return nil
			}
			_, _ = h.controller.Reconcile(t.Context(), fresh)
			h.interrupt = func(string) error { return nil }
			ruin(fresh)
			_, _ = h.controller.Reconcile(t.Context(), fresh)
			if st := h.cluster(fresh).Status; st.Status != eks.ClusterFailed || len(st.Health) != 1 {
				t.Errorf("status %+v, want FAILED with an issue", st)
			}

			for _, id := range []string{up, fresh} {
				c := h.cluster(id)
				h.modify(id, func(c *eks.Cluster) { c.Status.Status = eks.ClusterDeleting })
				h.pass(id)
				h.wantGone(c)
			}
		})
	}
}

// wantUpdateFails changes a cluster whose control plane's record is corrupt: the update ends, and leaves what was before it.
func (h *harbour) wantUpdateFails(id string) {
	h.t.Helper()
	before := h.cluster(id)
	key := eks.UpdatesOf(&before) + "u1"
	_, err := eks.Updates(h.store).Create(h.t.Context(), key, eks.Update{ID: "u1", ClusterID: before.ID,
		Status: eks.UpdateInProgress, Generation: before.Spec.Generation + 1, Before: &before.Spec})
	must(h.t, err)
	h.modify(id, func(c *eks.Cluster) {
		c.Spec.LoggingTypes = []string{"api"}
		c.Spec.Generation++
		c.Status.Status = eks.ClusterUpdating
	})
	_, _ = h.controller.Reconcile(h.t.Context(), id)
	if c := h.cluster(id); c.Status.Status != eks.ClusterActive || len(c.Spec.LoggingTypes) > 0 || c.Spec.Generation <= before.Spec.Generation {
		h.t.Errorf("cluster is %s with spec %+v, want ACTIVE as it was", c.Status.Status, c.Spec)
	}
	update, err := eks.Updates(h.store).Get(h.t.Context(), key)
	must(h.t, err)
	if u := update.Value; u.Status != eks.UpdateFailed || len(u.Errors) != 1 || u.Errors[0].Message == "" {
		h.t.Errorf("update %+v, want it Failed with the reason", u)
	}
}

func TestDeletedWhileCreating(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.create("prod")
	c := h.cluster(id)
	// The gate never answers until the owner has had enough.
	waiting := make(chan struct{})
	obey := h.deps.GateApplied
	h.deps.GateApplied = func(ctx context.Context, _ store.Revision) error {
		close(waiting)
		<-ctx.Done()
		return ctx.Err()
	}
	h.restart()
	done := make(chan error)
	go func() { _, err := h.controller.Reconcile(t.Context(), id); done <- err }()
	<-waiting
	h.modify(id, func(c *eks.Cluster) { c.Status.Status = eks.ClusterDeleting })
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the pass goes on though its cluster is being deleted")
	}
	h.deps.GateApplied = obey
	h.restart()
	h.pass(id)
	h.wantGone(c)
}
