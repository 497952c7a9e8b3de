package iam_test

import (
	"slices"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

func TestRename(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	u := w.user("u")
	c := w.credential("u")
	own := w.policy("own", allowEKS)
	_, err := w.CreateGroup(ctx, account, "/", "g")
	w.must(err)
	w.must(w.AddUserToGroup(ctx, account, "g", "u"))
	w.must(w.AttachPolicy(ctx, userHolder("u"), own))
	w.must(w.AttachPolicy(ctx, iam.Holder{Account: account, Kind: iam.GroupKind, Name: "g"}, own))
	w.must(w.SetBoundary(ctx, userHolder("u"), own))

	w.user("taken")
	w.wants(w.UpdateUser(ctx, account, "u", iam.Rename{Name: new("TAKEN")}), minato.AlreadyExists, iam.EntityAlreadyExists, "User with name TAKEN already exists.")
	w.wants(w.UpdateUser(ctx, account, "none", iam.Rename{Name: new("v")}), minato.NotFound, iam.NoSuchEntity, "none")
	w.wants(w.UpdateUser(ctx, account, "u", iam.Rename{Name: new("a b")}), minato.Invalid, iam.ValidationError, "newUserName")
	w.wants(w.UpdateUser(ctx, account, "u", iam.Rename{Path: new("x")}), minato.Invalid, iam.ValidationError, "path")
	w.must(w.UpdateUser(ctx, account, "u", iam.Rename{Path: new("/x/")}))
	w.must(w.UpdateUser(ctx, account, "u", iam.Rename{Name: new("U")}))
	w.must(w.UpdateUser(ctx, account, "U", iam.Rename{Name: new("v")}))
	w.must(w.UpdateGroup(ctx, account, "g", iam.Rename{Name: new("h"), Path: new("/y/")}))

	moved, err := w.User(ctx, account, "v")
	w.must(err)
	if moved.ID != u.ID || moved.ARN().String() != "arn:aws:iam::111122223333:user/x/v" || !slices.Equal(moved.Groups, []string{"h"}) {
		t.Errorf("the user is %+v", moved)
	}
	_, err = w.User(ctx, account, "u")
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "u")
	group, members, _, err := w.Group(ctx, account, "h", iam.Page{})
	w.must(err)
	if group.ARN().String() != "arn:aws:iam::111122223333:group/y/h" || len(members) != 1 || members[0].Name != "v" {
		t.Errorf("the group is %+v with %+v", group, members)
	}
	c, err = w.Credentials(ctx, c.AccessKeyID, "")
	w.must(err)
	if c.Principal.ARN != moved.ARN() {
		t.Errorf("its key is that of %s", c.Principal.ARN)
	}
	w.must(w.Authorize(ctx, iam.Access{Credential: c, Action: "eks:ListClusters"}))
	use, err := w.PolicyUse(ctx, account, own)
	w.must(err)
	if !slices.Equal(use.AttachedTo, []string{"user/v", "group/h"}) || !slices.Equal(use.BoundaryOf, []string{"user/v"}) {
		t.Errorf("the policy is used by %v and %v", use.AttachedTo, use.BoundaryOf)
	}

	// All of it can be taken apart again under the new names.
	w.must(w.SetBoundary(ctx, userHolder("v"), ""))
	w.must(w.DetachPolicy(ctx, userHolder("v"), own))
	w.must(w.DetachPolicy(ctx, iam.Holder{Account: account, Kind: iam.GroupKind, Name: "h"}, own))
	w.must(w.RemoveUserFromGroup(ctx, account, "h", "v"))
	w.must(w.DeleteAccessKey(ctx, account, "v", c.AccessKeyID))
	w.must(w.DeleteUser(ctx, account, "v"))
	w.must(w.DeleteGroup(ctx, account, "h"))
	w.must(w.DeletePolicy(ctx, account, own))
}
