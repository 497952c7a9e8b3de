package eks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// principalID knows the users and roles whose names do not begin with "no", by their names.
func (w *world) principalID(_ context.Context, principal minato.ARN) (string, error) {
	if name := principal.ResourceName(); !strings.HasPrefix(name, "no") {
		return "ID" + name, nil
	}
	return "", minato.Errorf(minato.NotFound, "there is no %s", principal)
}

func (w *world) applied(_ context.Context, rev store.Revision) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaited = max(w.awaited, rev)
	return w.hookAway
}

const opsRole = "arn:aws:iam::111122223333:role/team/ops"

// newActive makes the cluster prod in an authentication mode and lets it become ACTIVE.
func newActive(t *testing.T, w *world, mode string) Cluster {
	t.Helper()
	r := request("prod")
	r.AuthenticationMode = mode
	return w.create(t, r)
}

func wantKind(t *testing.T, what string, err error, kind minato.Kind, text string) {
	t.Helper()
	if minato.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %q (%s), want kind %q and the text %q", what, err, minato.KindOf(err), kind, text)
	}
}

func TestEntryTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	for i, tt := range []struct {
		kind, principal, username string
		groups                    []string
	}{
		{"", "role/team/r", "arn:aws:sts::111122223333:assumed-role/r/{{SessionName}}", nil},
		{"STANDARD", "user/team/u", "arn:aws:iam::111122223333:user/team/u", nil},
		{"EC2_LINUX", "role/r1", "system:node:{{EC2PrivateDNSName}}", []string{"system:nodes"}},
		{"EC2_WINDOWS", "role/r2", "system:node:{{EC2PrivateDNSName}}", []string{"system:nodes", "eks:kube-proxy-windows"}},
		{"FARGATE_LINUX", "role/r3", "system:node:{{SessionName}}", []string{"system:bootstrappers", "system:nodes", "system:node-proxier"}},
		{"HYBRID_LINUX", "role/r4", "system:node:{{SessionName}}", []string{"system:nodes"}},
		{"HYPERPOD_LINUX", "role/r5", "system:node:{{SessionName}}", []string{"system:nodes"}},
		{"EC2", "role/r6", "system:node:{{EC2PrivateDNSName}}", []string{"system:nodes"}},
	} {
		_, e, err := w.CreateAccessEntry(t.Context(), alice, CreateAccessEntryRequest{
			ClusterName: "prod", PrincipalARN: "arn:aws:iam::111122223333:" + tt.principal, Type: tt.kind,
		})
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		if e.Username != tt.username || !cmp.Equal(e.Groups, tt.groups) || e.PrincipalID != "ID"+e.PrincipalARN.ResourceName() {
			t.Errorf("%s: username %q, groups %q, id %q", tt.kind, e.Username, e.Groups, e.PrincipalID)
		}
		_, _, err = w.AssociateAccessPolicy(t.Context(), alice, AssociateAccessPolicyRequest{
			ClusterName: "prod", PrincipalARN: e.PrincipalARN.String(), PolicyARN: policyARN("AmazonEKSViewPolicy").String(), ScopeType: "cluster",
		})
		if may := e.Type == "STANDARD" || e.Type == "EC2"; may != (err == nil) {
			t.Errorf("associating a policy with an entry of type %s: %v", e.Type, err)
		}
		_, _, err = w.UpdateAccessEntry(t.Context(), alice, UpdateAccessEntryRequest{ClusterName: "prod", PrincipalARN: e.PrincipalARN.String(), Groups: []string{"g"}})
		if may := e.Type == "STANDARD"; may != (err == nil) {
			t.Errorf("changing the groups of an entry of type %s: %v", e.Type, err)
		}
	}
}

func TestNodeRolesMustBePassed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	w.deny = func(a iam.Access) bool {
		return a.Action == "iam:PassRole" && a.Resource.String() == opsRole && a.Context["iam:passedtoservice"][0] == "ec2.amazonaws.com"
	}
	r := CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole, Type: "EC2_LINUX"}
	_, _, err := w.CreateAccessEntry(t.Context(), alice, r)
	wantKind(t, "a node's role", err, minato.Denied, "iam:PassRole")
	r.Type = ""
	if _, _, err := w.CreateAccessEntry(t.Context(), alice, r); err != nil {
		t.Errorf("a STANDARD entry passes no role: %v", err)
	}
}

func TestBadAccessEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	good := CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole}
	many := make([]string, maxEntryGroups+1)
	for i := range many {
		many[i] = fmt.Sprintf("g%d", i)
	}
	for name, tt := range map[string]struct {
		change func(*CreateAccessEntryRequest)
		text   string
	}{
		"not an ARN":      {func(r *CreateAccessEntryRequest) { r.PrincipalARN = "ops" }, "The principalArn parameter format is not valid."},
		"long ARN":        {func(r *CreateAccessEntryRequest) { r.PrincipalARN += strings.Repeat("x", 5000) }, "format is not valid"},
		"group":           {func(r *CreateAccessEntryRequest) { r.PrincipalARN = "arn:aws:iam::111122223333:group/g" }, "format is not valid"},
		"root":            {func(r *CreateAccessEntryRequest) { r.PrincipalARN = "arn:aws:iam::111122223333:root" }, "format is not valid"},
		"other partition": {func(r *CreateAccessEntryRequest) { r.PrincipalARN = "arn:aws-cn:iam::111122223333:role/r" }, "format is not valid"},
		"session":         {func(r *CreateAccessEntryRequest) { r.PrincipalARN = "arn:aws:sts::111122223333:assumed-role/ops/me" }, "such as arn:aws:iam::111122223333:role/ops"},
		"nobody":          {func(r *CreateAccessEntryRequest) { r.PrincipalARN = "arn:aws:iam::111122223333:role/nobody" }, "The specified principalArn is invalid: invalid principal"},
		"type":            {func(r *CreateAccessEntryRequest) { r.Type = "standard" }, "EC2_LINUX"},
		"node of a user": {func(r *CreateAccessEntryRequest) {
			r.Type, r.PrincipalARN = "EC2_LINUX", "arn:aws:iam::111122223333:user/u"
		}, "must be that of a role"},
		"node of another": {func(r *CreateAccessEntryRequest) {
			r.Type, r.PrincipalARN = "EC2_LINUX", "arn:aws:iam::444455556666:role/r"
		}, "account 111122223333"},
		"node with groups":      {func(r *CreateAccessEntryRequest) { r.Type, r.Groups = "EC2_LINUX", []string{"g"} }, "leave them out"},
		"node with username":    {func(r *CreateAccessEntryRequest) { r.Type, r.Username = "EC2_LINUX", "n" }, "leave it out"},
		"reserved username":     {func(r *CreateAccessEntryRequest) { r.Username = "system:admin" }, "The username must not begin with system:"},
		"reserved by EKS":       {func(r *CreateAccessEntryRequest) { r.Username = "eks:x" }, "begin with eks:"},
		"session without colon": {func(r *CreateAccessEntryRequest) { r.Username = "john{{SessionNameRaw}}" }, "must have a colon"},
		"second without colon":  {func(r *CreateAccessEntryRequest) { r.Username = "{{AccountID}}{{SessionName}}:" }, "must have a colon"},
		"unknown template":      {func(r *CreateAccessEntryRequest) { r.Username = "a:{{sessionname}}" }, "stands for nothing"},
		"control character":     {func(r *CreateAccessEntryRequest) { r.Username = "a\nb" }, "cannot be written"},
		"long username":         {func(r *CreateAccessEntryRequest) { r.Username = strings.Repeat("x", 600) }, "1 to 512"},
		"system group":          {func(r *CreateAccessEntryRequest) { r.Groups = []string{"system:masters"} }, "The kubernetes group name system:masters is invalid, it cannot start with system:"},
		"empty group":           {func(r *CreateAccessEntryRequest) { r.Groups = []string{""} }, "1 to 512"},
		"group twice":           {func(r *CreateAccessEntryRequest) { r.Groups = []string{"a", "a"} }, "twice"},
		"too many groups":       {func(r *CreateAccessEntryRequest) { r.Groups = many }, "at most 100"},
		"reserved tag":          {func(r *CreateAccessEntryRequest) { r.Tags = minato.Tags{"aws:x": ""} }, "reserved"},
	} {
		r := good
		tt.change(&r)
		_, _, err := w.CreateAccessEntry(t.Context(), alice, r)
		wantKind(t, name, err, minato.Invalid, tt.text)
	}
	list, err := w.ListAccessEntries(t.Context(), alice, "prod", "", PageRequest{})
	if err != nil || len(list.Principals) != 1 {
		t.Errorf("after refusals there are the entries %v (%v), want the creator's only", list.Principals, err)
	}
}

func TestBadScopes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind       string
		namespaces []string
	}{
		"no type":                 {"", nil},
		"unknown type":            {"Cluster", nil},
		"cluster with namespaces": {"cluster", []string{"a"}},
		"no namespaces":           {"namespace", nil},
		"capital":                 {"namespace", []string{"Dev"}},
		"empty":                   {"namespace", []string{""}},
		"too long":                {"namespace", []string{strings.Repeat("a", 64)}},
		"twice":                   {"namespace", []string{"a", "a"}},
		"wildcards in a row":      {"namespace", []string{"a**"}},
		"begins with a hyphen":    {"namespace", []string{"-a"}},
		"too many":                {"namespace", strings.Split(strings.Repeat("a ", maxNamespaces), " ")},
	} {
		wantKind(t, name, checkAccessScope(tt.kind, tt.namespaces), minato.Invalid, "")
	}
	for _, ns := range []string{"*", "dev-*", "*-dev", "a*b", "a", "0"} {
		if err := checkAccessScope("namespace", []string{ns}); err != nil {
			t.Error(err)
		}
	}
}

func TestChangesWaitForTheWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	view := AssociateAccessPolicyRequest{ClusterName: "prod", PrincipalARN: opsRole, PolicyARN: policyARN("AmazonEKSViewPolicy").String(), ScopeType: "cluster"}
	create := CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole, ClientRequestToken: "t"}
	changes := []struct {
		name string
		do   func() error
	}{
		{"create", func() error { _, _, err := w.CreateAccessEntry(t.Context(), alice, create); return err }},
		{"create again", func() error { _, _, err := w.CreateAccessEntry(t.Context(), alice, create); return err }},
		{"update", func() error {
			_, _, err := w.UpdateAccessEntry(t.Context(), alice, UpdateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole, Groups: []string{"g"}})
			return err
		}},
		{"associate", func() error { _, _, err := w.AssociateAccessPolicy(t.Context(), alice, view); return err }},
		{"disassociate", func() error {
			return w.DisassociateAccessPolicy(t.Context(), alice, "prod", opsRole, view.PolicyARN)
		}},
		{"delete", func() error { return w.DeleteAccessEntry(t.Context(), alice, "prod", opsRole) }},
	}
	for _, c := range changes {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		now, err := w.Store.List(t.Context(), AccessEntriesPrefix, store.ListOptions{})
		if err != nil || w.awaited != now.Revision {
			t.Errorf("%s answered after revision %d was applied, the store is at %d (%v)", c.name, w.awaited, now.Revision, err)
		}
	}
	w.hookAway = errors.New("connection refused")
	for _, c := range changes {
		wantKind(t, c.name, c.do(), minato.Unavailable, "as soon as they are back")
	}
	w.hookAway = nil
	_, _, err := w.DescribeAccessEntry(t.Context(), alice, "prod", opsRole)
	wantKind(t, "the deletion stands", err, minato.NotFound, "The specified principalArn could not be found.")
}

func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	var made, refused int
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, _, err := w.CreateAccessEntry(t.Context(), alice, CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case minato.Is(err, minato.AlreadyExists):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made != 1 || refused != 7 {
		t.Errorf("%d clients made the entry and %d found it there, want 1 and 7", made, refused)
	}
	for i := range 8 {
		group.Go(func() {
			_, _, err := w.AssociateAccessPolicy(t.Context(), alice, AssociateAccessPolicyRequest{
				ClusterName: "prod", PrincipalARN: opsRole, PolicyARN: w.AccessPolicies[i%2].ARN.String(), ScopeType: "namespace", Namespaces: []string{fmt.Sprint("n", i)},
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	list, err := w.ListAssociatedAccessPolicies(t.Context(), alice, "prod", opsRole, PageRequest{})
	if err != nil || len(list.Policies) != 2 {
		t.Errorf("the entry has %d policies (%v), want both", len(list.Policies), err)
	}
}

func TestEntriesGoWithTheirCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newActive(t, w, "API")
	for i := range 120 {
		_, _, err := w.CreateAccessEntry(t.Context(), alice, CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: fmt.Sprintf("arn:aws:iam::111122223333:role/r%03d", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []minato.ARN
	for page := (PageRequest{MaxResults: new(int32(50))}); ; {
		list, err := w.ListAccessEntries(t.Context(), alice, "prod", "", page)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, list.Principals...)
		if page.NextToken = list.NextToken; page.NextToken == "" {
			break
		}
	}
	if len(got) != 121 {
		t.Errorf("the pages list %d entries, want 121", len(got))
	}
	if _, err := w.DeleteCluster(t.Context(), alice, "prod"); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.CreateAccessEntry(t.Context(), alice, CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole})
	wantKind(t, "creating an entry during DELETING", err, minato.WrongState, "is not in ACTIVE status")
	wantKind(t, "deleting an entry during DELETING", w.DeleteAccessEntry(t.Context(), alice, "prod", got[0].String()), minato.WrongState, "is not in ACTIVE status")
	if err := RemoveAccessEntries(t.Context(), w.Store, &c); err != nil {
		t.Fatal(err)
	}
	left, err := w.Store.List(t.Context(), AccessEntriesPrefix, store.ListOptions{})
	if err != nil || len(left.Entries) != 0 {
		t.Errorf("%d entries are left (%v)", len(left.Entries), err)
	}
}
