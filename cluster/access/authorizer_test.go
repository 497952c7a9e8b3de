package access_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/service/eks"
)

func policyARN(name string) minato.ARN {
	return minato.ARN{Partition: "aws", Service: "eks", Account: "aws", Resource: "cluster-access-policy/" + name}
}

// with associates a policy with an entry: in namespaces, or in the whole cluster if there are none.
func with(e eks.AccessEntry, policy string, namespaces ...string) eks.AccessEntry {
	a := eks.AssociatedPolicy{PolicyARN: policyARN(policy), ScopeType: "cluster"}
	if len(namespaces) > 0 {
		a.ScopeType, a.Namespaces = "namespace", namespaces
	}
	e.Policies = append(e.Policies[:len(e.Policies):len(e.Policies)], a)
	return e
}

// authorizerOf decides about cluster c by entries.
func authorizerOf(c *eks.Cluster, w *entriesWorld) (*access.Authorizer, access.Mappers) {
	mappers := access.Mappers{w.entries.Mapper(nil), access.CreatorAdmin}
	return access.NewAuthorizer(access.AuthorizerConfig{
		Cluster: func(id string) (*eks.Cluster, bool) { return c, id == c.ID }, Entries: w.entries, Mappers: mappers,
	}), mappers
}

// login is the user that the Authenticator makes of the owner of a key.
func login(t testing.TB, c *eks.Cluster, mappers access.Mappers, keyID string) access.User {
	t.Helper()
	own, err := access.OwnHosts("127.0.0.1:4566", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := access.New(access.Config{
		Cluster: func(string) (*eks.Cluster, bool) { return c, true }, Credentials: allKeys.credentials, Hosts: own, Mappers: mappers,
		Now: func() time.Time { return now },
	})
	u, err := a.Authenticate(t.Context(), c.ID, token{keyID: keyID}.make(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Groups = append(u.Groups[:len(u.Groups):len(u.Groups)], "system:authenticated") // as kube-apiserver does
	return u
}

// ask is a question in the form "verb resource [namespace]" about the core group, or "verb /path".
func ask(u access.User, question string) access.Question {
	words := strings.Fields(question)
	q := access.Question{User: u, Request: policies.Request{Verb: words[0], Resource: words[1]}}
	if strings.HasPrefix(words[1], "/") {
		q.Request = policies.Request{Verb: words[0], NonResource: true, Path: words[1]}
	}
	if len(words) == 3 {
		q.Namespace = words[2]
	}
	return q
}

func TestScopes(t *testing.T) {
	t.Parallel()
	bare := entryOf(role, "STANDARD", roleUsername)
	for _, tt := range []struct {
		name          string
		entry         eks.AccessEntry
		allows, lacks []string
	}{
		{"no policy", bare, nil, []string{"get pods dev", "get /version", "get pods"}},
		{"cluster", with(bare, "AmazonEKSViewPolicy"), []string{"get pods dev", "list pods", "list namespaces", "get namespaces dev"},
			[]string{"create pods dev", "list nodes", "get secrets dev"}},
		{"namespace", with(bare, "AmazonEKSViewPolicy", "dev"), []string{"get pods dev", "get namespaces dev"},
			[]string{"get pods", "list namespaces", "get pods prod", "get namespaces prod", "get pods dev-1", "get pods de", "create pods dev"}},
		{"prefix", with(bare, "AmazonEKSViewPolicy", "dev-*"), []string{"get pods dev-1", "get pods dev-"}, []string{"get pods dev", "get pods xdev-1", "get pods"}},
		{"suffix and middle", with(bare, "AmazonEKSViewPolicy", "*-x", "a*b*c"), []string{"get pods p-x", "get pods a-b-c", "get pods abbbcbc"},
			[]string{"get pods x", "get pods a-b", "get pods p-x2", "get pods bc"}},
		{"star is every namespace and not the cluster", with(bare, "AmazonEKSAdminViewPolicy", "*"), []string{"get pods dev", "get secrets kube-system"},
			[]string{"list pods", "list nodes", "get /metrics"}},
		{"cluster administrator in a namespace", with(bare, "AmazonEKSClusterAdminPolicy", "dev"), []string{"delete pods dev", "get namespaces dev"},
			[]string{"get nodes", "get /metrics", "* * prod"}},
		{"policies add up", with(with(bare, "AmazonEKSViewPolicy"), "AmazonEKSEditPolicy", "dev"),
			[]string{"get pods prod", "create pods dev", "get secrets dev"}, []string{"create pods prod", "get secrets prod"}},
		{"unpublished", with(bare, "AmazonEKSAutoNodePolicy"), nil, []string{"get pods dev"}},
		{"unknown", with(bare, "AmazonEKSFuturePolicy"), nil, []string{"get pods dev"}},
		{"a scope of another type holds in its namespaces", eks.AccessEntry{
			ClusterID: clusterID, PrincipalARN: role.RoleARN, PrincipalID: role.UniqueID(), Username: roleUsername,
			Policies: []eks.AssociatedPolicy{{PolicyARN: policyARN("AmazonEKSViewPolicy"), ScopeType: "label"}},
		}, nil, []string{"get pods dev", "get pods"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := cluster(user, "API", false)
			a, mappers := authorizerOf(c, newEntries(t, tt.entry))
			u := login(t, c, mappers, "ASIAROLE")
			for want, questions := range map[access.Decision][]string{access.Allow: tt.allows, access.NoOpinion: tt.lacks} {
				for _, q := range questions {
					if got := a.Authorize(clusterID, ask(u, q)); got.Decision != want {
						t.Errorf("%s: %v %s, want %v", q, got.Decision, got.Reason, want)
					}
				}
			}
		})
	}
}

func TestReasonsAreThoseOfEKS(t *testing.T) {
	t.Parallel()
	c := cluster(user, "API", false)
	w := newEntries(t, with(with(entryOf(role, "STANDARD", roleUsername), "AmazonEKSSecretReaderPolicy"), "AmazonEKSViewPolicy", "dev-*"))
	a, mappers := authorizerOf(c, w)
	u := login(t, c, mappers, "ASIAROLE")
	const policy = "arn:aws:eks::aws:cluster-access-policy/"
	for question, want := range map[string]string{
		"get secrets prod": `EKS Access Policy: allowed by ClusterRoleBinding "arn:aws:iam::111122223333:role/ops/admin+` + policy +
			`AmazonEKSSecretReaderPolicy" of ClusterRole "` + policy + `AmazonEKSSecretReaderPolicy" to User "AROAEXAMPLEROLE"`,
		"get pods dev-1": `EKS Access Policy: allowed by RoleBinding "arn:aws:iam::111122223333:role/ops/admin+` + policy +
			`AmazonEKSViewPolicy/dev-1" of ClusterRole "` + policy + `AmazonEKSViewPolicy" to User "AROAEXAMPLEROLE"`,
		"get pods prod": "",
	} {
		if got := a.Authorize(clusterID, ask(u, question)); got.Reason != want {
			t.Errorf("%s: reason %q, want %q", question, got.Reason, want)
		}
	}
}

// TestTokensThatAreKept is about users whose token was accepted up to ten seconds ago, when their access was another.
func TestTokensThatAreKept(t *testing.T) {
	t.Parallel()
	before := with(entryOf(role, "STANDARD", roleUsername, "sre", "dev"), "AmazonEKSViewPolicy")
	change := func(f func(*eks.AccessEntry)) func(testing.TB, *entriesWorld, *eks.Cluster) {
		return func(t testing.TB, w *entriesWorld, _ *eks.Cluster) {
			after := before
			f(&after)
			w.put(t, after)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(testing.TB, *entriesWorld, *eks.Cluster)
		want   access.Decision
		reason string
	}{
		{"nothing", func(testing.TB, *entriesWorld, *eks.Cluster) {}, access.Allow, ""},
		{"entry deleted", func(t testing.TB, w *entriesWorld, _ *eks.Cluster) { w.remove(t, before) }, access.Deny, "is not known on cluster prod"},
		{"made again for another role of the name", change(func(e *eks.AccessEntry) { e.PrincipalID = "AROAOTHER" }), access.Deny, "is not known"},
		{"entries are not used any more", func(_ testing.TB, _ *entriesWorld, c *eks.Cluster) { c.Spec.AuthenticationMode = "CONFIG_MAP" },
			access.Deny, "is not known"},
		{"username", change(func(e *eks.AccessEntry) { e.Username = "x:{{SessionName}}" }), access.Deny, `its username is "x:alice-example.com" now`},
		{"username cannot be made", change(func(e *eks.AccessEntry) { e.Username = "system:node:{{EC2PrivateDNSName}}" }), access.Deny, "has no username on cluster prod"},
		{"group taken away", change(func(e *eks.AccessEntry) { e.Groups = []string{"dev"} }), access.Deny, `not in the group "sre" any more`},
		{"group added", change(func(e *eks.AccessEntry) { e.Groups = []string{"dev", "sre", "ops"} }), access.Allow, ""},
		{"groups in another order", change(func(e *eks.AccessEntry) { e.Groups = []string{"dev", "sre"} }), access.Allow, ""},
		{"policy taken away", change(func(e *eks.AccessEntry) { e.Policies = nil }), access.NoOpinion, ""},
		{"policy moved", change(func(e *eks.AccessEntry) { e.Policies = with(eks.AccessEntry{}, "AmazonEKSViewPolicy", "x").Policies }), access.NoOpinion, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, w := cluster(user, "API", false), newEntries(t, before)
			a, mappers := authorizerOf(c, w)
			u := login(t, c, mappers, "ASIAROLE")
			if got := a.Authorize(clusterID, ask(u, "get pods dev")); got.Decision != access.Allow {
				t.Fatalf("before: %+v", got)
			}
			tt.change(t, w, c)
			got := a.Authorize(clusterID, ask(u, "get pods dev"))
			if got.Decision != tt.want || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("%+v, want %v because %q", got, tt.want, tt.reason)
			}
		})
	}
}

// TestReviewOfAllGroups is that a review, which whoever may make one fills as they like, costs no more than an honest one.
func TestReviewOfAllGroups(t *testing.T) {
	t.Parallel()
	c, w := cluster(user, "API", false), newEntries(t, with(entryOf(role, "STANDARD", roleUsername, "sre", "dev"), "AmazonEKSViewPolicy"))
	a, mappers := authorizerOf(c, w)
	u := login(t, c, mappers, "ASIAROLE")
	u.Groups = slices.Repeat([]string{"dev"}, 4)
	if got := a.Authorize(clusterID, ask(u, "get pods dev")); got.Decision != access.Deny || !strings.Contains(got.Reason, "it has fewer groups now") {
		t.Errorf("%+v", got)
	}
}

// TestWhoIsAsking is about users that are no IAM principal, or only say so.
func TestWhoIsAsking(t *testing.T) {
	t.Parallel()
	c := cluster(role, "CONFIG_MAP", true)
	w := newEntries(t, with(entryOf(user, "STANDARD", user.ARN.String()), "AmazonEKSClusterAdminPolicy"))
	a, mappers := authorizerOf(c, w)
	creator := login(t, c, mappers, "ASIAROLE")
	c.Spec.AuthenticationMode = "API_AND_CONFIG_MAP"
	u := login(t, c, mappers, "AKIAUSER")
	changed := func(u access.User, extra map[string][]string) access.User {
		all := maps.Clone(u.Extra)
		maps.Copy(all, extra)
		u.Extra = all
		return u
	}
	lower := access.User{Username: u.Username, Groups: u.Groups, Extra: map[string][]string{}}
	for name, values := range u.Extra {
		lower.Extra[strings.ToLower(name)] = values
	}
	const id = "sigs.k8s.io/aws-iam-authenticator/principalId"
	for name, tt := range map[string]struct {
		cluster string
		user    access.User
		want    access.Decision
	}{
		"the principal":                      {clusterID, u, access.Allow},
		"through an aggregated API server":   {clusterID, lower, access.Allow},
		"impersonating itself":               {clusterID, access.User{Username: u.Username, Groups: u.Groups}, access.NoOpinion},
		"a service account":                  {clusterID, access.User{Username: "system:serviceaccount:a:b"}, access.NoOpinion},
		"an id and nothing else":             {clusterID, access.User{Username: u.Username, Extra: map[string][]string{id: {"AIDAEXAMPLEUSER"}}}, access.NoOpinion},
		"two ids":                            {clusterID, changed(u, map[string][]string{id: {"AIDAEXAMPLEUSER", "AIDAOTHER"}}), access.NoOpinion},
		"no ARN":                             {clusterID, changed(u, map[string][]string{"arn": {"alice"}}), access.NoOpinion},
		"an ARN of something else":           {clusterID, changed(u, map[string][]string{"arn": {"arn:aws:s3:::bucket"}}), access.NoOpinion},
		"a session without its role":         {clusterID, changed(u, map[string][]string{"arn": {role.ARN.String()}, "canonicalArn": {""}}), access.NoOpinion},
		"with another's id":                  {clusterID, changed(u, map[string][]string{id: {"AROAEXAMPLEROLE"}}), access.Deny},
		"with another's name":                {clusterID, access.User{Username: "system:admin", Extra: u.Extra}, access.Deny},
		"with a group more":                  {clusterID, access.User{Username: u.Username, Groups: []string{"system:masters"}, Extra: u.Extra}, access.Deny},
		"the hidden administrator of before": {clusterID, creator, access.Deny},
		"of a cluster that is gone":          {"f", u, access.Deny},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := a.Authorize(tt.cluster, ask(tt.user, "get pods dev")); got.Decision != tt.want {
				t.Errorf("%+v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheCreatorIsLeftAlone(t *testing.T) {
	t.Parallel()
	for keyID, p := range map[string]minato.Principal{"AKIAUSER": user, "ASIAROLE": role, "AKIAROOT": root} {
		c := cluster(p, "CONFIG_MAP", true)
		a, mappers := authorizerOf(c, newEntries(t))
		if got := a.Authorize(clusterID, ask(login(t, c, mappers, keyID), "get pods dev")); got.Decision != access.NoOpinion {
			t.Errorf("creator %s: %+v", p.ARN, got)
		}
	}
}
