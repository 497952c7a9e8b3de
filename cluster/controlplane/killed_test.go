package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// Who is killed while a cluster changes its version.
const (
	theServer   = "the server"
	theOldPlane = "the control plane before"
	theNewPlane = "the control plane after"
)

// kill is a kill -9 at one step of a change of version.
type kill struct {
	Victim, Step string
	// Starting is when the step has just started a process, rather than before the step.
	Starting bool
}

func (k kill) String() string {
	if k.Starting {
		return k.Victim + ", while " + k.Step + " starts a process"
	}
	return k.Victim + ", before " + k.Step
}

// someKills are those of every run of the tests: before the gate turns, at its turn, and after it.
var someKills = []kill{{theNewPlane, "APIServer", true}, {theServer, "Switch", false}, {theOldPlane, "Retire", false}}

// testKilledUpgrades changes the version of a cluster to and fro, with a kill -9 each time.
func (w *world) testKilledUpgrades(t *testing.T, id string, kills []kill) {
	_, err := w.client(t, id).Do(t.Context(), http.MethodPost, testConfigMaps, doc{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": doc{"name": "kept"}, "data": doc{"value": "kept"},
	})
	must(t, err)
	for _, k := range kills {
		t.Run(k.String(), func(t *testing.T) { w.testKilledUpgrade(t, id, k) })
	}
}

const testConfigMaps = "/api/v1/namespaces/default/configmaps"

func (w *world) testKilledUpgrade(t *testing.T, id string, k kill) {
	before := w.cluster(t, id)
	from, to, kind := before.Spec.Version, "1.36", eks.VersionUpdate
	if from == to {
		to, kind = "1.35", eks.VersionRollback
	}
	old := w.planeOf(t, id).Active.Number
	key := beginUpgrade(t, w.store, id, kind, to)
	killed := func() int { return 1 }
	switch k.Victim {
	case theServer:
		w.runDoomedServer(t, id, k)
	case theOldPlane:
		killed = w.killAt(t, k, old)
	case theNewPlane:
		killed = w.killAt(t, k, old+1)
	}
	w.reconcile(t, id, eks.ClusterActive)
	w.controller = New(w.deps) // without the kill
	if killed() == 0 {
		t.Error("nothing was there to be killed: the test shows nothing")
	}
	item, err := eks.Updates(w.store).Get(t.Context(), key)
	must(t, err)
	c, plane := w.cluster(t, id), w.planeOf(t, id)
	switch u := item.Value; {
	case u.Status == eks.UpdateSuccessful && c.Spec.Version == to && c.Serving() == to:
	case u.Status == eks.UpdateFailed && c.Spec.Version == from && c.Serving() == from:
	default:
		t.Errorf("update %+v, spec %s, serving %s: want %s, or %s and the update Failed", u, c.Spec.Version, c.Serving(), to, from)
	}
	until(t, "the cluster as it was", func() error { return errors.Join(w.serves(t, id), w.oneGeneration(c.ID, plane)) })
}

// serves is whether a cluster's kube-apiserver is that of its version and has what was written before.
func (w *world) serves(t *testing.T, id string) error {
	admin, version := w.client(t, id), w.cluster(t, id).Spec.Version
	defer admin.Close()
	for path, want := range map[string]string{"/version": `"v` + version + ".", testConfigMaps + "/kept": `"value":"kept"`} {
		got, err := admin.Do(t.Context(), http.MethodGet, path, nil)
		if err != nil || !strings.Contains(string(got), want) {
			return fmt.Errorf("%s is %s, %w; want %s", path, got, err, want)
		}
	}
	return nil
}

// oneGeneration is whether nothing runs of a cluster but its active generation, whoever started it.
func (w *world) oneGeneration(clusterID string, plane ControlPlane) error {
	var want, names []string
	for _, component := range []string{apiServerComponent, controllerManagerComponent, schedulerComponent} {
		want = append(want, processName(clusterID, component, plane.Active.Number))
	}
	var pids []int
	for name, pid := range w.pids() {
		names, pids = append(names, name), append(pids, pid)
	}
	found := testenv.ProcessesOf(clusterID)
	for _, list := range [][]int{pids, found} {
		slices.Sort(list)
	}
	for _, list := range [][]string{want, names} {
		slices.Sort(list)
	}
	if plane.Next != nil || !slices.Equal(names, want) || !slices.Equal(found, pids) {
		return fmt.Errorf("next generation %+v, supervised %v with pids %v, running %v; want %v and nothing else", plane.Next, names, pids, found, want)
	}
	return nil
}

// killAt has the processes of a generation killed when the next pass comes to a step, and answers how many were.
func (w *world) killAt(t *testing.T, k kill, generation int) (killed func() int) {
	t.Helper()
	var mu sync.Mutex
	var n int
	all := func(is func(supervisor.Status) bool) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, st := range w.supervisor.List() {
			if strings.HasSuffix(st.Name, fmt.Sprint("-", generation)) && st.PID > 0 && is(st) && syscall.Kill(st.PID, syscall.SIGKILL) == nil {
				n++
			}
		}
		return n > 0
	}
	at(w.controller, k.Step, sync.OnceFunc(func() {
		if !k.Starting {
			all(func(supervisor.Status) bool { return true })
			return
		}
		go whenever(t.Context(), func() bool { return all(starting) })
	}))
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func starting(st supervisor.Status) bool { return st.State == supervisor.Starting && st.PID > 0 }

// at has something done before a step of all passes.
func at(c *Controller, name string, do func()) {
	i := slices.IndexFunc(c.build, func(s step) bool { return s.name == name })
	inner := c.build[i].do
	c.build[i].do = func(ctx context.Context, p *pass) error {
		do()
		return inner(ctx, p)
	}
}

// whenever tries until it is done.
func whenever(ctx context.Context, done func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil && !done() {
		<-tick.C
	}
}

// doomed is what a server of its own is told, which will be killed.
type doomed struct {
	Home     home.Dir
	EtcdPort int
	GateAddr string
	HookCA   []byte
	Settings Settings
	Kube     kube.Binaries
	Offset   time.Duration // of the clock
	ID       string
	Kill     kill
}

// TestMain lets the test binary play a server that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "play:doomed" {
		fmt.Fprintln(os.Stderr, playDoomed(os.Stdin))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runDoomedServer has a process of its own reconcile a cluster until that is killed, and another server go on from there.
func (w *world) runDoomedServer(t *testing.T, id string, k kill) {
	t.Helper()
	in, err := json.Marshal(doomed{w.home, w.etcdPort, w.gateAddr, w.hookCA, w.settings, w.deps.Kube, w.clock.Offset(), id, k})
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	w.supervisor.Close()
	cmd := exec.CommandContext(t.Context(), self, "play:doomed")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if exit, is := errors.AsType[*exec.ExitError](err); !is || !strings.Contains(exit.String(), "killed") {
		t.Errorf("not killed %s: %v\n%s", k, err, out)
	}
	w.restart(t)
	must(t, w.controller.StopLeftovers(t.Context()))
}

// playDoomed reconciles until it is killed. It returns why it was not.
func playDoomed(in io.Reader) error {
	var d doomed
	if err := json.NewDecoder(in).Decode(&d); err != nil {
		return err
	}
	w := &world{home: d.Home, pki: etcd.PKI(d.Home.PKI()), etcdPort: d.EtcdPort, gateAddr: d.GateAddr, hookCA: d.HookCA, settings: d.Settings}
	w.clock.SetOffset(d.Offset)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if _, err := w.connect(log); err != nil {
		return err
	}
	var err error
	if w.supervisor, err = supervisor.New(d.Home.Processes(), log); err != nil {
		return err
	}
	if w.deps, err = w.makeDeps(d.Kube, log); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	w.controller = New(w.deps)
	at(w.controller, d.Kill.Step, func() {
		if !d.Kill.Starting {
			die()
		}
		go whenever(ctx, func() bool {
			if slices.ContainsFunc(w.supervisor.List(), starting) {
				die()
			}
			return false
		})
	})
	_, err = w.controller.Reconcile(ctx, d.ID)
	return fmt.Errorf("the pass has ended: %w", err)
}
