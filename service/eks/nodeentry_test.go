package eks

import (
	"errors"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Nodes of two kinds cannot share a role, and the entry of one kind does not go with the other.
func TestNodeEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cluster := w.create(t, request("prod"))
	role := minato.NewARN("iam", "", testScope.Account, "role/ops")
	for range 2 {
		if err := w.EnsureNodeEntry(t.Context(), &cluster, role, EC2Linux); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, w.EnsureNodeEntry(t.Context(), &cluster, role, FargateLinux), minato.InUse, "of type EC2_LINUX")
	entry := func() error {
		_, err := AccessEntries(w.Store).Get(t.Context(), AccessEntryKey(cluster.ID, role))
		return err
	}
	if err := errors.Join(w.RemoveNodeEntry(t.Context(), cluster.ID, role, FargateLinux), entry()); err != nil {
		t.Errorf("after the removal of another kind: %v", err)
	}
	if err := w.RemoveNodeEntry(t.Context(), cluster.ID, role, EC2Linux); err != nil || !errors.Is(entry(), store.ErrNotFound) {
		t.Errorf("after its removal: %v, %v", err, entry())
	}
}
