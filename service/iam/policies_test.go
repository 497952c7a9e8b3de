package iam_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

func TestManagedPolicyLife(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	p, err := w.CreatePolicy(ctx, account, iam.NewPolicy{Name: "p", Path: "/x/", Document: allowEKS})
	w.must(err)
	arn := p.ARN().String()
	if arn != "arn:aws:iam::111122223333:policy/x/p" || p.Default != "v1" || !strings.HasPrefix(p.ID, "ANPA") {
		t.Errorf("policy = %+v", p)
	}
	_, err = w.CreatePolicy(ctx, account, iam.NewPolicy{Name: "P", Document: allowEKS})
	w.wants(err, minato.AlreadyExists, iam.EntityAlreadyExists, "A policy called P already exists. Duplicate names are not allowed.")
	_, err = w.CreatePolicy(ctx, account, iam.NewPolicy{Name: "q", Document: trustsEKS})
	w.wants(err, minato.Invalid, iam.MalformedPolicyDocument, "should not specify a principal")
	_, err = w.Policy(ctx, other, arn)
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "Policy "+arn+" was not found.")
	_, err = w.Policy(ctx, account, "arn:aws:iam::111122223333:policy/p")
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "was not found")

	for i := 2; i <= 5; i++ {
		v, err := w.CreatePolicyVersion(ctx, account, arn, denyEKS, i == 3)
		w.must(err)
		if v.ID != fmt.Sprintf("v%d", i) {
			t.Errorf("version %d is called %s", i, v.ID)
		}
	}
	_, err = w.CreatePolicyVersion(ctx, account, arn, denyEKS, false)
	w.wants(err, minato.LimitExceeded, iam.LimitExceeded, "A managed policy can have up to 5 versions.")
	w.wants(w.DeletePolicyVersion(ctx, account, arn, "v3"), minato.InUse, iam.DeleteConflict, "Cannot delete the default version of a policy.")
	w.wants(w.DeletePolicyVersion(ctx, account, arn, "v9"), minato.NotFound, iam.NoSuchEntity, "v9")
	w.must(w.DeletePolicyVersion(ctx, account, arn, "v5"))
	v, err := w.CreatePolicyVersion(ctx, account, arn, denyEKS, false)
	w.must(err)
	if v.ID != "v6" {
		t.Errorf("after v5 was deleted comes %s, want v6: numbers are not used again", v.ID)
	}
	w.wants(w.DeletePolicy(ctx, account, arn), minato.InUse, iam.DeleteConflict, "more than one version")
	w.must(w.SetDefaultPolicyVersion(ctx, account, arn, "v1"))
	for _, id := range []string{"v2", "v3", "v4", "v6"} {
		w.must(w.DeletePolicyVersion(ctx, account, arn, id))
	}
	w.role("r", trustsEKS)
	w.must(w.AttachPolicy(ctx, roleHolder("r"), arn))
	w.must(w.AttachPolicy(ctx, roleHolder("r"), arn))
	use, err := w.PolicyUse(ctx, account, arn)
	w.must(err)
	if use.Attachments != 1 {
		t.Errorf("attached %d times, want once", use.Attachments)
	}
	w.wants(w.DeletePolicy(ctx, account, arn), minato.InUse, iam.DeleteConflict, "Cannot delete a policy attached to entities.")
	w.must(w.DetachPolicy(ctx, roleHolder("r"), arn))
	w.wants(w.DetachPolicy(ctx, roleHolder("r"), arn), minato.NotFound, iam.NoSuchEntity, "was not found")
	w.must(w.DeletePolicy(ctx, account, arn))
	w.wants(w.AttachPolicy(ctx, roleHolder("r"), arn), minato.NotFound, iam.NoSuchEntity, "does not exist or is not attachable")
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	const view = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
	w.role("r", trustsEKS)
	w.user("u")
	for _, h := range []iam.Holder{roleHolder("r"), userHolder("u")} {
		w.must(w.AttachPolicy(ctx, h, view))
	}
	w.must(w.SetBoundary(ctx, userHolder("u"), view))
	use, err := w.PolicyUse(ctx, account, view)
	w.must(err)
	if use.Attachments != 2 || use.Boundaries != 1 {
		t.Errorf("%d attachments and %d boundaries, want 2 and 1", use.Attachments, use.Boundaries)
	}
	elsewhere, err := w.PolicyUse(ctx, other, view)
	w.must(err)
	if elsewhere.Attachments != 0 {
		t.Errorf("another account sees %d attachments", elsewhere.Attachments)
	}
	entities, _, err := w.EntitiesFor(ctx, account, view, iam.EntityFilter{Use: "PermissionsPolicy"}, iam.Page{})
	w.must(err)
	if len(entities) != 2 || entities[0].Name != "r" || entities[1].Name != "u" {
		t.Errorf("entities = %+v", entities)
	}
	for i := range 9 {
		w.must(w.AttachPolicy(ctx, roleHolder("r"), w.policy(fmt.Sprint("p", i), allowEKS)))
	}
	w.wants(w.AttachPolicy(ctx, roleHolder("r"), w.policy("p9", allowEKS)), minato.LimitExceeded, iam.LimitExceeded, "PoliciesPerRole: 10")
	local, _, err := w.Policies(ctx, account, iam.PolicyFilter{Scope: "Local", OnlyAttached: true}, iam.Page{})
	w.must(err)
	if len(local) != 9 {
		t.Errorf("%d local policies are attached, want 9", len(local))
	}
}

func TestInlinePolicySize(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	w.user("u")
	big := `{"Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 1000) + `"}]}`
	w.must(w.PutInlinePolicy(ctx, userHolder("u"), "a", big))
	w.must(w.PutInlinePolicy(ctx, userHolder("u"), "a", big+strings.Repeat(" ", 5000))) // white space does not count
	w.wants(w.PutInlinePolicy(ctx, userHolder("u"), "b", big), minato.LimitExceeded, iam.LimitExceeded,
		"Maximum policy size of 2048 bytes exceeded for user u")
	_, err := w.InlinePolicy(ctx, userHolder("u"), "b")
	w.wants(err, minato.NotFound, iam.NoSuchEntity, "The user policy with name b cannot be found.")
}

// Every AWS policy of the embedded files is there by its ARN and can be evaluated, and none can be changed.
func TestAWSManagedPolicies(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	policies, _, err := w.Policies(ctx, account, iam.PolicyFilter{Scope: "AWS"}, iam.Page{})
	w.must(err)
	docs, err := os.ReadFile("../../docs/divergences.md")
	w.must(err)
	_, section, _ := strings.Cut(string(docs), "### AWS-managed policies")
	section, _, _ = strings.Cut(section, "\n## ")
	if listed := strings.Count(section, "`") / 2; listed != len(policies) {
		t.Errorf("docs/divergences.md lists %d AWS policies, there are %d", listed, len(policies))
	}
	for _, p := range policies {
		if !strings.Contains(section, "`"+p.Name+"`") {
			t.Errorf("docs/divergences.md does not list %s", p.Name)
		}
		v := p.Version(p.Default)
		if v == nil {
			t.Fatalf("%s has no version %s", p.Name, p.Default)
		}
		if _, err := policy.Parse(v.Document, policy.Identity); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		arn := p.ARN().String()
		if !strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") || !strings.HasPrefix(p.ID, "ANPA") || p.Created.IsZero() {
			t.Errorf("%s: ARN %s, id %s, created %s", p.Name, arn, p.ID, p.Created)
		}
		w.wants(w.DeletePolicy(ctx, account, arn), minato.Denied, iam.AccessDenied, "managed by AWS")
		w.user(p.Name)
		w.must(w.AttachPolicy(ctx, userHolder(p.Name), arn))
	}
	for _, name := range []string{"AdministratorAccess", "AmazonEKSClusterPolicy", "service-role/AmazonEFSCSIDriverPolicy", "job-function/ViewOnlyAccess"} {
		if _, err := w.Policy(ctx, account, "arn:aws:iam::aws:policy/"+name); err != nil {
			t.Error(err)
		}
	}
	const unknown = "arn:aws:iam::aws:policy/AmazonEFSCSIDriverPolicy" // which has another path
	w.wants(w.AttachPolicy(ctx, userHolder("AdministratorAccess"), unknown), minato.NotFound, iam.NoSuchEntity,
		"Policy "+unknown+" does not exist or is not attachable.")
}

func TestOIDCProviders(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	p, err := w.CreateOIDCProvider(ctx, account, "https://oidc.example/id/ABC", []string{"sts.amazonaws.com"}, nil, nil)
	w.must(err)
	arn := p.ARN().String()
	if arn != "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/ABC" {
		t.Errorf("ARN = %s", arn)
	}
	_, err = w.CreateOIDCProvider(ctx, account, "https://oidc.example/id/ABC", nil, nil, nil)
	w.wants(err, minato.AlreadyExists, iam.EntityAlreadyExists, "https://oidc.example/id/ABC")
	for _, bad := range []string{"http://oidc.example", "oidc.example", "https://oidc.example?x=1", "https://"} {
		_, err := w.CreateOIDCProvider(ctx, account, bad, nil, nil, nil)
		w.wants(err, minato.Invalid, iam.InvalidInput, bad)
	}
	w.must(w.AddClientID(ctx, account, arn, "other"))
	w.must(w.RemoveClientID(ctx, account, arn, "sts.amazonaws.com"))
	w.must(w.SetThumbprints(ctx, account, arn, []string{strings.Repeat("a", 40)}))
	w.wants(w.SetThumbprints(ctx, account, arn, []string{"zz"}), minato.Invalid, iam.InvalidInput, "zz")
	p, err = w.OIDCProvider(ctx, account, arn)
	w.must(err)
	if len(p.ClientIDs) != 1 || p.ClientIDs[0] != "other" || len(p.Thumbprints) != 1 {
		t.Errorf("provider = %+v", p)
	}
	w.must(w.DeleteOIDCProvider(ctx, account, arn))
	w.must(w.DeleteOIDCProvider(ctx, account, arn))
	_, err = w.OIDCProvider(ctx, account, arn)
	w.wants(err, minato.NotFound, iam.NoSuchEntity, arn)
}
