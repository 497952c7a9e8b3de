package eks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// testAddons are one add-on with two versions, one with a version for each of two minors, and one that takes a role.
func testAddons() []AddonKind {
	return []AddonKind{
		{Name: "dns", Type: "networking", Publisher: "minato", Owner: "community", Namespace: "kube-system", Schema: "{}", Versions: []AddonVersion{
			{Version: "v2", Compatible: []AddonCompatibility{{"1.36", true}, {"1.35", true}}},
			{Version: "v1", Compatible: []AddonCompatibility{{"1.35", false}, {"1.34", true}}},
		}},
		{Name: "metrics", Type: "observability", Publisher: "minato", Owner: "community", Namespace: "kube-system", AnyNamespace: true, ServiceAccount: "metrics", Versions: []AddonVersion{
			{Version: "v1", Compatible: []AddonCompatibility{{"1.35", true}}},
		}},
		{Name: "proxy", Type: "networking", Publisher: "minato", Owner: "minato", Namespace: "kube-system", Versions: []AddonVersion{
			{Version: "v1.37", Build: "1.37", Compatible: []AddonCompatibility{{"1.37", true}}},
			{Version: "v1.35", Build: "1.35", Compatible: []AddonCompatibility{{"1.37", false}, {"1.36", false}, {"1.35", true}}},
		}},
	}
}

func checkTestValues(_, values string) error {
	if strings.Contains(values, "bad") {
		return errors.New("$.bad: is bad")
	}
	return nil
}

func addonRequest(name string) CreateAddonRequest {
	return CreateAddonRequest{ClusterName: "prod", Name: name}
}

func addonWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.create(t, request("prod"))
	w.asked()
	return w
}

// becomes does what the add-on reconciler does at the end of a pass.
func (w *world) becomes(t *testing.T, name string, status AddonStatus, reasons ...UpdateError) Addon {
	t.Helper()
	_, item, err := w.readAddon(t.Context(), alice, "eks:DescribeAddon", "prod", name)
	if err != nil {
		t.Fatal(err)
	}
	item.Value.Status.Status = status
	ops, err := CompleteAddonUpdates(t.Context(), w.Store, &item.Value, reasons...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Commit(t.Context(), append(ops, Addons(w.Store).UpdateOp(item))...); err != nil {
		t.Fatal(err)
	}
	return item.Value
}

// An add-on's associations are made, changed and removed with it.
func TestAddonIdentities(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	identities := func(roles map[string]string) json.RawMessage {
		list := []addonIdentity{}
		for account, role := range roles {
			list = append(list, addonIdentity{account, role})
		}
		raw, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	owned := func(a Addon) map[string]string {
		t.Helper()
		l, err := w.ListPodIdentityAssociations(t.Context(), alice, "prod", PodIdentityFilter{Namespace: "kube-system"}, PageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		arns, err := w.AddonIdentities(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, p := range l.Associations {
			if p.Owner == a.ARN() && slices.Contains(arns, p.ARN()) {
				found[p.ServiceAccount] = p.Role.String()
			}
		}
		return found
	}
	theirs := podIdentityRequest("theirs")
	theirs.Namespace = "kube-system"
	if _, err := w.CreatePodIdentityAssociation(t.Context(), alice, theirs); err != nil {
		t.Fatal(err)
	}
	r := addonRequest("dns")
	r.PodIdentity = identities(map[string]string{"theirs": readerRole})
	_, err := w.CreateAddon(t.Context(), alice, r)
	wantError(t, err, minato.AlreadyExists, "Association already exists")
	r.PodIdentity = identities(map[string]string{"dns": readerRole, "other": readerRole})
	a, err := w.CreateAddon(t.Context(), alice, r)
	if err != nil || !cmp.Equal(owned(a), map[string]string{"dns": readerRole, "other": readerRole}) {
		t.Fatalf("%v, %v", owned(a), err)
	}
	update := func(raw json.RawMessage) {
		t.Helper()
		w.becomes(t, "dns", AddonActive)
		if _, err := w.UpdateAddon(t.Context(), alice, UpdateAddonRequest{ClusterName: "prod", Name: "dns", PodIdentity: raw}); err != nil {
			t.Fatal(err)
		}
	}
	update(nil)
	if got := owned(a); len(got) != 2 {
		t.Errorf("an update without them left %v", got)
	}
	update(identities(map[string]string{"dns": opsRole, "third": readerRole}))
	if got := owned(a); !cmp.Equal(got, map[string]string{"dns": opsRole, "third": readerRole}) {
		t.Errorf("after the change %v", got)
	}
	update(json.RawMessage("[]"))
	if got := owned(a); len(got) > 0 {
		t.Errorf("after an empty list %v", got)
	}
	for preserve, left := range map[bool]int{true: 2, false: 1} { // of others is one
		update(identities(map[string]string{"dns": opsRole}))
		a.Spec.Preserve = preserve
		if err := RemoveAddonIdentities(t.Context(), w.Store, &a); err != nil || len(owned(a)) > 0 {
			t.Errorf("preserve %t: it owns %v, %v", preserve, owned(a), err)
		}
		l, err := w.ListPodIdentityAssociations(t.Context(), alice, "prod", PodIdentityFilter{}, PageRequest{})
		if err != nil || len(l.Associations) != left {
			t.Errorf("preserve %t left %v, %v", preserve, l.Associations, err)
		}
		for _, p := range l.Associations {
			if p.ServiceAccount == "dns" {
				if _, err := w.DeletePodIdentityAssociation(t.Context(), alice, "prod", p.ID); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestCreateAddon(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	r := addonRequest("dns")
	r.Tags, r.Values, r.ClientRequestToken = minato.Tags{"a": "b"}, "replicas:   3\n", "t-1"
	a, err := w.CreateAddon(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	want := AddonSpec{Generation: 1, Version: "v2", Namespace: "kube-system", Values: "replicas:   3\n", ResolveConflicts: "NONE"}
	if diff := cmp.Diff(want, a.Spec); diff != "" || a.Status.Status != AddonCreating || a.Owner != "community" {
		t.Errorf("%s, owner %q, (-want +got)\n%s", a.Status.Status, a.Owner, diff)
	}
	if arn := a.ARN().String(); arn != "arn:aws:eks:us-east-1:111122223333:addon/prod/dns/"+a.UUID {
		t.Errorf("its ARN is %s", arn)
	}
	if asked := w.asked(); !slices.Equal(asked, []string{"eks:CreateAddon", "eks:TagResource"}) {
		t.Errorf("asked for %v", asked)
	}
	if again, err := w.CreateAddon(t.Context(), alice, r); err != nil || again.UUID != a.UUID {
		t.Errorf("the same request again: %s, %v", again.UUID, err)
	}
	r.Values = "{}"
	_, err = w.CreateAddon(t.Context(), alice, r)
	wantError(t, err, minato.Invalid, "was already used")
	r.ClientRequestToken = ""
	_, err = w.CreateAddon(t.Context(), alice, r)
	wantError(t, err, minato.AlreadyExists, "Addon already exists.")

	metrics := addonRequest("metrics")
	metrics.Namespace, metrics.RoleARN, metrics.ResolveConflicts = "monitoring", "arn:aws:iam::111122223333:role/ops", "OVERWRITE"
	m, err := w.CreateAddon(t.Context(), alice, metrics)
	if err != nil || m.Spec.Namespace != "monitoring" || m.Spec.RoleARN.ResourceName() != "ops" || m.Spec.ResolveConflicts != "OVERWRITE" {
		t.Errorf("%+v, %v", m.Spec, err)
	}
	if asked := w.asked(); !slices.Contains(asked, "iam:PassRole") {
		t.Errorf("asked for %v, without iam:PassRole", asked)
	}
	names, _, err := w.ListAddons(t.Context(), alice, "prod", PageRequest{})
	if err != nil || !slices.Equal(names, []string{"dns", "metrics"}) {
		t.Errorf("listed %v, %v", names, err)
	}
}

func TestCreateAddonRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*CreateAddonRequest)
		kind   minato.Kind
		part   string
	}{
		"unknown cluster":   {func(r *CreateAddonRequest) { r.ClusterName = "dev" }, minato.NotFound, "No cluster found for name: dev."},
		"unknown add-on":    {func(r *CreateAddonRequest) { r.Name = "eks-pod-identity-agent" }, minato.Invalid, "Addon eks-pod-identity-agent specified is not supported: this server has dns, metrics, proxy"},
		"unknown version":   {func(r *CreateAddonRequest) { r.Version = "v3" }, minato.Invalid, `Addon version specified is not supported: dns has v2, v1 for Kubernetes 1.35, not "v3"`},
		"version not built": {func(r *CreateAddonRequest) { r.Name, r.Version = "proxy", "v1.37" }, minato.Invalid, "Addon version specified is not supported: proxy has v1.35"},
		"resolve conflicts": {func(r *CreateAddonRequest) { r.ResolveConflicts = "FORCE" }, minato.Invalid, "want NONE, OVERWRITE or PRESERVE"},
		"values":            {func(r *CreateAddonRequest) { r.Values = "bad" }, minato.Invalid, "ConfigurationValue provided in request is not supported: $.bad: is bad"},
		"long values":       {func(r *CreateAddonRequest) { r.Values = strings.Repeat("x", 65<<10) }, minato.Invalid, "ConfigurationValue provided in request is not supported: it has 66560 bytes"},
		"pod identity":      {func(r *CreateAddonRequest) { r.PodIdentity = []byte(`[{"serviceAccount":"dns"}]`) }, minato.Invalid, "roleArn"},
		"identities twice": {func(r *CreateAddonRequest) {
			r.PodIdentity = []byte(`[{"serviceAccount":"dns"},{"serviceAccount":"dns"}]`)
		}, minato.Invalid, "twice"},
		"namespace":           {func(r *CreateAddonRequest) { r.Namespace = "Elsewhere" }, minato.Invalid, `The namespace "Elsewhere" is not valid`},
		"Kubernetes' own":     {func(r *CreateAddonRequest) { r.Name, r.Namespace = "metrics", "kube-public" }, minato.Invalid, "is not valid"},
		"fixed namespace":     {func(r *CreateAddonRequest) { r.Namespace = "elsewhere" }, minato.Invalid, "it is installed in kube-system"},
		"role of no use":      {func(r *CreateAddonRequest) { r.RoleARN = "arn:aws:iam::111122223333:role/ops" }, minato.Invalid, "it asks nothing of AWS"},
		"no role":             {func(r *CreateAddonRequest) { r.Name, r.RoleARN = "metrics", "ops" }, minato.Invalid, "is not the ARN of an IAM role"},
		"another's role":      {func(r *CreateAddonRequest) { r.Name, r.RoleARN = "metrics", "arn:aws:iam::444455556666:role/ops" }, minato.Invalid, "Cross-account"},
		"role that is absent": {func(r *CreateAddonRequest) { r.Name, r.RoleARN = "metrics", "arn:aws:iam::111122223333:role/nobody" }, minato.Invalid, "was not found"},
		"tags":                {func(r *CreateAddonRequest) { r.Tags = minato.Tags{"aws:x": "y"} }, minato.Invalid, "reserved"},
	} {
		w := addonWorld(t)
		r := addonRequest("dns")
		c.change(&r)
		_, err := w.CreateAddon(t.Context(), alice, r)
		if err == nil {
			t.Errorf("%s: not refused", name)
			continue
		}
		wantError(t, err, c.kind, c.part)
	}
}

// For a new add-on, PRESERVE is NONE.
func TestCreateAddonPreserve(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	r := addonRequest("dns")
	r.ResolveConflicts = ResolvePreserve
	if a, err := w.CreateAddon(t.Context(), alice, r); err != nil || a.Spec.ResolveConflicts != ResolveNone {
		t.Errorf("%+v, %v", a.Spec, err)
	}
}

// TestTwoAddonsAtOnce has the same add-on made many times at once, and its cluster deleted under it.
func TestTwoAddonsAtOnce(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.CreateAddon(t.Context(), alice, addonRequest("dns")) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			wantError(t, err, minato.AlreadyExists, "already exists")
		}
	}
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
	w.meanwhile("eks:CreateAddon", func() {
		if _, err := w.DeleteCluster(t.Context(), alice, "prod"); err != nil {
			t.Error(err)
		}
	})
	_, err := w.CreateAddon(t.Context(), alice, addonRequest("metrics"))
	wantError(t, err, minato.WrongState, "is not in ACTIVE status")
	item, err := Clusters(w.Store).Get(t.Context(), ClusterKey(testScope, "prod"))
	if err == nil {
		err = RemoveAddons(t.Context(), w.Store, &item.Value)
	}
	if err != nil {
		t.Fatal(err)
	}
	if l, err := w.Store.List(t.Context(), AddonsPrefix, store.ListOptions{}); err != nil || len(l.Entries) > 0 {
		t.Errorf("left behind: %v, %v", l.Entries, err)
	}
}

func TestUpdateAddon(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	r := addonRequest("dns")
	r.Version, r.Values = "v1", "a"
	if _, err := w.CreateAddon(t.Context(), alice, r); err != nil {
		t.Fatal(err)
	}
	ask := UpdateAddonRequest{ClusterName: "prod", Name: "dns", Version: "v2", ResolveConflicts: "PRESERVE", ClientRequestToken: "t-1"}
	_, err := w.UpdateAddon(t.Context(), alice, ask)
	wantError(t, err, minato.InUse, "Addon dns cannot be updated as it is currently in CREATING state")
	w.becomes(t, "dns", AddonDegraded)
	u, err := w.UpdateAddon(t.Context(), alice, ask)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]UpdateParam{{"AddonVersion", "v2"}, {"ResolveConflicts", "PRESERVE"}}, u.Params); diff != "" || u.Type != "AddonUpdate" {
		t.Errorf("%s (-want +got)\n%s", u.Type, diff)
	}
	if again, err := w.UpdateAddon(t.Context(), alice, ask); err != nil || again.ID != u.ID {
		t.Errorf("the same request again: %s, %v", again.ID, err)
	}
	a, err := w.DescribeAddon(t.Context(), alice, "prod", "dns")
	if want := (AddonSpec{Generation: 2, Version: "v2", Namespace: "kube-system", Values: "a", ResolveConflicts: "PRESERVE"}); err != nil || a.Spec != want || a.Status.Status != AddonUpdating {
		t.Errorf("%s %+v, %v; want %+v", a.Status.Status, a.Spec, err, want)
	}
	before, err := AddonBefore(t.Context(), w.Store, &a)
	if err != nil || before == nil || before.Version != "v1" {
		t.Errorf("before it was %+v, %v", before, err)
	}
	_, err = w.DeleteAddon(t.Context(), alice, "prod", "dns", false)
	wantError(t, err, minato.InUse, "cannot be deleted as it is currently in UPDATING state")
	w.becomes(t, "dns", AddonUpdateFailed, UpdateError{Code: "ConfigurationConflict", Message: "no"})
	got, err := w.DescribeUpdate(t.Context(), alice, "prod", u.ID, UpdateTarget{Addon: "dns"})
	if err != nil || got.Status != UpdateFailed || len(got.Errors) != 1 || got.AddonBefore != nil {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = w.DescribeUpdate(t.Context(), alice, "prod", u.ID, UpdateTarget{})
	wantError(t, err, minato.NotFound, "No update found")

	// Absent values stay, empty ones go.
	for _, c := range []struct {
		values *string
		want   string
	}{{nil, "a"}, {new("b"), "b"}, {new(""), ""}} {
		if _, err := w.UpdateAddon(t.Context(), alice, UpdateAddonRequest{ClusterName: "prod", Name: "dns", Values: c.values}); err != nil {
			t.Fatal(err)
		}
		if a := w.becomes(t, "dns", AddonActive); a.Spec.Values != c.want || a.Spec.ResolveConflicts != "NONE" {
			t.Errorf("values are %q, want %q", a.Spec.Values, c.want)
		}
	}
	list, err := w.ListUpdates(t.Context(), alice, "prod", UpdateTarget{Addon: "dns"}, PageRequest{})
	if err != nil || len(list.IDs) != 4 || !slices.Contains(list.IDs, u.ID) {
		t.Errorf("updates %v, %v", list.IDs, err)
	}
	_, err = w.UpdateAddon(t.Context(), alice, UpdateAddonRequest{ClusterName: "prod", Name: "dns", Values: new("bad")})
	wantError(t, err, minato.Invalid, "ConfigurationValue provided in request is not supported")
	_, err = w.UpdateAddon(t.Context(), alice, UpdateAddonRequest{ClusterName: "prod", Name: "metrics"})
	wantError(t, err, minato.NotFound, "No addon: metrics found in cluster: prod")
}

func TestDeleteAddon(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	if _, err := w.CreateAddon(t.Context(), alice, addonRequest("dns")); err != nil {
		t.Fatal(err)
	}
	a, err := w.DeleteAddon(t.Context(), alice, "prod", "dns", true)
	if err != nil || a.Status.Status != AddonDeleting || !a.Spec.Preserve {
		t.Errorf("%s, preserve %t, %v", a.Status.Status, a.Spec.Preserve, err)
	}
	if again, err := w.DeleteAddon(t.Context(), alice, "prod", "dns", false); err != nil || !again.Spec.Preserve {
		t.Errorf("again: %+v, %v", again.Spec, err)
	}
	// Who waits is told when it is gone.
	go func() {
		_ = Addons(w.Store).Delete(context.Background(), AddonKey(a.ClusterID, "dns"), store.AnyRevision)
	}()
	_, err = w.AwaitAddon(t.Context(), alice, "prod", "dns", 20*time.Second)
	wantError(t, err, minato.NotFound, "No addon: dns found in cluster: prod")
}

func TestAddonTags(t *testing.T) {
	t.Parallel()
	w := addonWorld(t)
	a, err := w.CreateAddon(t.Context(), alice, addonRequest("dns"))
	if err != nil {
		t.Fatal(err)
	}
	arn := a.ARN().String()
	if err := w.TagResource(t.Context(), alice, arn, minato.Tags{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if tags, err := w.ListTagsForResource(t.Context(), alice, arn); err != nil || tags["a"] != "b" {
		t.Errorf("tags %v, %v", tags, err)
	}
	w.deny = func(a iam.Access) bool { return a.Action == "eks:DescribeAddon" }
	_, err = w.DescribeAddon(t.Context(), alice, "prod", "nothing")
	wantError(t, err, minato.Denied, "addon/prod/nothing/*")
}

func TestDescribeAddonVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // 1.37 is not built
	for _, c := range []struct {
		filter AddonFilter
		want   string
	}{
		{AddonFilter{}, "dns[v2: 1.36* 1.35*; v1: 1.35 1.34*] metrics[v1: 1.35*] proxy[v1.35: 1.36 1.35*]"},
		{AddonFilter{KubernetesVersion: "1.34"}, "dns[v1: 1.34*]"},
		{AddonFilter{Name: "proxy", KubernetesVersion: "1.36"}, "proxy[v1.35: 1.36]"},
		{AddonFilter{Types: []string{"observability", "storage"}}, "metrics[v1: 1.35*]"},
		{AddonFilter{Owners: []string{"minato"}}, "proxy[v1.35: 1.36 1.35*]"},
		{AddonFilter{Publishers: []string{"eks"}}, ""},
		{AddonFilter{KubernetesVersion: "1.99"}, ""},
	} {
		kinds, _, err := w.DescribeAddonVersions(t.Context(), alice, c.filter, PageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range kinds {
			var versions []string
			for _, v := range k.Versions {
				text := v.Version + ":"
				for _, m := range v.Compatible {
					text += " " + m.Minor
					if m.Default {
						text += "*"
					}
				}
				versions = append(versions, text)
			}
			got = append(got, k.Name+"["+strings.Join(versions, "; ")+"]")
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%+v: %s, want %s", c.filter, text, c.want)
		}
	}
	kinds, next, err := w.DescribeAddonVersions(t.Context(), alice, AddonFilter{}, PageRequest{MaxResults: new(int32(2))})
	if err != nil || len(kinds) != 2 || next == "" {
		t.Fatalf("%d of a page of two, %v", len(kinds), err)
	}
	if kinds, next, err = w.DescribeAddonVersions(t.Context(), alice, AddonFilter{}, PageRequest{NextToken: next}); err != nil || len(kinds) != 1 || next != "" {
		t.Errorf("%d on the next page, %v", len(kinds), err)
	}
	if len(testAddons()[0].Versions) != len(w.Addons[0].Versions) || len(w.Addons[2].Versions[1].Compatible) != 3 {
		t.Error("the catalogue itself was changed")
	}
}
