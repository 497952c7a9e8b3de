package eks

import (
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

func TestIdentityProviderLifecycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	ctx := t.Context()
	status := func() string {
		_, _, status, err := w.DescribeIdentityProvider(ctx, alice, "prod", "oidc", "corp")
		if minato.Is(err, minato.NotFound) {
			return "gone"
		}
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	want := func(when, want string) {
		t.Helper()
		if got := status(); got != want {
			t.Errorf("%s: status %s, want %s", when, got, want)
		}
	}
	associate := AssociateIdentityProviderRequest{ClusterName: "prod", ClientRequestToken: "t", Provider: IdentityProvider{
		Name: "corp", IssuerURL: "https://issuer.example/x", ClientID: "kube",
	}}

	want("before", "gone")
	first, err := w.AssociateIdentityProvider(ctx, alice, associate)
	if err != nil {
		t.Fatal(err)
	}
	want("while it is associated", "CREATING")
	again, err := w.AssociateIdentityProvider(ctx, alice, associate)
	if err != nil || again.ID != first.ID {
		t.Errorf("the same request with the same token: %v, update %s, want %s", err, again.ID, first.ID)
	}
	w.reconcile(t, "prod")
	want("when that is done", "ACTIVE")

	cluster, p, _, err := w.DescribeIdentityProvider(ctx, alice, "prod", "oidc", "corp")
	if err != nil {
		t.Fatal(err)
	}
	arn := p.ARN(&cluster).String()
	for _, err := range []error{
		w.TagResource(ctx, alice, arn, minato.Tags{"team": "red", "env": "dev"}), w.UntagResource(ctx, alice, arn, []string{"env"}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	tags, err := w.ListTagsForResource(ctx, alice, arn)
	if _, p, status, _ := w.DescribeIdentityProvider(ctx, alice, "prod", "oidc", "corp"); err != nil || len(tags) != 1 || p.Tags["team"] != "red" || status != "ACTIVE" {
		t.Errorf("tagged: %v, %v; described %v, %s", tags, err, p.Tags, status)
	}
	for action, call := range map[string]func() error{
		"eks:DescribeIdentityProviderConfig": func() error {
			_, _, _, err := w.DescribeIdentityProvider(ctx, alice, "prod", "oidc", "corp")
			return err
		},
		"eks:DisassociateIdentityProviderConfig": func() error {
			_, err := w.DisassociateIdentityProvider(ctx, alice, "prod", "oidc", "corp", "")
			return err
		},
	} {
		w.deny = func(a iam.Access) bool {
			return a.Action == action && a.Resource.String() == arn && a.Context["aws:resourcetag/team"][0] == "red"
		}
		wantError(t, call(), minato.Denied, action)
		w.deny = nil
	}
	for _, other := range []string{arn + "0", strings.Replace(arn, "/corp/", "/other/", 1), strings.Replace(arn, "/oidc/", "/saml/", 1)} {
		wantError(t, w.TagResource(ctx, alice, other, minato.Tags{"a": "b"}), minato.NotFound, "Resource not found")
	}

	associate.ClientRequestToken = "t2"
	_, err = w.AssociateIdentityProvider(ctx, alice, associate)
	wantError(t, err, minato.InUse, "has the identity provider config corp already")
	_, err = w.DisassociateIdentityProvider(ctx, alice, "prod", "oidc", "other", "")
	wantError(t, err, minato.NotFound, "other")
	_, err = w.DisassociateIdentityProvider(ctx, alice, "prod", "saml", "corp", "")
	wantError(t, err, minato.Invalid, "want oidc")

	update, err := w.DisassociateIdentityProvider(ctx, alice, "prod", "oidc", "corp", "")
	if err != nil {
		t.Fatal(err)
	}
	if update.Type != "DisassociateIdentityProviderConfig" || update.Params[0].Value != "[]" {
		t.Errorf("the update is %+v", update)
	}
	want("while it is disassociated", "DELETING")
	w.reconcile(t, "prod")
	want("when that is done", "gone")
	if _, err = w.AssociateIdentityProvider(ctx, alice, associate); err != nil {
		t.Errorf("associating another one: %v", err)
	}
}

func TestBadIdentityProviders(t *testing.T) {
	t.Parallel()
	const own = "https://127.0.0.1:4567/id/0123"
	good := IdentityProvider{Name: "corp", IssuerURL: "https://issuer.example", ClientID: "kube"}
	if err := checkProvider(good, own); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*IdentityProvider)
		text   string
	}{
		"no name":          {func(p *IdentityProvider) { p.Name = "" }, "identityProviderConfigName"},
		"no client":        {func(p *IdentityProvider) { p.ClientID = "" }, "clientId"},
		"http":             {func(p *IdentityProvider) { p.IssuerURL = "http://issuer.example" }, "https://HOST/PATH"},
		"query":            {func(p *IdentityProvider) { p.IssuerURL += "/?a=b" }, "https://HOST/PATH"},
		"empty query":      {func(p *IdentityProvider) { p.IssuerURL += "/?" }, "https://HOST/PATH"},
		"user":             {func(p *IdentityProvider) { p.IssuerURL = "https://a:b@issuer.example" }, "https://HOST/PATH"},
		"no host":          {func(p *IdentityProvider) { p.IssuerURL = "https:///x" }, "https://HOST/PATH"},
		"own issuer":       {func(p *IdentityProvider) { p.IssuerURL = own + "/" }, "the cluster's own"},
		"username prefix":  {func(p *IdentityProvider) { p.UsernamePrefix = "system:" }, "must not begin with system:"},
		"part of system:":  {func(p *IdentityProvider) { p.GroupsClaim, p.GroupsPrefix = "g", "sys" }, "a part of that"},
		"groups prefix":    {func(p *IdentityProvider) { p.GroupsClaim, p.GroupsPrefix = "g", "system:masters" }, "must not begin with system:"},
		"prefix, no claim": {func(p *IdentityProvider) { p.GroupsPrefix = "x:" }, "without groupsClaim"},
		"long":             {func(p *IdentityProvider) { p.UsernameClaim = strings.Repeat("x", 2000) }, "at most 1024"},
		"empty claim":      {func(p *IdentityProvider) { p.RequiredClaims = map[string]string{"": "x"} }, "1 to 63"},
		"empty value":      {func(p *IdentityProvider) { p.RequiredClaims = map[string]string{"a": ""} }, "1 to 253"},
	} {
		p := good
		tt.change(&p)
		if err := checkProvider(p, own); !minato.Is(err, minato.Invalid) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", name, err, tt.text)
		}
	}
}

func TestUsernamePrefix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ claim, prefix, want string }{
		{"", "", "https://i#"}, {"sub", "", "https://i#"}, {"email", "", ""}, {"email", "x:", "x:"}, {"", "-", ""}, {"", "x:", "x:"},
	} {
		p := IdentityProvider{IssuerURL: "https://i", UsernameClaim: tt.claim, UsernamePrefix: tt.prefix}
		if got := p.Prefix(); got != tt.want {
			t.Errorf("claim %q, prefix %q: usernames begin with %q, want %q", tt.claim, tt.prefix, got, tt.want)
		}
	}
}
