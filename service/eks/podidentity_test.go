package eks

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

const (
	readerRole = "arn:aws:iam::111122223333:role/app-reader"
	farRole    = "arn:aws:iam::444455556666:role/far"
	readPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
)

func podIdentityRequest(serviceAccount string) CreatePodIdentityRequest {
	return CreatePodIdentityRequest{ClusterName: "prod", Namespace: "dev", ServiceAccount: serviceAccount, Role: readerRole}
}

func TestPodIdentityAssociation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	w.asked()
	r := podIdentityRequest("app")
	r.TargetRole, r.Tags, r.ClientRequestToken = farRole, minato.Tags{"team": "a"}, "t1"
	a, err := w.CreatePodIdentityAssociation(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"eks:CreatePodIdentityAssociation", "eks:TagResource", "iam:PassRole", "iam:GetRole"}; !cmp.Equal(w.asked(), want) {
		t.Errorf("asked other things than %q", want)
	}
	if !regexp.MustCompile(`^arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod/a-[a-z0-9]{17}$`).MatchString(a.ARN().String()) {
		t.Errorf("ARN %s", a.ARN())
	}
	if got := a.ExternalID(); got != "us-east-1/111122223333/prod/dev/app" {
		t.Errorf("external id %q", got)
	}
	if w.awaited == 0 {
		t.Error("it was answered before it held")
	}

	again, err := w.CreatePodIdentityAssociation(t.Context(), alice, r)
	if err != nil || !cmp.Equal(again, a) {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	other := r
	other.ServiceAccount = "other"
	_, err = w.CreatePodIdentityAssociation(t.Context(), alice, other)
	wantKind(t, "the token for another request", err, minato.Invalid, "was already used for another request")
	r.ClientRequestToken = "t2"
	_, err = w.CreatePodIdentityAssociation(t.Context(), alice, r)
	wantKind(t, "a second one", err, minato.AlreadyExists, "Association already exists: "+a.ID)

	if got, err := w.DescribePodIdentityAssociation(t.Context(), alice, "prod", a.ID); err != nil || !cmp.Equal(got, a) {
		t.Errorf("described as %+v, %v", got, err)
	}
	if err := w.TagResource(t.Context(), alice, a.ARN().String(), minato.Tags{"k": "v"}); err != nil {
		t.Error(err)
	}
	if tags, err := w.ListTagsForResource(t.Context(), alice, a.ARN().String()); err != nil || !cmp.Equal(tags, minato.Tags{"team": "a", "k": "v"}) {
		t.Errorf("tags %v, %v", tags, err)
	}
	if gone, err := w.DeletePodIdentityAssociation(t.Context(), alice, "prod", a.ID); err != nil || gone.ID != a.ID {
		t.Errorf("deleted %+v, %v", gone, err)
	}
	_, err = w.DescribePodIdentityAssociation(t.Context(), alice, "prod", a.ID)
	wantKind(t, "after the deletion", err, minato.NotFound, a.ID)
	_, err = w.ListTagsForResource(t.Context(), alice, a.ARN().String())
	wantKind(t, "its tags", err, minato.NotFound, "Resource not found")
	if b, err := w.CreatePodIdentityAssociation(t.Context(), alice, r); err != nil || b.ID == a.ID {
		t.Errorf("made again: %s, %v", b.ID, err)
	}
}

func TestBadPodIdentityAssociations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "CONFIG_MAP") // works in every authentication mode
	w.deny = func(a iam.Access) bool {
		return a.Action == "iam:PassRole" && (a.Resource.ResourceName() == "secret" || a.Context["iam:passedtoservice"][0] != PodIdentityServicePrincipal)
	}
	for name, tt := range map[string]struct {
		change func(*CreatePodIdentityRequest)
		kind   minato.Kind
		text   string
	}{
		"no cluster":            {func(r *CreatePodIdentityRequest) { r.ClusterName = "none" }, minato.NotFound, "No cluster found for name: none."},
		"no namespace":          {func(r *CreatePodIdentityRequest) { r.Namespace = "" }, minato.Invalid, "namespace"},
		"bad namespace":         {func(r *CreatePodIdentityRequest) { r.Namespace = "a/b" }, minato.Invalid, `"a/b"`},
		"bad service account":   {func(r *CreatePodIdentityRequest) { r.ServiceAccount = "App" }, minato.Invalid, `"App"`},
		"long service account":  {func(r *CreatePodIdentityRequest) { r.ServiceAccount = strings.Repeat("a", 254) }, minato.Invalid, "253"},
		"no role":               {func(r *CreatePodIdentityRequest) { r.Role = "" }, minato.Invalid, "roleArn"},
		"a user":                {func(r *CreatePodIdentityRequest) { r.Role = "arn:aws:iam::111122223333:user/u" }, minato.Invalid, "not the ARN of an IAM role"},
		"no such role":          {func(r *CreatePodIdentityRequest) { r.Role = "arn:aws:iam::111122223333:role/none" }, minato.Invalid, "Role provided in the request does not exist"},
		"another account":       {func(r *CreatePodIdentityRequest) { r.Role = farRole }, minato.Invalid, "Cross-account pass role is not allowed"},
		"not passed":            {func(r *CreatePodIdentityRequest) { r.Role = "arn:aws:iam::111122223333:role/secret" }, minato.Denied, "iam:PassRole"},
		"bad target":            {func(r *CreatePodIdentityRequest) { r.TargetRole = "far" }, minato.Invalid, "targetRoleArn"},
		"policy with tags":      {func(r *CreatePodIdentityRequest) { r.Policy = readPolicy }, minato.Invalid, "disableSessionTags"},
		"bad policy":            {func(r *CreatePodIdentityRequest) { r.Policy, r.DisableSessionTags = "{", true }, minato.Invalid, "policy"},
		"long policy":           {func(r *CreatePodIdentityRequest) { r.Policy, r.DisableSessionTags = strings.Repeat(" ", 2049), true }, minato.Invalid, "2048"},
		"reserved tag":          {func(r *CreatePodIdentityRequest) { r.Tags = minato.Tags{"aws:x": "y"} }, minato.Invalid, "reserved"},
		"trailing dot":          {func(r *CreatePodIdentityRequest) { r.ServiceAccount = "app." }, minato.Invalid, `"app."`},
		"role of no account id": {func(r *CreatePodIdentityRequest) { r.Role = "arn:aws:iam::1:role/x" }, minato.Invalid, "roleArn"},
	} {
		r := podIdentityRequest("app")
		tt.change(&r)
		_, err := w.CreatePodIdentityAssociation(t.Context(), alice, r)
		wantKind(t, name, err, tt.kind, tt.text)
	}
	if l, err := w.ListPodIdentityAssociations(t.Context(), alice, "prod", PodIdentityFilter{}, PageRequest{}); err != nil || len(l.Associations) > 0 {
		t.Errorf("refused requests left %v, %v", l.Associations, err)
	}
}

func TestUpdatePodIdentityAssociation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	a, err := w.CreatePodIdentityAssociation(t.Context(), alice, podIdentityRequest("app"))
	if err != nil {
		t.Fatal(err)
	}
	update := func(change func(*UpdatePodIdentityRequest)) (PodIdentityAssociation, error) {
		r := UpdatePodIdentityRequest{ClusterName: "prod", ID: a.ID}
		change(&r)
		return w.UpdatePodIdentityAssociation(t.Context(), alice, r)
	}
	_, err = update(func(r *UpdatePodIdentityRequest) { r.Policy = new(readPolicy) })
	wantKind(t, "a policy beside tags", err, minato.Invalid, "disableSessionTags")
	got, err := update(func(r *UpdatePodIdentityRequest) {
		r.Policy, r.DisableSessionTags, r.TargetRole, r.Role = new(readPolicy), new(true), new(farRole), new(opsRole)
		r.ClientRequestToken = "u1"
	})
	if err != nil || got.Policy != readPolicy || !got.DisableSessionTags || got.TargetRole.String() != farRole || got.Role.String() != opsRole || got.ExternalID() == "" {
		t.Errorf("changed to %+v, %v", got, err)
	}
	_, err = update(func(r *UpdatePodIdentityRequest) { r.DisableSessionTags, r.ClientRequestToken = new(false), "u1" })
	wantKind(t, "the token for another change", err, minato.Invalid, "already used")
	_, err = update(func(r *UpdatePodIdentityRequest) { r.DisableSessionTags = new(false) })
	wantKind(t, "tags beside a policy", err, minato.Invalid, "disableSessionTags")
	got, err = update(func(r *UpdatePodIdentityRequest) {
		r.Policy, r.TargetRole, r.DisableSessionTags = new(""), new(""), new(false)
	})
	if err != nil || got.Policy != "" || got.DisableSessionTags || !got.TargetRole.IsZero() || got.ExternalID() != "" || got.Role.String() != opsRole {
		t.Errorf("taken away: %+v, %v", got, err)
	}
	_, err = update(func(r *UpdatePodIdentityRequest) { r.Role = new(farRole) })
	wantKind(t, "a role of another account", err, minato.Invalid, "Cross-account")
	_, err = update(func(r *UpdatePodIdentityRequest) { r.ID = "a-00000000000000000" })
	wantKind(t, "no such association", err, minato.NotFound, "a-00000000000000000")
}

func TestListPodIdentityAssociations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	for _, namespace := range []string{"a", "a-b", "b"} {
		for i := range 5 {
			r := podIdentityRequest(fmt.Sprintf("sa%d", i))
			r.Namespace = namespace
			if _, err := w.CreatePodIdentityAssociation(t.Context(), alice, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		filter PodIdentityFilter
		want   int
	}{
		"all":             {PodIdentityFilter{}, 15},
		"namespace":       {PodIdentityFilter{Namespace: "a"}, 5},
		"service account": {PodIdentityFilter{ServiceAccount: "sa3"}, 3},
		"both":            {PodIdentityFilter{"b", "sa3"}, 1},
		"neither":         {PodIdentityFilter{"c", "sa3"}, 0},
	} {
		found := map[string]bool{}
		for page := (PageRequest{MaxResults: new(int32(2))}); ; {
			l, err := w.ListPodIdentityAssociations(t.Context(), alice, "prod", tt.filter, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range l.Associations {
				found[a.Namespace+"/"+a.ServiceAccount] = true
			}
			if page.NextToken = l.NextToken; page.NextToken == "" {
				break
			}
		}
		if len(found) != tt.want {
			t.Errorf("%s: %v, want %d", name, found, tt.want)
		}
	}
}

func TestPodIdentityQuotaAndRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cluster := newActive(t, w, "API")
	var ops []store.Op
	for i := range maxPodIdentities - 1 {
		ops = append(ops, createPodIdentity(w.Store, PodIdentityAssociation{ClusterID: cluster.ID, ID: newPodIdentityID(), Namespace: "x", ServiceAccount: fmt.Sprint(i)})...)
		if len(ops) > 50 || i == maxPodIdentities-2 {
			if _, err := w.Store.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	// Of ten at once for the last place, one gets it.
	var wg sync.WaitGroup
	made := make([]error, 10)
	for i := range made {
		wg.Go(func() {
			_, made[i] = w.CreatePodIdentityAssociation(t.Context(), alice, podIdentityRequest(fmt.Sprint("last-", i)))
		})
	}
	wg.Wait()
	n := 0
	for _, err := range made {
		if err == nil {
			n++
			continue
		}
		wantKind(t, "a loser", err, minato.LimitExceeded, "at most 1000")
	}
	if n != 1 {
		t.Errorf("%d got the last place", n)
	}
	_, err := w.CreatePodIdentityAssociation(t.Context(), alice, podIdentityRequest("one-more"))
	wantKind(t, "one more than a cluster can have", err, minato.LimitExceeded, "at most 1000")
	if err := RemovePodIdentityAssociations(t.Context(), w.Store, &cluster); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{PodIdentityPrefix, podIdentityIDsPrefix, podIdentityTurnsPrefix} {
		if l, err := w.Store.List(t.Context(), prefix, store.ListOptions{}); err != nil || len(l.Entries) > 0 {
			t.Errorf("%s: %d are left, %v", prefix, len(l.Entries), err)
		}
	}
}

// Of many requests at once for one ServiceAccount, one makes the association and the others are told of it.
func TestPodIdentityRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	var wg sync.WaitGroup
	made := make([]error, 20)
	for i := range made {
		wg.Go(func() { _, made[i] = w.CreatePodIdentityAssociation(t.Context(), alice, podIdentityRequest("app")) })
	}
	wg.Wait()
	n := 0
	for _, err := range made {
		if err == nil {
			n++
			continue
		}
		wantKind(t, "a loser", err, minato.AlreadyExists, "Association already exists: a-")
	}
	if n != 1 {
		t.Errorf("%d made it", n)
	}
}
