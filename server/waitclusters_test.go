package server

import (
	"slices"
	"testing"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/service/eks"
)

// TestComingUp waits for nobody that cannot come up, and for nobody that was not up.
func TestComingUp(t *testing.T) {
	cluster := func(name, version string, status eks.ClusterStatus) store.Item[eks.Cluster] {
		return store.Item[eks.Cluster]{Value: eks.Cluster{ID: "id-" + name, Name: name,
			Spec: eks.ClusterSpec{Version: version}, Status: eks.Status{Status: status}}}
	}
	all, waiting, cannot := comingUp([]store.Item[eks.Cluster]{
		cluster("active", "1.35", eks.ClusterActive),
		cluster("updating", "1.35", eks.ClusterUpdating),
		cluster("new", "1.35", eks.ClusterCreating),
		cluster("going", "1.35", eks.ClusterDeleting),
		cluster("old", "1.31", eks.ClusterActive),
	}, func(minor string) bool { return minor == "1.35" })
	if all != 3 || len(waiting) != 2 || waiting["id-active"] != "active" || waiting["id-updating"] != "updating" {
		t.Errorf("of %d it waits for %v, want active and updating of 3", all, waiting)
	}
	if want := []string{"old cannot come up: run `make kube VERSION=1.31`"}; !slices.Equal(cannot, want) {
		t.Errorf("%q cannot come up, want %q", cannot, want)
	}
}

func TestWhole(t *testing.T) {
	status := func(name string, state supervisor.State) supervisor.Status {
		return supervisor.Status{Name: name, State: state}
	}
	got := whole([]supervisor.Status{
		status("etcd", supervisor.Running),
		status("clusters/aa/kube-apiserver-1", supervisor.Running),
		status("clusters/aa/kube-apiserver-2", supervisor.Running),
		status("clusters/aa/kube-scheduler-2", supervisor.Running),
		status("clusters/bb/kube-apiserver-1", supervisor.Running),
		status("clusters/bb/kube-controller-manager-1", supervisor.Running),
		status("clusters/bb/kube-scheduler-1", supervisor.Running),
		status("clusters/cc/kube-apiserver-1", supervisor.Running),
		status("clusters/cc/kube-controller-manager-1", supervisor.Starting),
		status("clusters/cc/kube-scheduler-1", supervisor.Running),
	})
	if len(got) != 1 || got[0] != "bb" {
		t.Errorf("got %v, want bb alone: aa lacks a component, one of cc is not ready", got)
	}
}
