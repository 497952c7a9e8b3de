package eks

import (
	"context"
	"testing"
	"time"

	"minato.dev/minato"
)

// versionWorld has a cluster "prod" of a version.
func versionWorld(t *testing.T, version string) *world {
	t.Helper()
	w := newWorld(t)
	r := request("prod")
	r.Version = version
	w.create(t, r)
	return w
}

func (w *world) update(t *testing.T, to string) Update {
	t.Helper()
	u, err := w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: to})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUpdateClusterVersion(t *testing.T) {
	t.Parallel()
	w := versionWorld(t, "1.35")
	r := UpdateClusterVersionRequest{Name: "prod", Version: "1.36", ClientRequestToken: "t1"}
	u, err := w.UpdateClusterVersion(t.Context(), alice, r)
	if err != nil || u.Type != VersionUpdate || u.Status != UpdateInProgress || u.Params[0] != (UpdateParam{"Version", "1.36"}) || u.Params[1].Type != "PlatformVersion" {
		t.Fatalf("update %+v, %v", u, err)
	}
	if again, err := w.UpdateClusterVersion(t.Context(), alice, r); err != nil || again.ID != u.ID {
		t.Errorf("the same token gives %+v, %v", again, err)
	}
	_, err = w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.36"})
	wantError(t, err, minato.InUse, "in progress")
	_, err = w.CancelUpdate(t.Context(), alice, "prod", u.ID)
	wantError(t, err, minato.WrongState, "of type VersionUpdate cannot be cancelled")
	c := w.reconcile(t, "prod")
	if c.Serving() != "1.36" || c.Status.PlatformVersion == "" {
		t.Errorf("the cluster serves %s", c.Serving())
	}
	if u, err := w.DescribeUpdate(t.Context(), alice, "prod", u.ID, UpdateTarget{}); err != nil || u.Status != UpdateSuccessful {
		t.Errorf("update %+v, %v", u, err)
	}
	_, err = w.CancelUpdate(t.Context(), alice, "prod", u.ID)
	wantError(t, err, minato.WrongState, "it is Successful")
}

func TestUpdateClusterVersionRefuses(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"1.35":   "it has not been built here. Build it with `make kube VERSION=1.35`",
		"1.36":   "Unsupported Kubernetes minor version update from 1.34 to 1.36",
		"1.34":   "Unsupported Kubernetes minor version update from 1.34 to 1.34",
		"1.33":   "Unsupported Kubernetes minor version update from 1.34 to 1.33: the cluster was not upgraded from 1.33",
		"1.31":   "Unsupported Kubernetes minor version update from 1.34 to 1.31",
		"":       `unsupported Kubernetes version ""`,
		"1.35.4": `unsupported Kubernetes version "1.35.4"`,
	} {
		w := versionWorld(t, "1.34")
		w.built = []string{"1.34", "1.36"}
		_, err := w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: to})
		wantError(t, err, minato.Invalid, want)
	}
	w := versionWorld(t, "1.36")
	w.built = append(w.built, "1.37")
	_, err := w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.37"})
	wantError(t, err, minato.Invalid, "EKS has not released it")
	w.AllowUnsupported = true
	w.update(t, "1.37")
	_, err = w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "none", Version: "1.37"})
	wantError(t, err, minato.NotFound, "No cluster found for name: none.")
}

func TestUpdateClusterVersionMindsTheNodes(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	w.kubelets = []Kubelet{{"old", "v1.32.9"}, {"fine", "v1.33.0"}}
	_, err := w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.36"})
	wantError(t, err, minato.Invalid, "Nodes old (v1.32.9) have kubelets that are more than 3 minor versions older than 1.36")
	w.kubelets = nil
	if _, err := w.CreateNodegroup(t.Context(), alice, groupRequest("ng")); err != nil {
		t.Fatal(err)
	}
	w.update(t, "1.36")
	w.reconcile(t, "prod")
	w.built, w.AllowUnsupported = append(w.built, "1.37"), true
	_, err = w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.37"})
	wantError(t, err, minato.Invalid, "Nodegroups ng must be updated to match cluster version 1.36 before updating cluster version")
}

func TestRollback(t *testing.T) {
	t.Parallel()
	timeout := func(minutes int) *int { return &minutes }
	upgraded := today
	for name, c := range map[string]struct {
		change func(w *world, r *UpdateClusterVersionRequest)
		kind   minato.Kind
		want   string // empty is accepted
	}{
		"at once":      {func(*world, *UpdateClusterVersionRequest) {}, "", ""},
		"on day seven": {func(w *world, _ *UpdateClusterVersionRequest) { w.at(upgraded.Add(rollbackWindow - time.Second)) }, "", ""},
		"after it": {func(w *world, _ *UpdateClusterVersionRequest) { w.at(upgraded.Add(rollbackWindow)) }, minato.Invalid,
			"Unsupported Kubernetes minor version update from 1.36 to 1.35: the cluster was upgraded at"},
		"two back": {func(_ *world, r *UpdateClusterVersionRequest) { r.Version = "1.34" }, minato.Invalid, "from 1.36 to 1.34"},
		"a newer node": {func(w *world, _ *UpdateClusterVersionRequest) { w.kubelets = []Kubelet{{"n", "v1.36.3"}} }, minato.Invalid,
			"Nodes n (v1.36.3) have kubelets newer than 1.35"},
		"timeout":           {func(_ *world, r *UpdateClusterVersionRequest) { r.RollbackTimeout = timeout(120) }, "", ""},
		"timeout too short": {func(_ *world, r *UpdateClusterVersionRequest) { r.RollbackTimeout = timeout(119) }, minato.Invalid, "between 120 and 10080, not 119"},
		"not ready": {func(w *world, _ *UpdateClusterVersionRequest) { w.RollbackBlockers = blocked }, minato.PreconditionFail,
			"Rollback readiness issues detected: Incompatible API usage"},
		"not ready, by force": {func(w *world, r *UpdateClusterVersionRequest) { w.RollbackBlockers, r.Force = blocked, true }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := versionWorld(t, "1.35")
			w.update(t, "1.36")
			w.reconcile(t, "prod")
			r := UpdateClusterVersionRequest{Name: "prod", Version: "1.35"}
			c.change(w, &r)
			u, err := w.UpdateClusterVersion(t.Context(), alice, r)
			if c.want != "" {
				wantError(t, err, c.kind, c.want)
				return
			}
			if err != nil || u.Type != VersionRollback {
				t.Fatalf("update %+v, %v", u, err)
			}
			if cluster := w.reconcile(t, "prod"); cluster.Serving() != "1.35" {
				t.Errorf("the cluster serves %s", cluster.Serving())
			}
			_, err = w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.34"})
			wantError(t, err, minato.Invalid, "was not upgraded from 1.34")
			w.update(t, "1.36") // and there is always another try
		})
	}
}

func (w *world) at(now time.Time) { w.Now = func() time.Time { return now } }

func blocked(context.Context, *Cluster, string) ([]string, error) {
	return []string{"Incompatible API usage"}, nil
}

// TestRollbackToExtendedSupport: the cluster must want to pay for it.
func TestRollbackToExtendedSupport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(day(t, "2026-12-01")) // the day before 1.34 leaves standard support
	r := request("prod")
	r.Version, r.SupportType = "1.34", "STANDARD"
	w.create(t, r)
	w.update(t, "1.35")
	w.reconcile(t, "prod")
	w.at(day(t, "2026-12-03"))
	_, err := w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.34"})
	wantError(t, err, minato.Invalid, "set the cluster's upgrade policy to EXTENDED")
	extended := "EXTENDED"
	if _, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", SupportType: &extended}); err != nil {
		t.Fatal(err)
	}
	w.reconcile(t, "prod")
	w.update(t, "1.34")
}

func TestUpdateWithRollbackConfig(t *testing.T) {
	t.Parallel()
	w := versionWorld(t, "1.35")
	minutes := 300
	_, err := w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.36", RollbackTimeout: &minutes})
	wantError(t, err, minato.Invalid, "rollbackConfig is for a rollback")
}

func TestVersionHistoryIsBounded(t *testing.T) {
	t.Parallel()
	var s Status
	for i := range 500 {
		s.Serves([]string{"1.35", "1.36"}[i%2], "eks.1", today.Add(time.Duration(i)*time.Hour))
	}
	if len(s.Versions) != maxVersionHistory || !s.Versions[0].Since.Equal(today) || s.Versions[maxVersionHistory-1].Version != "1.36" {
		t.Errorf("%d versions, the first since %s", len(s.Versions), s.Versions[0].Since)
	}
}
