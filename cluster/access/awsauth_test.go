package access_test

import (
	"errors"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
)

const goodAWSAuth = `
- rolearn: arn:aws:iam::111122223333:role/Admin
  username: ops:{{SessionName}}
  groups: [system:masters, sre]
- rolearn: arn:aws:iam::111122223333:role/ops/other
  username: other
- rolearn: arn:aws:iam::111122223333:role/node
  username: system:node:{{EC2PrivateDNSName}}
  groups: [system:bootstrappers, system:nodes]
`

func awsAuths(t testing.TB, data map[string]string) *access.AWSAuths {
	t.Helper()
	auth, err := access.ParseAWSAuth(data)
	if err != nil {
		t.Fatal(err)
	}
	all := access.NewAWSAuths()
	all.Set(clusterID, auth)
	return all
}

func session(role, path, name string) minato.Principal {
	return minato.Principal{
		Type: minato.AssumedRole, Account: account, ID: "AROA" + role + ":" + name, SessionName: name,
		ARN:     minato.NewARN("sts", "", account, "assumed-role/"+role+"/"+name),
		RoleARN: minato.NewARN("iam", "", account, "role"+path+role),
	}
}

func TestAWSAuthMapsAsTheAuthenticatorDoes(t *testing.T) {
	t.Parallel()
	all := awsAuths(t, map[string]string{
		"mapRoles": goodAWSAuth,
		"mapUsers": `
- {userarn: "arn:aws:iam::111122223333:user/team/ALICE", username: first}
- {userarn: "arn:aws:iam::111122223333:user/team/alice", username: alice, groups: [dev]}
- {userarn: "arn:aws:iam::111122223333:user/plain"}
`,
		"mapAccounts": `["444455556666"]`,
	})
	stranger := minato.Principal{Type: minato.IAMUser, Account: "444455556666", ID: "AIDASTRANGER", ARN: minato.NewARN("iam", "", "444455556666", "user/x")}
	plain := minato.Principal{Type: minato.IAMUser, Account: account, ID: "AIDAPLAIN", ARN: minato.NewARN("iam", "", account, "user/plain")}
	names := func(_, instance string) (string, bool) { return "ip-10-0-0-1.ec2.internal", instance == "i-1" }
	for _, tt := range []struct {
		name      string
		principal minato.Principal
		want      string // username and groups; "-" for nobody
	}{
		{"role without its path, whatever the case", role, "ops:alice-example.com system:masters,sre"},
		{"a row with a path is never found", session("other", "/ops/", "x"), "-"},
		{"node", session("node", "/", "i-1"), "system:node:ip-10-0-0-1.ec2.internal system:bootstrappers,system:nodes"},
		{"user, the last row", user, "alice dev"},
		{"row without a username", plain, "arn:aws:iam::111122223333:user/plain "},
		{"account", stranger, "arn:aws:iam::444455556666:user/x "},
		{"nobody", session("nobody", "/", "x"), "-"},
	} {
		for mode, has := range map[string]bool{"CONFIG_MAP": true, "API_AND_CONFIG_MAP": true, "API": false} {
			want := tt.want
			if !has {
				want = "-"
			}
			got := "-"
			if m, ok := all.Mapper(names)(cluster(root, mode, true), tt.principal); ok {
				got = m.Username + " " + strings.Join(m.Groups, ",")
			}
			if got != want {
				t.Errorf("%s in mode %s: %q, want %q", tt.name, mode, got, want)
			}
		}
	}
	if m, ok := all.Mapper(nil)(cluster(root, "CONFIG_MAP", true), session("node", "/", "i-1")); !ok || m.Refused == "" {
		t.Errorf("a node of an unknown instance: %+v, %v; want a refusal", m, ok)
	}
}

func TestAWSAuthThatIsNotReadYet(t *testing.T) {
	t.Parallel()
	mappers := access.Mappers{access.CreatorAdmin, access.NewAWSAuths().Mapper(nil)}
	if _, err := mappers.Map(cluster(user, "CONFIG_MAP", true), user); err != nil {
		t.Errorf("the creator needs no aws-auth: %v", err)
	}
	_, err := mappers.Map(cluster(user, "CONFIG_MAP", true), role)
	if !minato.Is(err, minato.Unavailable) {
		t.Errorf("got %v (%s), want an answer that makes the client try again", err, minato.KindOf(err))
	}
	_, err = mappers.Map(cluster(user, "API", true), role)
	refused(t, err, access.UnmappedPrincipal)
}

func TestMalformedAWSAuth(t *testing.T) {
	t.Parallel()
	good := "- {userarn: 'arn:aws:iam::111122223333:user/team/alice', username: alice}\n"
	for name, tt := range map[string]struct{ key, text, want string }{
		"no YAML":        {"mapRoles", "- rolearn: [", "mapRoles is not a list"},
		"no list":        {"mapRoles", "rolearn: x", "mapRoles is not a list"},
		"no ARN":         {"mapRoles", good, `mapRoles: row 1 has the rolearn ""`},
		"user as role":   {"mapRoles", "- {rolearn: 'arn:aws:iam::111122223333:user/a'}", "want an ARN such as arn:aws:iam::111122223333:role/NAME"},
		"session":        {"mapRoles", "- {rolearn: 'arn:aws:sts::111122223333:assumed-role/a/b'}", "row 1"},
		"empty group":    {"mapRoles", "- {rolearn: 'arn:aws:iam::111122223333:role/a', groups: ['']}", "empty group"},
		"account, octal": {"mapAccounts", "- 011122223333", `mapAccounts: number 1 is "`},
		"accounts, map":  {"mapAccounts", "a: 1", "mapAccounts is not a list of account ids"},
		"account, short": {"mapAccounts", "- '1111'", `mapAccounts: number 1 is "1111"`},
	} {
		auth, err := access.ParseAWSAuth(map[string]string{tt.key: tt.text, "mapUsers": good})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
			continue
		}
		if _, _, ok := auth.Find(user); !ok {
			t.Errorf("%s: what is good of it was not read", name)
		}
	}
}

// TestHugeAWSAuth is that a cluster's owner cannot make one ConfigMap of a mebibyte cost all other clusters.
func TestHugeAWSAuth(t *testing.T) {
	t.Parallel()
	const row = "- {rolearn: 'arn:aws:iam::111122223333:role/"
	auth, err := access.ParseAWSAuth(map[string]string{
		"mapRoles": strings.Repeat("- {}\n", 200_000) + row + "Good', username: good}\n" +
			row + "Many', groups: [" + strings.Repeat("g,", 1001) + "]}\n",
		"mapAccounts": strings.Repeat("- x\n", 1000),
	})
	if err == nil || len(err.Error()) > 4096 || !strings.Contains(err.Error(), "row 1 has") || !strings.HasSuffix(err.Error(), "and 200981 more") {
		t.Errorf("the error has %d bytes: %.200v", len(err.Error()), err)
	}
	if _, _, ok := auth.Find(session("Good", "/", "s")); !ok {
		t.Error("the good row was not read")
	}
	if _, _, ok := auth.Find(session("Many", "/", "s")); ok {
		t.Error("a row with 1001 groups counts")
	}
}

func TestPathlessRow(t *testing.T) {
	t.Parallel()
	auth, err := access.ParseAWSAuth(map[string]string{"mapRoles": goodAWSAuth})
	if err != nil {
		t.Fatal(err)
	}
	if row, ok := auth.Pathless(session("other", "/ops/", "x")); !ok || row.Username != "other" {
		t.Errorf("the row that has the role's path was not found: %+v", row)
	}
	if _, ok := auth.Pathless(session("Admin", "/", "x")); ok {
		t.Error("a role without a path has its row found")
	}
}

func FuzzParseAWSAuth(f *testing.F) {
	f.Add(goodAWSAuth, "- {userarn: 'arn:aws:iam::111122223333:user/a', groups: [a]}", "['111122223333']")
	f.Add("- &a [*a]", "- null", "{}")
	f.Fuzz(func(t *testing.T, roles, users, accounts string) {
		auth, err := access.ParseAWSAuth(map[string]string{"mapRoles": roles, "mapUsers": users, "mapAccounts": accounts})
		if auth == nil {
			t.Fatalf("nothing was read: %v", err)
		}
		for _, p := range []minato.Principal{user, role, root} {
			row, list, ok := auth.Find(p)
			want := p.CanonicalARN().String()
			if ok && list != "mapAccounts" && !strings.EqualFold(row.RoleARN, want) && !strings.EqualFold(row.UserARN, want) {
				t.Errorf("%s has the row %+v of somebody else", p.ARN, row)
			}
		}
	})
}

func TestWhatIsInForce(t *testing.T) {
	t.Parallel()
	good, part, other := &access.AWSAuth{}, &access.AWSAuth{}, &access.AWSAuth{}
	wrong := errors.New("row 3")
	for name, tt := range map[string]struct {
		before func(*access.AWSAuths)
		want   access.InForce
	}{
		"after a good one":           {func(a *access.AWSAuths) { a.Set(clusterID, good) }, access.InForce{AWSAuth: good, Malformed: "row 3", Kept: true}},
		"after a good and a bad one": {func(a *access.AWSAuths) { a.Set(clusterID, good); a.SetMalformed(clusterID, other, wrong) }, access.InForce{AWSAuth: good, Malformed: "row 3", Kept: true}},
		"where there was none":       {func(a *access.AWSAuths) { a.Set(clusterID, nil) }, access.InForce{Malformed: "row 3", Kept: true}},
		"from the start":             {func(*access.AWSAuths) {}, access.InForce{AWSAuth: part, Malformed: "row 3"}},
		"after another bad one":      {func(a *access.AWSAuths) { a.SetMalformed(clusterID, other, wrong) }, access.InForce{AWSAuth: part, Malformed: "row 3"}},
	} {
		all := access.NewAWSAuths()
		tt.before(all)
		got := all.SetMalformed(clusterID, part, wrong)
		if now, ok := all.Of(clusterID); got != tt.want || now != got || !ok {
			t.Errorf("%s: %+v, then %+v; want %+v", name, got, now, tt.want)
		}
	}
}
