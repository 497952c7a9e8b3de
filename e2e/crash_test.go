package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
)

// settle is how long a machine under load may take to heal.
const settle = 4 * time.Minute

// TestServerIsKilled: without `minato up` the cluster goes on serving, new IAM tokens included, and the next `minato up` takes
// every process over without a restart.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "prod")
	k.write(t, "before", "kill")
	before := e.Status(t).All()

	e.Kill(t)
	k.holds(t, "before", "kill")
	k.write(t, "during", "absence")
	if r := e.TryMinato(t, "status"); r.ExitCode != 1 || !strings.Contains(r.Stderr, "minato up") {
		t.Errorf("status without a server should fail and say how to start one: %s", r)
	}

	e.Up(t)
	var after map[string]testenv.Process
	testenv.Eventually(t, func() error { // requests are served before clusters are taken over
		if after = e.Status(t).All(); len(before) < 6 || !slices.Equal(names(before), names(after)) {
			return fmt.Errorf("processes before %v and after %v", names(before), names(after))
		}
		return nil
	})
	for name, p := range after {
		if p.PID != before[name].PID || !p.Adopted || p.Restarts != 0 {
			t.Errorf("%s: got %+v, want the process %d taken over", name, p, before[name].PID)
		}
	}
	testenv.Eventually(t, func() error {
		for name, p := range e.Status(t).All() {
			if p.State != "running" {
				return fmt.Errorf("%s is %s", name, p.State)
			}
		}
		return nil
	})
	k.holds(t, "during", "absence")
	k.write(t, "after", "adoption")
	k.delete(t)
}

// TestEveryProcessIsKilled kills each process of the data plane in turn. It comes back, and nothing written is lost.
func TestEveryProcessIsKilled(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "prod")
	for i, name := range names(e.Status(t).All()) {
		value := fmt.Sprintf("%d", i)
		k.write(t, "w"+value, value)
		victim := e.Status(t).All()[name]
		if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
			t.Fatalf("killing %s: %v", name, err)
		}
		testenv.Eventually(t, func() error {
			p := e.Status(t).All()[name]
			if p.PID == victim.PID || p.State != "running" {
				return fmt.Errorf("%s is %+v after its process %d was killed", name, p, victim.PID)
			}
			return nil
		})
		testenv.Eventually(t, func() error { // who asks it may still have a connection to the one that was killed
			if r := k.client.TryKubectl(t, k.config, "get", "configmap", "w"+value, "-o", "jsonpath={.data.value}"); r.Stdout != value {
				return fmt.Errorf("after %s was killed: %s", name, r)
			}
			return nil
		})
	}
	k.client.AWS(t, "eks", "wait", "cluster-active", "--name", k.name)
	// The controllers work too: a namespace gets its ServiceAccount.
	k.kubectl(t, "create", "namespace", "after")
	testenv.Eventually(t, func() error {
		if r := k.client.TryKubectl(t, k.config, "get", "serviceaccount", "default", "-n", "after"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
}

// TestKilledWhileCreating kills the server at several moments after it acknowledged a cluster.
func TestKilledWhileCreating(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	admin := e.Admin(t)
	for i, moment := range []func(){
		func() {}, // at once
		func() { awaitProcesses(t, e, "kube-apiserver") },
		func() { awaitProcesses(t, e, "kube-scheduler") },
	} {
		k := requestCluster(t, admin, fmt.Sprintf("c%d", i))
		moment()
		e.Kill(t)
		e.Up(t)
		k.comesUp(t)
		k.write(t, "works", "yes")
		k.delete(t)
	}
}

// awaitProcesses waits until a component of the only cluster runs.
func awaitProcesses(t *testing.T, e *testenv.Env, component string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		for name := range e.Status(t).All() {
			if strings.Contains(name, component) {
				return nil
			}
		}
		return fmt.Errorf("no %s runs", component)
	})
}

// TestKilledWhileDeleting kills the server as soon as it acknowledged a deletion; the next one finishes it.
func TestKilledWhileDeleting(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "prod")
	id := e.Status(t).Clusters[0].ID
	k.client.AWS(t, "eks", "delete-cluster", "--name", k.name)
	e.Kill(t)
	e.Up(t)
	k.client.AWS(t, "eks", "wait", "cluster-deleted", "--name", k.name)
	if pids := testenv.ProcessesOf(id); len(pids) > 0 {
		t.Errorf("processes %v of the deleted cluster run", pids)
	}
}

// TestRestart stops the server in order and starts it again: everything that was up is up.
func TestRestart(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "prod")
	k.write(t, "before", "stop")
	e.Interrupt(t)
	if pids := testenv.ProcessesOf(string(e.Home)); len(pids) > 0 {
		t.Errorf("processes %v outlive an ordered stop", pids)
	}
	if pids := testenv.ProcessesOf(e.Home.Run()); len(pids) > 0 {
		t.Errorf("processes %v outlive an ordered stop", pids)
	}
	e.Up(t)
	k.comesUp(t)
	k.holds(t, "before", "stop")
}

func names(processes map[string]testenv.Process) []string {
	return slices.Sorted(maps.Keys(processes))
}
