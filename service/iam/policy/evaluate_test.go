package policy_test

import (
	"testing"

	"minato.dev/minato/service/iam/policy"
)

// The combinations of the IAM User Guide: "Policy evaluation for requests within a single account", "Cross-account policy
// evaluation logic", and the table "Difference of explicit and implicit denies" with its notes on resource-based policies.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	const (
		resource    = "arn:aws:s3:::b/k"
		action      = "s3:GetObject"
		allow       = `{"Sid":"Yes","Effect":"Allow","Action":"s3:*","Resource":"*"}`
		deny        = `{"Sid":"No","Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`
		another     = `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`
		byUser      = `{"Sid":"User","Effect":"Allow","Principal":{"AWS":"` + userARN + `"},"Action":"s3:*","Resource":"*"}`
		byRole      = `{"Sid":"Role","Effect":"Allow","Principal":{"AWS":"` + roleARN + `"},"Action":"s3:*","Resource":"*"}`
		bySession   = `{"Sid":"Session","Effect":"Allow","Principal":{"AWS":"` + session + `"},"Action":"s3:*","Resource":"*"}`
		byAccount   = `{"Sid":"Account","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"s3:*","Resource":"*"}`
		byAll       = `{"Sid":"All","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}`
		byService   = `{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"s3:*","Resource":"*"}`
		denyUser    = `{"Sid":"NoUser","Effect":"Deny","Principal":{"AWS":"` + userARN + `"},"Action":"s3:*","Resource":"*"}`
		denyOthers  = `{"Effect":"Deny","NotPrincipal":{"AWS":["` + userARN + `","111122223333"]},"Action":"s3:*","Resource":"*"}`
		denyNotUser = `{"Effect":"Deny","NotPrincipal":{"AWS":"` + userARN + `"},"Action":"s3:*","Resource":"*"}`
	)
	for _, c := range []struct {
		name                                  string
		who                                   policy.Principal
		identity, boundary, session, resource string // one statement each; empty for no policy
		account                               string // of the resource
		want                                  string // the decision's type and verdict
		sid                                   string // of the statement that decided
	}{
		{name: "nothing says yes", who: alice, want: "identity-based policy: implicit deny"},
		{name: "identity allows", who: alice, identity: allow, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "identity allows something else", who: alice, identity: another, want: "identity-based policy: implicit deny"},
		{name: "explicit deny beats allow", who: alice, identity: allow + "," + deny, want: "identity-based policy: explicit deny", sid: "No"},
		{name: "order does not matter", who: alice, identity: deny + "," + allow, want: "identity-based policy: explicit deny", sid: "No"},
		{name: "root needs no policy", who: root, want: "identity-based policy: allowed"},
		{name: "root is denied by the resource", who: root, resource: `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`, want: "resource-based policy: explicit deny"},

		{name: "boundary and identity", who: alice, identity: allow, boundary: allow, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "boundary alone grants nothing", who: alice, boundary: allow, want: "identity-based policy: implicit deny"},
		{name: "boundary cuts", who: alice, identity: allow, boundary: another, want: "permissions boundary: implicit deny"},
		{name: "boundary denies", who: alice, identity: allow, boundary: allow + "," + deny, want: "permissions boundary: explicit deny", sid: "No"},

		{name: "session policy and identity", who: ops, identity: allow, session: allow, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "session policy alone grants nothing", who: ops, session: allow, want: "identity-based policy: implicit deny"},
		{name: "session policy cuts", who: ops, identity: allow, session: another, want: "session policy: implicit deny"},
		{name: "session policy denies", who: ops, identity: allow, session: allow + "," + deny, want: "session policy: explicit deny", sid: "No"},
		{name: "boundary before session policy", who: ops, identity: allow, boundary: another, session: another, want: "permissions boundary: implicit deny"},

		{name: "resource names the user", who: alice, resource: byUser, want: "resource-based policy: allowed", sid: "User"},
		{name: "resource names the user, boundary does not matter", who: alice, resource: byUser, boundary: another, want: "resource-based policy: allowed", sid: "User"},
		{name: "resource names the role", who: ops, resource: byRole, want: "resource-based policy: allowed", sid: "Role"},
		{name: "resource names the role, boundary cuts", who: ops, resource: byRole, boundary: another, want: "permissions boundary: implicit deny"},
		{name: "resource names the role, session policy cuts", who: ops, resource: byRole, session: another, want: "session policy: implicit deny"},
		{name: "resource names the role, session policy allows", who: ops, resource: byRole, session: allow, want: "resource-based policy: allowed", sid: "Role"},
		{name: "resource names the session", who: ops, resource: bySession, boundary: another, session: another, want: "resource-based policy: allowed", sid: "Session"},
		{name: "the most direct grant counts", who: ops, resource: byRole + "," + bySession, session: another, want: "resource-based policy: allowed", sid: "Session"},
		{name: "resource names the account", who: alice, resource: byAccount, want: "identity-based policy: implicit deny"},
		{name: "resource names the account, identity allows", who: alice, identity: allow, resource: byAccount, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "resource names everybody", who: alice, resource: byAll, want: "resource-based policy: allowed", sid: "All"},
		{name: "resource names another", who: alice, resource: byRole, want: "identity-based policy: implicit deny"},
		{name: "resource names another, identity allows", who: alice, identity: allow, resource: byRole, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "resource denies", who: alice, identity: allow, resource: byAll + "," + denyUser, want: "resource-based policy: explicit deny", sid: "NoUser"},
		{name: "identity denies what the resource allows", who: alice, identity: deny, resource: byUser, want: "identity-based policy: explicit deny", sid: "No"},
		{name: "boundary denies what the resource allows", who: alice, boundary: deny, resource: byUser, want: "permissions boundary: explicit deny", sid: "No"},
		{name: "NotPrincipal spares who is listed whole", who: alice, identity: allow, resource: denyOthers, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "NotPrincipal without the account spares nobody", who: alice, identity: allow, resource: denyNotUser, want: "resource-based policy: explicit deny"},
		{name: "NotPrincipal denies another", who: ops, identity: allow, resource: denyOthers, want: "resource-based policy: explicit deny"},
		{name: "a service named", who: eks, resource: byService, want: "resource-based policy: allowed"},
		{name: "a service not named", who: eks, resource: byUser, want: "identity-based policy: implicit deny"},
		{name: "a service without any policy", who: eks, want: "identity-based policy: implicit deny"},

		{name: "cross-account, both", who: alice, identity: allow, resource: byUser, account: other, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "cross-account, resource only", who: alice, resource: byUser, account: other, want: "identity-based policy: implicit deny"},
		{name: "cross-account, identity only", who: alice, identity: allow, account: other, want: "resource-based policy: implicit deny"},
		{name: "cross-account, resource names another", who: alice, identity: allow, resource: byRole, account: other, want: "resource-based policy: implicit deny"},
		{name: "cross-account, account and identity", who: alice, identity: allow, resource: byAccount, account: other, want: "identity-based policy: allowed", sid: "Yes"},
		{name: "cross-account, boundary cuts", who: alice, identity: allow, boundary: another, resource: byUser, account: other, want: "permissions boundary: implicit deny"},
		{name: "cross-account, session named, session policy cuts", who: ops, identity: allow, session: another, resource: bySession, account: other, want: "session policy: implicit deny"},
		{name: "cross-account root", who: root, resource: byAccount, account: other, want: "identity-based policy: allowed"},
		{name: "cross-account root, not trusted", who: root, account: other, want: "resource-based policy: implicit deny"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := policy.Set{ResourceAccount: c.account}
			named := func(kind policy.Kind, name, statements string) policy.Named {
				return policy.Named{Name: name, Policy: parse(t, kind, doc(statements))}
			}
			if c.identity != "" {
				set.Identity = append(set.Identity, named(policy.Identity, "mine", c.identity))
			}
			if c.boundary != "" {
				b := named(policy.Identity, "boundary", c.boundary)
				set.Boundary = &b
			}
			if c.session != "" {
				set.Session = append(set.Session, named(policy.Identity, "session", c.session))
			}
			if c.resource != "" {
				r := named(policy.Resource, "bucket", c.resource)
				set.Resource = &r
			}
			d := policy.Evaluate(policy.Request{Principal: c.who, Action: action, Resource: resource}, set)
			if got := string(d.Type) + ": " + string(d.Verdict); got != c.want {
				t.Errorf("decided by %s, want %s; findings %+v", got, c.want, d.All)
			}
			if d.Allowed != (d.Verdict == policy.Allowed) {
				t.Errorf("Allowed = %v with verdict %s", d.Allowed, d.Verdict)
			}
			if (c.sid != "" || d.Statement != nil && d.Statement.Sid != "") && (d.Statement == nil || d.Statement.Sid != c.sid) {
				t.Errorf("decided by statement %v, want %q", d.Statement, c.sid)
			}
		})
	}
}

// A role is entered by its trust policy or not at all; within the account, one that names the user or role needs no more.
func TestRoleTrust(t *testing.T) {
	t.Parallel()
	const assume = `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`
	for _, c := range []struct {
		name, principal, identity, account string
		who                                policy.Principal
		want                               bool
		reason                             string
	}{
		{"names the user", `{"AWS":"` + userARN + `"}`, "", account, alice, true, ""},
		{"names the account", `{"AWS":"111122223333"}`, "", account, alice, false, " because no identity-based policy allows the sts:AssumeRole action"},
		{"names the account, identity allows", `{"AWS":"111122223333"}`, assume, account, alice, true, ""},
		{"names another, identity allows", `{"AWS":"` + roleARN + `"}`, assume, account, alice, false, " because no role trust policy allows the sts:AssumeRole action"},
		{"names the role of a session", `{"AWS":"` + roleARN + `"}`, "", account, ops, true, ""},
		{"names the user of another account", `{"AWS":"` + userARN + `"}`, "", other, alice, false, " because no identity-based policy allows the sts:AssumeRole action"},
		{"names the user of another account, identity allows", `{"AWS":"` + userARN + `"}`, assume, other, alice, true, ""},
		{"names the service", `{"Service":["ec2.amazonaws.com","eks.amazonaws.com"]}`, "", account, eks, true, ""},
		{"names another service", `{"Service":"ec2.amazonaws.com"}`, "", account, eks, false, " because no role trust policy allows the sts:AssumeRole action"},
		{"names a provider", `{"Federated":"arn:aws:iam::111122223333:oidc-provider/x"}`, "", account,
			policy.Principal{Federated: "arn:aws:iam::111122223333:oidc-provider/x"}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			trust := parse(t, policy.Trust, doc(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":`+c.principal+`}`))
			set := policy.Set{Resource: &policy.Named{Name: "trust", Policy: trust}, ResourceAccount: c.account}
			if c.identity != "" {
				set.Identity = []policy.Named{{Name: "mine", Policy: parse(t, policy.Identity, doc(c.identity))}}
			}
			d := policy.Evaluate(policy.Request{Principal: c.who, Action: "sts:AssumeRole", Resource: roleARN}, set)
			if d.Allowed != c.want || d.Reason("sts:AssumeRole") != c.reason {
				t.Errorf("allowed = %v, reason %q; want %v, %q", d.Allowed, d.Reason("sts:AssumeRole"), c.want, c.reason)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		finding policy.Finding
		want    string
	}{
		{policy.Finding{Type: policy.IdentityBased, Verdict: policy.ImplicitDeny}, " because no identity-based policy allows the a:B action"},
		{policy.Finding{Type: policy.IdentityBased, Verdict: policy.ExplicitDeny}, " with an explicit deny in an identity-based policy"},
		{policy.Finding{Type: policy.PermissionsBoundary, Verdict: policy.ImplicitDeny}, " because no permissions boundary allows the a:B action"},
		{policy.Finding{Type: policy.PermissionsBoundary, Verdict: policy.ExplicitDeny}, " with an explicit deny in a permissions boundary"},
		{policy.Finding{Type: policy.SessionPolicy, Verdict: policy.ExplicitDeny}, " with an explicit deny in a session policy"},
		{policy.Finding{Type: policy.ResourceBased, Verdict: policy.ExplicitDeny}, " with an explicit deny in a resource-based policy"},
		{policy.Finding{Type: policy.RoleTrust, Verdict: policy.ExplicitDeny}, " with an explicit deny in the role trust policy"},
	} {
		if got := (policy.Decision{Finding: c.finding}).Reason("a:B"); got != c.want {
			t.Errorf("reason = %q, want %q", got, c.want)
		}
	}
}
