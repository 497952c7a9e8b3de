package sts_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

const (
	account = "111122223333"
	other   = "444455556666"
	mayAll  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// world is STS over IAM with two accounts, each with a user "u" that may do nothing, on a store in memory.
type world struct {
	testing.TB
	*sts.Service
	iam   *iam.Service
	store store.Store
	clock *clock.Clock
	user  iam.Credential // of account
	far   iam.Credential // of other
}

func newWorld(t testing.TB) *world {
	t.Helper()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, store: memstore.New(), clock: &clock.Clock{}}
	w.iam = iam.New(w.store, sealer, w.clock)
	w.Service = sts.New(w.iam)
	for account, credential := range map[string]*iam.Credential{account: &w.user, other: &w.far} {
		_, err := w.iam.EnsureAccount(t.Context(), account)
		w.must(err)
		_, err = w.iam.CreateUser(t.Context(), account, iam.NewUser{Name: "u", Path: "/x/"})
		w.must(err)
		key, err := w.iam.CreateAccessKey(t.Context(), account, "u")
		w.must(err)
		*credential, err = w.iam.Credentials(t.Context(), key.ID, "")
		w.must(err)
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) wants(err error, kind minato.Kind, reason, message string) {
	w.Helper()
	e, ok := errors.AsType[*minato.Error](err)
	if !ok || e.Kind != kind || e.Reason != reason || !strings.Contains(e.Message, message) {
		w.Errorf("error = %v (%+v), want kind %q, reason %s, message %q", err, e, kind, reason, message)
	}
}

// role makes a role whose trust policy has one statement with this principal, and more elements.
func (w *world) role(name, principal, more string) iam.Role {
	w.Helper()
	r, err := w.iam.CreateRole(w.Context(), account, iam.NewRole{Name: name, Path: "/p/", Trust: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":` + principal + `,"Action":["sts:AssumeRole","sts:TagSession"]` + more + `}]}`})
	w.must(err)
	return r
}

// assume assumes a role and looks the session up.
func (w *world) assume(in sts.AssumeRole) (iam.Credential, sts.AssumedRole, error) {
	w.Helper()
	if in.SessionName == "" {
		in.SessionName = "laptop"
	}
	out, err := w.AssumeRole(w.Context(), in)
	if err != nil {
		return iam.Credential{}, out, err
	}
	c, err := w.iam.Credentials(w.Context(), out.AccessKeyID, out.SessionToken)
	w.must(err)
	return c, out, nil
}

func (w *world) allow(credential iam.Credential, document string) {
	w.Helper()
	who := credential.Principal
	holder := iam.Holder{Account: who.Account, Kind: iam.UserKind, Name: who.ARN.ResourceName()}
	if who.Type == minato.AssumedRole {
		holder.Kind, holder.Name = iam.RoleKind, who.RoleARN.ResourceName()
	}
	w.must(w.iam.PutInlinePolicy(w.Context(), holder, "p", document))
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role("ops", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, "")
	c, out, err := w.assume(sts.AssumeRole{Credential: w.user, RoleARN: role.ARN().String()})
	w.must(err)
	if out.ARN.String() != "arn:aws:sts::111122223333:assumed-role/ops/laptop" || out.ID != role.ID+":laptop" {
		t.Errorf("assumed %s, %s", out.ARN, out.ID)
	}
	if p := c.Principal; p.ARN != out.ARN || p.RoleARN != role.ARN() || p.Type != minato.AssumedRole || p.SessionName != "laptop" {
		t.Errorf("the session is %+v", p)
	}
	if d := time.Until(out.Expires); d > time.Hour || d < 59*time.Minute {
		t.Errorf("the session lasts %s, want an hour", d)
	}
	if !strings.HasPrefix(out.AccessKeyID, "ASIA") || len(out.AccessKeyID) != 20 {
		t.Errorf("access key id = %s", out.AccessKeyID)
	}
}

// Who is let in by a trust policy, and whose own policies must agree.
func TestWhoMayAssume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const notTrusted = "because no role trust policy allows the sts:AssumeRole action"
	const notAllowed = "because no identity-based policy allows the sts:AssumeRole action"
	user, far := w.user.Principal.ARN.String(), w.far.Principal.ARN.String()
	for i, c := range []struct {
		principal string
		who       iam.Credential
		identity  bool // the caller's own policies allow everything
		refused   string
	}{
		{`{"AWS":"` + user + `"}`, w.user, false, ""},
		{`{"AWS":"111122223333"}`, w.user, false, notAllowed},
		{`{"AWS":"arn:aws:iam::111122223333:root"}`, w.user, true, ""},
		{`{"AWS":"` + far + `"}`, w.user, true, notTrusted},
		{`{"AWS":"` + far + `"}`, w.far, false, notAllowed},
		{`{"AWS":"` + far + `"}`, w.far, true, ""},
		{`{"AWS":"` + other + `"}`, w.far, true, ""},
		{`{"AWS":"` + other + `"}`, w.far, false, notAllowed},
		{`"*"`, w.far, false, notAllowed},
		{`"*"`, w.user, false, ""},
		{`{"Service":"eks.amazonaws.com"}`, w.user, true, notTrusted},
	} {
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
		if c.identity {
			document = mayAll
		}
		w.allow(c.who, document)
		role := w.role(string(rune('a'+i)), c.principal, "")
		_, _, err := w.assume(sts.AssumeRole{Credential: c.who, RoleARN: role.ARN().String()})
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s, %s: %v", c.principal, c.who.Principal.ARN, err)
		case c.refused != "":
			w.wants(err, minato.Denied, iam.AccessDenied, "User: "+c.who.Principal.ARN.String()+
				" is not authorized to perform: sts:AssumeRole on resource: "+role.ARN().String()+" "+c.refused)
		}
	}
}

func TestExternalID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role("ops", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"eu/1"},"StringLike":{"sts:RoleSessionName":"lap*"}}`)
	in := sts.AssumeRole{Credential: w.user, RoleARN: role.ARN().String()}
	for id, ok := range map[string]bool{"": false, "eu/2": false, "eu/1": true} {
		in.ExternalID = id
		if _, _, err := w.assume(in); (err == nil) != ok {
			t.Errorf("external id %q: %v", id, err)
		}
	}
	in.SessionName = "desktop"
	_, _, err := w.assume(in)
	w.wants(err, minato.Denied, iam.AccessDenied, "no role trust policy")
}

func TestAssumeRoleValidation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ops := w.role("ops", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, "")
	role := ops.ARN().String()
	for _, c := range []struct {
		name            string
		in              sts.AssumeRole
		kind            minato.Kind
		reason, message string
	}{
		{"no role", sts.AssumeRole{}, minato.Invalid, iam.ValidationError, "Value null at 'roleArn'"},
		{"not a role", sts.AssumeRole{RoleARN: "arn:aws:iam::111122223333:user/u"}, minato.Invalid, iam.ValidationError, "arn:aws:iam::111122223333:user/u is invalid"},
		{"no such role", sts.AssumeRole{RoleARN: "arn:aws:iam::111122223333:role/ghost"}, minato.Denied, iam.AccessDenied, "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/ghost"},
		{"the role without its path", sts.AssumeRole{RoleARN: "arn:aws:iam::111122223333:role/ops"}, minato.Denied, iam.AccessDenied, "sts:AssumeRole"},
		{"session name", sts.AssumeRole{RoleARN: role, SessionName: "a b"}, minato.Invalid, iam.ValidationError, "Value 'a b' at 'roleSessionName'"},
		{"short session name", sts.AssumeRole{RoleARN: role, SessionName: "a"}, minato.Invalid, iam.ValidationError, "roleSessionName"},
		{"long session name", sts.AssumeRole{RoleARN: role, SessionName: strings.Repeat("a", 65)}, minato.Invalid, iam.ValidationError, "roleSessionName"},
		{"short", sts.AssumeRole{RoleARN: role, Duration: time.Minute}, minato.Invalid, iam.ValidationError, "Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"long", sts.AssumeRole{RoleARN: role, Duration: 13 * time.Hour}, minato.Invalid, iam.ValidationError, "less than or equal to 43200"},
		{"longer than the role's", sts.AssumeRole{RoleARN: role, Duration: 2 * time.Hour}, minato.Invalid, iam.ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"external id", sts.AssumeRole{RoleARN: role, ExternalID: "a b"}, minato.Invalid, iam.ValidationError, "externalId"},
		{"session policy", sts.AssumeRole{RoleARN: role, Policy: `{"Statement":[{}]}`}, minato.Invalid, iam.MalformedPolicyDocument, "Statement[0]"},
		{"long session policy", sts.AssumeRole{RoleARN: role, Policy: strings.Repeat(" ", 2049)}, minato.Invalid, "PackedPolicyTooLarge", "2049"},
		{"policy ARN", sts.AssumeRole{RoleARN: role, PolicyARNs: []string{"arn:aws:iam::111122223333:policy/ghost"}}, minato.Invalid, iam.ValidationError, "arn:aws:iam::111122223333:policy/ghost"},
		{"tags", sts.AssumeRole{RoleARN: role, Tags: minato.Tags{"a!": ""}}, minato.Invalid, iam.ValidationError, "a!"},
		{"many tags", sts.AssumeRole{RoleARN: role, Tags: manyTags(51)}, minato.Invalid, iam.ValidationError, "'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"transitive tag that is none", sts.AssumeRole{RoleARN: role, Tags: minato.Tags{"a": ""}, TransitiveTags: []string{"b"}}, minato.Invalid, iam.ValidationError, "must be included in the requested tags: b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Credential = w.user
			_, _, err := w.assume(c.in)
			(&world{TB: t}).wants(err, c.kind, c.reason, c.message)
		})
	}
	root, err := w.iam.RootKey(t.Context(), account)
	w.must(err)
	rootCredential, err := w.iam.Credentials(t.Context(), root.ID, "")
	w.must(err)
	_, _, err = w.assume(sts.AssumeRole{Credential: rootCredential, RoleARN: role})
	w.wants(err, minato.Denied, iam.AccessDenied, "Roles may not be assumed by root accounts.")
}

func manyTags(n int) minato.Tags {
	tags := minato.Tags{}
	for i := range n {
		tags[fmt.Sprint("k", i)] = ""
	}
	return tags
}

func TestChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.role("first", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, "")
	second := w.role("second", `{"AWS":"`+first.ARN().String()+`"}`, `,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}`)
	long := 4 * time.Hour
	_, err := w.iam.UpdateRole(t.Context(), account, "second", nil, &long)
	w.must(err)
	c, _, err := w.assume(sts.AssumeRole{Credential: w.user, RoleARN: first.ARN().String(),
		Tags: minato.Tags{"team": "red", "cost": "7"}, TransitiveTags: []string{"team"}})
	w.must(err)
	_, _, err = w.assume(sts.AssumeRole{Credential: c, RoleARN: second.ARN().String(), Duration: 2 * time.Hour})
	w.wants(err, minato.Invalid, iam.ValidationError, "1 hour session limit for roles assumed by role chaining")
	_, _, err = w.assume(sts.AssumeRole{Credential: c, RoleARN: second.ARN().String(), Tags: minato.Tags{"Team": "blue"}})
	w.wants(err, minato.Invalid, iam.ValidationError, "conflicts with a transitive tag key")
	chained, _, err := w.assume(sts.AssumeRole{Credential: c, RoleARN: second.ARN().String(), Tags: minato.Tags{"env": "dev"}})
	w.must(err)
	if tags := chained.Session.Tags; len(tags) != 2 || tags["team"] != "red" || tags["env"] != "dev" {
		t.Errorf("tags = %v, want team handed on, env new, cost left behind", tags)
	}
	if got := chained.Session.TransitiveTags; len(got) != 1 || got[0] != "team" {
		t.Errorf("transitive tags = %v", got)
	}
}

func TestTagSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.user.Principal.ARN.String()
	trust := func(tagging string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + user + `"},"Action":"sts:AssumeRole"}` + tagging + `]}`
	}
	role, err := w.iam.CreateRole(t.Context(), account, iam.NewRole{Name: "r", Trust: trust("")})
	w.must(err)
	in := sts.AssumeRole{Credential: w.user, RoleARN: role.ARN().String()}
	_, _, err = w.assume(in)
	w.must(err)
	in.Tags = minato.Tags{"team": "red"}
	_, _, err = w.assume(in)
	w.wants(err, minato.Denied, iam.AccessDenied, "is not authorized to perform: sts:TagSession on resource: "+in.RoleARN)
	w.must(w.iam.UpdateTrust(t.Context(), account, "r", trust(`,{"Effect":"Allow","Principal":{"AWS":"`+user+`"},"Action":"sts:TagSession",
		"Condition":{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}`)))
	_, _, err = w.assume(in)
	w.must(err)
	in.Tags = minato.Tags{"team": "red", "more": "x"}
	_, _, err = w.assume(in)
	w.wants(err, minato.Denied, iam.AccessDenied, "sts:TagSession")
}

func TestSessionPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role("ops", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, "")
	in := sts.AssumeRole{Credential: w.user, RoleARN: role.ARN().String(),
		Policy:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}`,
		PolicyARNs: []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}}
	c, _, err := w.assume(in)
	w.must(err)
	w.allow(c, mayAll)
	for action, ok := range map[string]bool{"eks:DeleteCluster": true, "s3:GetObject": true, "s3:PutObject": false, "iam:ListUsers": false} {
		err := w.iam.Authorize(t.Context(), iam.Access{Credential: c, Action: action})
		if (err == nil) != ok {
			t.Errorf("%s: %v", action, err)
		}
	}
}

// A user that is deleted and made again under its name is not the one that was trusted.
func TestTrustIsInAUserNotAName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role("ops", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, "")
	in := sts.AssumeRole{Credential: w.user, RoleARN: role.ARN().String()}
	_, _, err := w.assume(in)
	w.must(err)
	w.must(w.iam.DeleteAccessKey(t.Context(), account, "u", w.user.AccessKeyID))
	w.must(w.iam.DeleteUser(t.Context(), account, "u"))
	_, err = w.iam.CreateUser(t.Context(), account, iam.NewUser{Name: "u", Path: "/x/"})
	w.must(err)
	key, err := w.iam.CreateAccessKey(t.Context(), account, "u")
	w.must(err)
	in.Credential, err = w.iam.Credentials(t.Context(), key.ID, "")
	w.must(err)
	w.allow(in.Credential, mayAll)
	_, _, err = w.assume(in)
	w.wants(err, minato.Denied, iam.AccessDenied, "no role trust policy")
	w.must(w.iam.UpdateTrust(t.Context(), account, "ops", role.Trust)) // the same text, written anew, means the new user
	_, _, err = w.assume(in)
	w.must(err)
}

func TestGetSessionToken(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	temporary, err := w.GetSessionToken(ctx, w.user, 0, nil)
	w.must(err)
	if d := time.Until(temporary.Expires); d > 12*time.Hour || d < 11*time.Hour {
		t.Errorf("it lasts %s, want 12 hours", d)
	}
	c, err := w.iam.Credentials(ctx, temporary.AccessKeyID, temporary.SessionToken)
	w.must(err)
	if c.Principal.ARN != w.user.Principal.ARN || c.Principal.ID != w.user.Principal.ID || c.Session == nil {
		t.Errorf("it is %+v, want the user", c.Principal)
	}
	w.allow(w.user, mayAll)
	w.must(w.iam.Authorize(ctx, iam.Access{Credential: c, Action: "eks:ListClusters"}))
	w.wants(w.iam.Authorize(ctx, iam.Access{Credential: c, Action: "iam:ListUsers"}), minato.Unauthenticated, iam.InvalidClientTokenID, "")
	_, err = w.GetSessionToken(ctx, c, 0, nil)
	w.wants(err, minato.Denied, iam.AccessDenied, "Cannot call GetSessionToken with session credentials")
	_, err = w.GetSessionToken(ctx, w.user, 37*time.Hour, nil)
	w.wants(err, minato.Invalid, iam.ValidationError, "129600")

	w.allow(w.user, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}`)
	_, err = w.GetSessionToken(ctx, w.user, 0, nil)
	w.wants(err, minato.Denied, iam.AccessDenied, "with an explicit deny in an identity-based policy")

	w.must(w.iam.DeleteAccessKey(ctx, account, "u", w.user.AccessKeyID))
	w.must(w.iam.DeleteInlinePolicy(ctx, iam.Holder{Account: account, Kind: iam.UserKind, Name: "u"}, "p"))
	w.must(w.iam.DeleteUser(ctx, account, "u"))
	_, err = w.iam.Credentials(ctx, temporary.AccessKeyID, temporary.SessionToken)
	w.wants(err, minato.Unauthenticated, iam.InvalidClientTokenID, "")
}

func TestAccessKeyAccount(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	_, err := w.AccessKeyAccount(ctx, w.user, w.far.AccessKeyID, nil)
	w.wants(err, minato.Denied, iam.AccessDenied, "sts:GetAccessKeyInfo")
	w.allow(w.user, mayAll)
	got, err := w.AccessKeyAccount(ctx, w.user, w.far.AccessKeyID, nil)
	w.must(err)
	if got != other {
		t.Errorf("account = %s, want %s", got, other)
	}
	_, err = w.AccessKeyAccount(ctx, w.user, "AKIAAAAAAAAAAAAAAAAA", nil)
	w.wants(err, minato.Invalid, iam.ValidationError, "AKIAAAAAAAAAAAAAAAAA")
}

func TestCollectExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var random [2 << 10]byte // too much for a token
		_, _ = rand.Read(random[:])
		large := iam.SessionContext{Policies: []string{base64.StdEncoding.EncodeToString(random[:])}}
		_, err := w.iam.IssueSession(t.Context(), w.user.Principal, large, 15*time.Minute)
		w.must(err)
		sessions := func() int {
			l, err := w.store.List(t.Context(), iam.SessionsPrefix, store.ListOptions{})
			w.must(err)
			return len(l.Entries)
		}
		go func() { _ = w.CollectExpired(t.Context()) }()
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if n := sessions(); n != 1 {
			t.Errorf("%d sessions while it lasts, want 1", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := sessions(); n != 0 {
			t.Errorf("%d sessions after it expired, want none", n)
		}
	})
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	asked := iam.Access{Credential: w.user, Action: "ec2:RunInstances", Context: map[string][]string{"ec2:region": {"us-east-1"}}}
	encoded := iam.EncodedDenial(w.iam.Authorize(ctx, asked))
	_, err := w.DecodeAuthorizationMessage(ctx, w.user, encoded, nil)
	w.wants(err, minato.Denied, iam.AccessDenied, "sts:DecodeAuthorizationMessage")
	w.allow(w.user, mayAll)
	got, err := w.DecodeAuthorizationMessage(ctx, w.user, encoded, nil)
	w.must(err)
	for _, part := range []string{`"allowed":false`, `"explicitDeny":false`, `"action":"ec2:RunInstances"`, `"arn":"` + w.user.Principal.ARN.String() + `"`,
		`{"key":"ec2:region","values":{"items":[{"value":"us-east-1"}]}}`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	w.allow(w.far, mayAll)
	_, err = w.DecodeAuthorizationMessage(ctx, w.far, encoded, nil)
	w.wants(err, minato.Invalid, "InvalidAuthorizationMessageException", "not valid")
}

// Who acts is said once, and stays through a chain.
func TestSourceIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trust := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],
			"Condition":{"StringLikeIfExists":{"sts:SourceIdentity":"ann*"}}}]}`
	}
	first, err := w.iam.CreateRole(t.Context(), account, iam.NewRole{Name: "first", Trust: trust(w.user.Principal.ARN.String())})
	w.must(err)
	second, err := w.iam.CreateRole(t.Context(), account, iam.NewRole{Name: "second", Trust: trust(first.ARN().String())})
	w.must(err)
	in := sts.AssumeRole{Credential: w.user, RoleARN: first.ARN().String(), SourceIdentity: "bob"}
	_, _, err = w.assume(in)
	w.wants(err, minato.Denied, iam.AccessDenied, "no role trust policy")
	in.SourceIdentity = "a b"
	_, _, err = w.assume(in)
	w.wants(err, minato.Invalid, iam.ValidationError, "sourceIdentity")
	in.SourceIdentity = "ann"
	c, out, err := w.assume(in)
	w.must(err)
	if out.SourceIdentity != "ann" {
		t.Errorf("source identity = %q", out.SourceIdentity)
	}
	_, _, err = w.assume(sts.AssumeRole{Credential: c, RoleARN: second.ARN().String(), SourceIdentity: "anna"})
	w.wants(err, minato.Denied, iam.AccessDenied, "cannot be changed")
	c, _, err = w.assume(sts.AssumeRole{Credential: c, RoleARN: second.ARN().String()})
	w.must(err)
	w.allow(c, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceIdentity":"ann"}}}]}`)
	w.must(w.iam.Authorize(t.Context(), iam.Access{Credential: c, Action: "eks:ListClusters"}))
}

// The condition that IAM's console writes to revoke sessions: those from before a moment can do nothing any more.
func TestRevokeOlderSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role("ops", `{"AWS":"`+w.user.Principal.ARN.String()+`"}`, "")
	in := sts.AssumeRole{Credential: w.user, RoleARN: role.ARN().String()}
	old, _, err := w.assume(in)
	w.must(err)
	w.allow(old, mayAll)
	w.clock.SetOffset(10 * time.Minute)
	holder := iam.Holder{Account: account, Kind: iam.RoleKind, Name: "ops"}
	w.must(w.iam.PutInlinePolicy(t.Context(), holder, "AWSRevokeOlderSessions", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],
		"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+w.clock.Now().Add(-time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")+`"}}}]}`))
	young, _, err := w.assume(in)
	w.must(err)
	w.must(w.iam.Authorize(t.Context(), iam.Access{Credential: young, Action: "eks:ListClusters"}))
	w.wants(w.iam.Authorize(t.Context(), iam.Access{Credential: old, Action: "eks:ListClusters"}), minato.Denied, iam.AccessDenied, "with an explicit deny in an identity-based policy")
}
