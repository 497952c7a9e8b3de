package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

func TestUserLife(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	boundary := w.policy("limit", allowEKS)
	u, err := w.CreateUser(ctx, account, iam.NewUser{Name: "Alice", Path: "/dev/", Boundary: boundary, Tags: minato.Tags{"team": "red"}})
	w.must(err)
	if u.ARN().String() != "arn:aws:iam::111122223333:user/dev/Alice" || !strings.HasPrefix(u.ID, "AIDA") || len(u.ID) != 21 {
		t.Errorf("user = %s, %s", u.ARN(), u.ID)
	}
	_, err = w.CreateUser(ctx, account, iam.NewUser{Name: "alice"})
	w.wants(err, minato.AlreadyExists, iam.EntityAlreadyExists, "User with name alice already exists.")
	_, err = w.User(ctx, account, "bob")
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "The user with name bob cannot be found.")
	_, err = w.User(ctx, other, "Alice")
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "Alice")

	key, err := w.CreateAccessKey(ctx, account, "Alice")
	w.must(err)
	second, err := w.CreateAccessKey(ctx, account, "Alice")
	w.must(err)
	_, err = w.CreateAccessKey(ctx, account, "Alice")
	w.wants(err, minato.LimitExceeded, iam.LimitExceeded, "Cannot exceed quota for AccessKeysPerUser: 2")

	w.must(w.SetAccessKeyActive(ctx, account, "Alice", key.ID, false))
	_, err = w.Credentials(ctx, key.ID, "")
	w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "security token")
	w.must(w.SetAccessKeyActive(ctx, account, "Alice", key.ID, true))
	_, err = w.Credentials(ctx, key.ID, "")
	w.must(err)
	w.wants(w.SetAccessKeyActive(ctx, account, iam.AdministratorUser, key.ID, false), minato.NotFound, iam.NoSuchEntity, key.ID)

	w.must(w.PutInlinePolicy(ctx, userHolder("Alice"), "p", allowEKS))
	w.must(w.AttachPolicy(ctx, userHolder("Alice"), "arn:aws:iam::aws:policy/PowerUserAccess"))
	_, err = w.CreateGroup(ctx, account, "", "devs")
	w.must(err)
	w.must(w.AddUserToGroup(ctx, account, "devs", "Alice"))

	for _, step := range []struct {
		conflict string
		remedy   func() error
	}{
		{"must detach all policies first", func() error {
			return w.DetachPolicy(ctx, userHolder("Alice"), "arn:aws:iam::aws:policy/PowerUserAccess")
		}},
		{"must delete policies first", func() error { return w.DeleteInlinePolicy(ctx, userHolder("Alice"), "p") }},
		{"must delete access keys first", func() error { return w.DeleteAccessKey(ctx, account, "Alice", key.ID) }},
		{"must delete access keys first", func() error { return w.DeleteAccessKey(ctx, account, "Alice", second.ID) }},
		{"must remove users from group first", func() error { return w.RemoveUserFromGroup(ctx, account, "devs", "Alice") }},
	} {
		w.wants(w.DeleteUser(ctx, account, "Alice"), minato.InUse, iam.DeleteConflict, step.conflict)
		w.must(step.remedy())
	}
	w.wants(w.DeletePolicy(ctx, account, boundary), minato.InUse, iam.DeleteConflict, "attached to entities")
	w.must(w.DeleteUser(ctx, account, "Alice"))
	w.must(w.DeletePolicy(ctx, account, boundary)) // the boundary is free again
	w.must(w.DeleteGroup(ctx, account, "devs"))
	_, err = w.Credentials(ctx, key.ID, "")
	w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")
}

func TestGroups(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.user("a")
	w.user("b")
	_, err := w.CreateGroup(ctx, account, "/x/", "g")
	w.must(err)
	for range 2 { // adding twice is the same as once
		w.must(w.AddUserToGroup(ctx, account, "g", "b"))
		w.must(w.AddUserToGroup(ctx, account, "g", "a"))
	}
	group, members, _, err := w.Group(ctx, account, "g", iam.Page{})
	w.must(err)
	if group.ARN().String() != "arn:aws:iam::111122223333:group/x/g" || len(members) != 2 || members[0].Name != "a" {
		t.Errorf("group %s has %d members", group.ARN(), len(members))
	}
	w.wants(w.DeleteGroup(ctx, account, "g"), minato.InUse, iam.DeleteConflict, "must remove users from group first")
	groups, _, err := w.GroupsOf(ctx, account, "a", iam.Page{})
	w.must(err)
	if len(groups) != 1 || groups[0].Name != "g" {
		t.Errorf("a is in %v", groups)
	}
	w.wants(w.AddUserToGroup(ctx, account, "g", "nobody"), minato.NotFound, iam.NoSuchEntity, "nobody")
	for i := range 9 {
		_, err := w.CreateGroup(ctx, account, "", fmt.Sprintf("g%d", i))
		w.must(err)
		w.must(w.AddUserToGroup(ctx, account, fmt.Sprintf("g%d", i), "a"))
	}
	_, err = w.CreateGroup(ctx, account, "", "one-too-many")
	w.must(err)
	w.wants(w.AddUserToGroup(ctx, account, "one-too-many", "a"), minato.LimitExceeded, iam.LimitExceeded, "GroupsPerUser: 10")
}

func TestRoleLife(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	r, err := w.CreateRole(ctx, account, iam.NewRole{Name: "ops", Path: "/team/", Trust: trustsEKS, Description: "ops"})
	w.must(err)
	if r.ARN().String() != "arn:aws:iam::111122223333:role/team/ops" || !strings.HasPrefix(r.ID, "AROA") || len(r.ID) != 21 ||
		r.MaxSessionDuration != time.Hour {
		t.Errorf("role = %+v", r)
	}
	_, err = w.CreateRole(ctx, account, iam.NewRole{Name: "ops", Trust: trustsEKS})
	w.wants(err, minato.AlreadyExists, iam.EntityAlreadyExists, "Role with name ops already exists.")
	_, err = w.RoleByARN(ctx, r.ARN())
	w.must(err)
	_, err = w.RoleByARN(ctx, minato.NewARN("iam", "", account, "role/ops"))
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "") // the path is part of the ARN

	text, long := "new", 2*time.Hour
	r, err = w.UpdateRole(ctx, account, "ops", &text, nil)
	w.must(err)
	r, err = w.UpdateRole(ctx, account, "ops", nil, &long)
	w.must(err)
	if r.Description != "new" || r.MaxSessionDuration != long {
		t.Errorf("role = %+v", r)
	}
	tooLong := 13 * time.Hour
	_, err = w.UpdateRole(ctx, account, "ops", nil, &tooLong)
	w.wants(err, minato.Invalid, iam.ValidationError, "46800")

	_, err = w.CreateInstanceProfile(ctx, account, "", "ip", nil)
	w.must(err)
	w.must(w.AddRoleToInstanceProfile(ctx, account, "ip", "ops"))
	w.wants(w.AddRoleToInstanceProfile(ctx, account, "ip", "ops"), minato.LimitExceeded, iam.LimitExceeded, "InstanceSessionsPerInstanceProfile: 1")
	w.wants(w.DeleteRole(ctx, account, "ops"), minato.InUse, iam.DeleteConflict, "must remove roles from instance profile first")
	w.wants(w.DeleteInstanceProfile(ctx, account, "ip"), minato.InUse, iam.DeleteConflict, "must remove roles")
	w.must(w.RemoveRoleFromInstanceProfile(ctx, account, "ip", "ops"))
	w.must(w.DeleteInstanceProfile(ctx, account, "ip"))
	w.must(w.DeleteRole(ctx, account, "ops"))
	w.wants(w.DeleteRole(ctx, account, "ops"), minato.NotFound, iam.NoSuchEntity, "The role with name ops cannot be found.")
}

func TestValidation(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	long := strings.Repeat("x", 65)
	for _, c := range []struct {
		name    string
		in      iam.NewRole
		kind    minato.Kind
		reason  string
		message string
	}{
		{"no name", iam.NewRole{}, minato.Invalid, iam.ValidationError, "Value null at 'roleName'"},
		{"long name", iam.NewRole{Name: long}, minato.Invalid, iam.ValidationError, "less than or equal to 64"},
		{"name", iam.NewRole{Name: "a b"}, minato.Invalid, iam.ValidationError, "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{"path", iam.NewRole{Name: "a", Path: "team"}, minato.Invalid, iam.ValidationError, "must begin and end with /"},
		{"no trust", iam.NewRole{Name: "a"}, minato.Invalid, iam.ValidationError, "Value null at 'assumeRolePolicyDocument'"},
		{"bad trust", iam.NewRole{Name: "a", Trust: "{"}, minato.Invalid, iam.MalformedPolicyDocument, "This policy contains invalid Json: line 1"},
		{"trust with a resource", iam.NewRole{Name: "a", Trust: strings.Replace(trustsEKS, `"Action"`, `"Resource":"*","Action"`, 1)}, minato.Invalid, iam.MalformedPolicyDocument, "Has prohibited field Resource"},
		{"trust in Japanese", iam.NewRole{Name: "a", Trust: `{"Id":"港"}`}, minato.Invalid, iam.ValidationError, "printable ASCII"},
		{"long trust", iam.NewRole{Name: "a", Trust: strings.Replace(trustsEKS, "{", `{"Id":"`+strings.Repeat("x", 2048)+`",`, 1)}, minato.LimitExceeded, iam.LimitExceeded, "ACLSizePerRole: 2048"},
		{"session", iam.NewRole{Name: "a", Trust: trustsEKS, MaxSessionDuration: time.Minute}, minato.Invalid, iam.ValidationError, "Value '60' at 'maxSessionDuration'"},
		{"description", iam.NewRole{Name: "a", Trust: trustsEKS, Description: strings.Repeat("x", 1001)}, minato.Invalid, iam.ValidationError, "description"},
		{"boundary", iam.NewRole{Name: "a", Trust: trustsEKS, Boundary: "arn:aws:iam::111122223333:policy/none"}, minato.NotFound, iam.NoSuchEntity, "Scope ARN: arn:aws:iam::111122223333:policy/none does not exist or is not attachable."},
		{"tag key", iam.NewRole{Name: "a", Trust: trustsEKS, Tags: minato.Tags{"a!": ""}}, minato.Invalid, iam.ValidationError, "a!"},
		{"aws: tag", iam.NewRole{Name: "a", Trust: trustsEKS, Tags: minato.Tags{"aws:x": ""}}, minato.Invalid, iam.InvalidInput, "aws:x"},
		{"tags that differ by case", iam.NewRole{Name: "a", Trust: trustsEKS, Tags: minato.Tags{"k": "", "K": ""}}, minato.Invalid, iam.InvalidInput, "Duplicate tag keys found"},
		{"principal", iam.NewRole{Name: "a", Trust: trusts("arn:aws:iam::111122223333:role/ghost")}, minato.Invalid, iam.MalformedPolicyDocument, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:role/ghost"`},
		{"principal of another path", iam.NewRole{Name: "a", Trust: trusts("arn:aws:iam::111122223333:user/x/admin")}, minato.Invalid, iam.MalformedPolicyDocument, "Invalid principal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.CreateRole(ctx, account, c.in)
			(&world{TB: t}).wants(err, c.kind, c.reason, c.message)
		})
	}
	// An account that is not here cannot be looked into.
	_, err := w.CreateRole(ctx, account, iam.NewRole{Name: "far", Trust: trusts("arn:aws:iam::999999999999:role/ghost")})
	w.must(err)
}

// trusts is a trust policy that names one ARN.
func trusts(arn string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
}

func TestTags(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.role("r", trustsEKS)
	w.must(w.Tag(ctx, roleHolder("r"), minato.Tags{"Team": "red", "env": "dev"}))
	w.must(w.Tag(ctx, roleHolder("r"), minato.Tags{"team": "blue"})) // the same key, whatever its case
	w.must(w.Untag(ctx, roleHolder("r"), []string{"ENV", "missing"}))
	d, err := w.Describe(ctx, roleHolder("r"))
	w.must(err)
	if len(d.Tags) != 1 || d.Tags["team"] != "blue" {
		t.Errorf("tags = %v, want team=blue", d.Tags)
	}
	many := minato.Tags{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	w.wants(w.Tag(ctx, roleHolder("r"), many), minato.LimitExceeded, iam.LimitExceeded, "50")
}

func TestPaging(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	for i := range 7 {
		path := "/even/"
		if i%2 == 1 {
			path = "/odd/"
		}
		_, err := w.CreateRole(ctx, account, iam.NewRole{Name: fmt.Sprintf("r%d", i), Path: path, Trust: trustsEKS})
		w.must(err)
	}
	_, err := w.CreateRole(ctx, other, iam.NewRole{Name: "r3b", Path: "/even/", Trust: trustsEKS})
	w.must(err)
	var names []string
	pages := 0
	for p := (iam.Page{MaxItems: 2}); ; pages++ {
		roles, next, err := w.Roles(ctx, account, "/even/", p)
		w.must(err)
		for _, r := range roles {
			names = append(names, r.Name)
		}
		if next == "" {
			break
		}
		p.Marker = next
	}
	if !slices.Equal(names, []string{"r0", "r2", "r4", "r6"}) || pages != 1 {
		t.Errorf("listed %v on %d pages, want r0 r2 r4 r6 on two", names, pages+1)
	}
	_, _, err = w.Roles(ctx, account, "", iam.Page{Marker: "!"})
	w.wants(err, minato.Invalid, iam.ValidationError, "Invalid Marker")
	_, _, err = w.Roles(ctx, account, "", iam.Page{MaxItems: 1001})
	w.wants(err, minato.Invalid, iam.ValidationError, "maxItems")
	_, _, err = w.Roles(ctx, account, "even", iam.Page{})
	w.wants(err, minato.Invalid, iam.ValidationError, "pathPrefix")
}

// Writers at once lose nothing, and no limit is passed.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.user("u")
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			if _, err := w.CreateAccessKey(ctx, account, "u"); err != nil && !minato.Is(err, minato.LimitExceeded) {
				t.Error(err)
			}
			if err := w.PutInlinePolicy(ctx, userHolder("u"), fmt.Sprint(i), allowEKS); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	keys, err := w.AccessKeys(ctx, account, "u")
	w.must(err)
	policies, _, err := w.InlinePolicies(ctx, userHolder("u"), iam.Page{})
	w.must(err)
	if len(keys) != 2 || len(policies) != 12 {
		t.Errorf("%d keys and %d policies, want 2 and 12", len(keys), len(policies))
	}
	records, err := w.store.List(ctx, iam.AccessKeysPrefix, store.ListOptions{})
	w.must(err)
	if len(records.Entries) != 2+2*2 { // this user's, and each account's root and administrator
		t.Errorf("%d access key records, want 6: a key without its user, or the other way round", len(records.Entries))
	}
}
