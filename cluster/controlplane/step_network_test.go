package controlplane

import (
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

var errFull = minato.Errorf(minato.LimitExceeded, "subnet-b is full").Because("InsufficientFreeAddressesInSubnet")

func TestNoInterfacesForANewCluster(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	h.noNetwork = errFull
	id := h.create("prod")
	h.pass(id)
	c := h.cluster(id)
	if c.Status.Status != eks.ClusterFailed || len(c.Status.Health) != 1 || c.Status.Health[0].Code != "InsufficientFreeAddresses" || len(h.running()) > 0 {
		t.Errorf("status %+v, running %v, want FAILED because of the addresses", c.Status, h.running())
	}
}

func TestInterfacesMove(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	before := h.cluster(id)
	move := func(subnets ...string) eks.Update {
		key := beginUpdate(t, h.store, id, eks.VPCConfigUpdate, func(s *eks.ClusterSpec) { s.SubnetIDs = subnets })
		_, _ = h.controller.Reconcile(t.Context(), id) // the update tells what became of it
		if c := h.cluster(id); len(c.Status.Health) > 0 {
			t.Errorf("health %+v, want the cluster to be as it was", c.Status.Health)
		}
		if c := h.settle(id); c.Status.Status != eks.ClusterActive || len(c.Status.Health) > 0 {
			t.Errorf("status %+v, want ACTIVE", c.Status)
		}
		return h.update(key)
	}
	if u := move("subnet-x", "subnet-y"); u.Status != eks.UpdateSuccessful || h.networks[before.ID] != "subnet-x subnet-y" {
		t.Errorf("update %+v, interfaces in %s", u, h.networks[before.ID])
	}
	h.noNetwork = errFull
	if u := move("subnet-z", "subnet-y"); u.Status != eks.UpdateFailed || len(u.Errors) != 1 || u.Errors[0].Code != "IpNotAvailable" || u.Errors[0].Message != "subnet-b is full" {
		t.Errorf("update %+v, want it Failed for the addresses", u)
	}
	if c := h.cluster(id); h.networks[c.ID] != "subnet-x subnet-y" || c.Spec.SubnetIDs[0] != "subnet-x" {
		t.Errorf("interfaces in %s, spec %v, want them where they were", h.networks[c.ID], c.Spec.SubnetIDs)
	}
}

// TestInterfacesCannotBeHadLater: a cluster that is up stays up, and may be changed in other ways.
func TestInterfacesCannotBeHadLater(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	delete(h.networks, h.cluster(id).ID) // as if made by an earlier version
	h.noNetwork = errFull
	key := h.beginUpgrade(id, eks.VersionUpdate, "1.36")
	if c := h.settle(id); c.Serving() != "1.36" || h.update(key).Status != eks.UpdateSuccessful {
		t.Errorf("status %+v, update %+v", c.Status, h.update(key))
	}
}
