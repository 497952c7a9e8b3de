package eks

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
)

func activeNodegroup(t *testing.T, w *world, r CreateNodegroupRequest) Nodegroup {
	t.Helper()
	if _, err := w.CreateNodegroup(t.Context(), alice, r); err != nil {
		t.Fatal(err)
	}
	return w.settle(t, r.Name)
}

func TestUpdateNodegroupConfig(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := groupRequest("ng")
	r.Labels = map[string]string{"a": "1", "b": "2"}
	r.Taints = []Taint{{"k", "v", "NO_SCHEDULE"}, {"l", "", "NO_EXECUTE"}}
	activeNodegroup(t, w, r)
	three := 3
	ask := UpdateNodegroupConfigRequest{
		ClusterName: "prod", Name: "ng", Scaling: &ScalingRequest{Max: &three, Desired: &three}, Update: &NodegroupUpdates{MaxUnavailablePercentage: 50},
		AddLabels: map[string]string{"a": "9"}, RemoveLabels: []string{"b"},
		AddTaints: []Taint{{"k", "w", "NO_SCHEDULE"}}, RemoveTaints: []Taint{{"l", "", "NO_EXECUTE"}},
		Repair: &NodeRepair{Enabled: true}, ClientRequestToken: "once",
	}
	update, err := w.UpdateNodegroupConfig(t.Context(), alice, ask)
	if err != nil {
		t.Fatal(err)
	}
	want := []UpdateParam{
		{"MaxSize", "3"}, {"DesiredSize", "3"}, {"LabelsToAdd", `{"a":"9"}`}, {"LabelsToRemove", `["b"]`},
		{"TaintsToAdd", `[{"key":"k","value":"w","effect":"NO_SCHEDULE"}]`}, {"TaintsToRemove", `[{"key":"l","effect":"NO_EXECUTE"}]`},
		{"MaxUnavailablePercentage", "50"}, {"NodeRepairEnabled", "true"}, {"NodeRepairConfig", `{"enabled":true}`},
	}
	if diff := cmp.Diff(want, update.Params); diff != "" || update.Type != "ConfigUpdate" || update.Status != UpdateInProgress {
		t.Errorf("%s %s (-want +got)\n%s", update.Type, update.Status, diff)
	}
	n, err := w.DescribeNodegroup(t.Context(), alice, "prod", "ng")
	if err != nil || n.Status.Status != NodegroupUpdating || n.Spec.Generation != 2 || n.Spec.Revision != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	if diff := cmp.Diff([]Taint{{"k", "w", "NO_SCHEDULE"}}, n.Spec.Taints); diff != "" || len(n.Spec.Labels) != 1 || n.Spec.Labels["a"] != "9" {
		t.Errorf("labels %v, taints %s", n.Spec.Labels, diff)
	}
	again, err := w.UpdateNodegroupConfig(t.Context(), alice, ask)
	if err != nil || again.ID != update.ID {
		t.Errorf("the same request: %s, %v; want %s", again.ID, err, update.ID)
	}
	ask.ClientRequestToken = ""
	_, err = w.UpdateNodegroupConfig(t.Context(), alice, ask)
	wantError(t, err, minato.InUse, "Nodegroup cannot be updated as it is currently not in Active State")
	_, err = w.DeleteNodegroup(t.Context(), alice, "prod", "ng")
	wantError(t, err, minato.InUse, "Nodegroup cannot be deleted")

	w.settle(t, "ng")
	target := UpdateTarget{Nodegroup: "ng"}
	done, err := w.DescribeUpdate(t.Context(), alice, "prod", update.ID, target)
	if err != nil || done.Status != UpdateSuccessful || done.NodegroupBefore != nil {
		t.Errorf("%+v, %v", done, err)
	}
	if list, err := w.ListUpdates(t.Context(), alice, "prod", target, PageRequest{}); err != nil || !slices.Equal(list.IDs, []string{update.ID}) {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := w.ListUpdates(t.Context(), alice, "prod", UpdateTarget{}, PageRequest{}); err != nil || len(list.IDs) != 0 {
		t.Errorf("the cluster's updates: %v, %v", list, err)
	}
	_, err = w.DescribeUpdate(t.Context(), alice, "prod", update.ID, UpdateTarget{})
	wantError(t, err, minato.NotFound, "No update found")
}

func TestUpdateNodegroupConfigRefuses(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	activeNodegroup(t, w, groupRequest("ng"))
	n := func(i int) *int { return &i }
	for want, r := range map[string]UpdateNodegroupConfigRequest{
		"nothing to change": {},
		"Minimum capacity 3 can't be greater than desired size 2": {Scaling: &ScalingRequest{Min: n(3), Max: n(5)}},
		"Desired capacity 5 can't be greater than max size 2":     {Scaling: &ScalingRequest{Desired: n(5)}},
		"reserved prefixes":            {AddLabels: map[string]string{"eks.amazonaws.com/x": "y"}},
		"simulated nodes or real ones": {AddLabels: map[string]string{SimulatedLabel: Simulated}},
		"maxUnavailable":               {Update: &NodegroupUpdates{MaxUnavailable: 101}},
	} {
		r.ClusterName, r.Name = "prod", "ng"
		_, err := w.UpdateNodegroupConfig(t.Context(), alice, r)
		wantError(t, err, minato.Invalid, want)
	}
	_, err := w.UpdateNodegroupConfig(t.Context(), alice, UpdateNodegroupConfigRequest{ClusterName: "prod", Name: "none", RemoveLabels: []string{"a"}})
	wantError(t, err, minato.NotFound, "No node group found for name: none.")
}

func TestUpdateNodegroupVersion(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	activeNodegroup(t, w, groupRequest("ng"))
	ask := UpdateNodegroupVersionRequest{ClusterName: "prod", Name: "ng", Version: "1.34", Force: true}
	update, err := w.UpdateNodegroupVersion(t.Context(), alice, ask)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]UpdateParam{{"Version", "1.34"}, {"ReleaseVersion", "1.34.4-20251002"}}, update.Params); diff != "" || update.Type != "VersionUpdate" {
		t.Errorf("%s %s", update.Type, diff)
	}
	n := w.settle(t, "ng")
	if n.Spec.Version != "1.34" || n.Spec.Revision != 2 || !n.Spec.Force {
		t.Errorf("%+v", n.Spec)
	}
	for want, r := range map[string]UpdateNodegroupVersionRequest{
		`version "1.36" is not valid`:                {Version: "1.36"},
		`version "1.31" is not valid`:                {Version: "1.31"},
		"has not been built here":                    {Version: "1.33"},
		"Allowed release version is 1.35.4-20260127": {ReleaseVersion: "1.35.3-1"},
		"created without a launch template":          {Template: &NodegroupTemplate{ID: "lt-1"}},
	} {
		r.ClusterName, r.Name = "prod", "ng"
		_, err := w.UpdateNodegroupVersion(t.Context(), alice, r)
		wantError(t, err, minato.Invalid, want)
	}

	// One that fails goes back to what it was.
	if _, err := w.UpdateNodegroupVersion(t.Context(), alice, UpdateNodegroupVersionRequest{ClusterName: "prod", Name: "ng"}); err != nil {
		t.Fatal(err)
	}
	n, err = w.DescribeNodegroup(t.Context(), alice, "prod", "ng")
	if err != nil || n.Spec.Version != "1.35" || n.Spec.Revision != 3 || n.Spec.Force {
		t.Fatal(n.Spec, err)
	}
	ops, err := FailNodegroupUpdates(t.Context(), w.Store, &n, UpdateError{Code: "PodEvictionFailure", Message: "they stay"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Commit(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	if n.Spec.Version != "1.34" || n.Spec.Revision != 2 || n.Spec.Generation != 4 {
		t.Errorf("%+v", n.Spec)
	}
}

func TestUpdateNodegroupTemplate(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := groupRequest("ng")
	r.Template = &NodegroupTemplate{ID: "lt-1", Version: "1"}
	activeNodegroup(t, w, r)
	ask := UpdateNodegroupVersionRequest{ClusterName: "prod", Name: "ng", Template: &NodegroupTemplate{Name: "base", Version: "4"}}
	update, err := w.UpdateNodegroupVersion(t.Context(), alice, ask)
	want := []UpdateParam{{"Version", "1.35"}, {"ReleaseVersion", "1.35.4-20260127"}, {"LaunchTemplateName", "base"}, {"LaunchTemplateVersion", "4"}}
	if diff := cmp.Diff(want, update.Params); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if n := w.settle(t, "ng"); n.Spec.Template.Version != "4" || n.Spec.Revision != 2 {
		t.Errorf("%+v", n.Spec)
	}
	ask.Template.Version = "2"
	_, err = w.UpdateNodegroupVersion(t.Context(), alice, ask)
	wantError(t, err, minato.Invalid, "cannot change between an image of EKS and one of the launch template")
}

func TestNodegroupTags(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	n := activeNodegroup(t, w, groupRequest("ng"))
	arn := n.ARN().String()
	if err := w.TagResource(t.Context(), alice, arn, minato.Tags{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if tags, err := w.ListTagsForResource(t.Context(), alice, arn); err != nil || tags["a"] != "b" {
		t.Errorf("%v, %v", tags, err)
	}
	if err := w.UntagResource(t.Context(), alice, arn, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	err := w.TagResource(t.Context(), alice, nodegroupARN(testScope, "prod", "ng", "another").String(), minato.Tags{"a": "b"})
	wantError(t, err, minato.NotFound, "Resource not found")
}

// A request that gives a strategy only leaves the limits as they are, and the other way round.
func TestUpdateConfigInParts(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := groupRequest("ng")
	r.Update = &NodegroupUpdates{Strategy: "MINIMAL"}
	if n := activeNodegroup(t, w, r); n.Spec.Update != (NodegroupUpdates{MaxUnavailable: 1, Strategy: "MINIMAL"}) {
		t.Errorf("created: %+v", n.Spec.Update)
	}
	for _, c := range []struct{ ask, want NodegroupUpdates }{
		{NodegroupUpdates{MaxUnavailablePercentage: 30}, NodegroupUpdates{MaxUnavailablePercentage: 30, Strategy: "MINIMAL"}},
		{NodegroupUpdates{Strategy: "DEFAULT"}, NodegroupUpdates{MaxUnavailablePercentage: 30, Strategy: "DEFAULT"}},
		{NodegroupUpdates{MaxUnavailable: 2}, NodegroupUpdates{MaxUnavailable: 2, Strategy: "DEFAULT"}},
	} {
		if _, err := w.UpdateNodegroupConfig(t.Context(), alice, UpdateNodegroupConfigRequest{ClusterName: "prod", Name: "ng", Update: &c.ask}); err != nil {
			t.Fatal(err)
		}
		if n := w.settle(t, "ng"); n.Spec.Update != c.want {
			t.Errorf("%+v gives %+v, want %+v", c.ask, n.Spec.Update, c.want)
		}
	}
}
