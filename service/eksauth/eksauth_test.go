package eksauth_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

const (
	account   = "111122223333"
	other     = "444455556666"
	issuerURL = "https://127.0.0.1:4567/id/0123"
)

var scope = minato.Scope{Account: account, Region: "us-east-1"}

// Signing keys, made once: this takes time.
var ourKey, strangeKey = newKey(), newKey()

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// world is EKS Auth over the real IAM and STS on memstore: two accounts, the cluster prod, a node's role, and a role "reader" that
// pods can have.
type world struct {
	testing.TB
	*eksauth.Service
	store   store.Store
	iam     *iam.Service
	clock   *clock.Clock
	cluster eks.Cluster
	node    eksauth.Caller
	// alive is what the cluster says of pods.
	alive error
}

const podTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`

func newWorld(t testing.TB) *world {
	t.Helper()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	s := memstore.New()
	clk := &clock.Clock{}
	w := &world{TB: t, store: s, clock: clk, iam: iam.New(s, sealer, clk), cluster: eks.Cluster{Scope: scope, ID: "0123", Name: "production"}}
	w.Service = &eksauth.Service{
		Cluster: func(ctx context.Context, id string) (eks.Cluster, error) {
			item, err := eks.Clusters(s).Get(ctx, id)
			return item.Value, err
		},
		Association: func(ctx context.Context, id string) (eks.PodIdentityAssociation, error) {
			item, err := eks.PodIdentityAssociations(s).Get(ctx, id)
			return item.Value, err
		},
		Authorize: w.iam.Authorize, Session: sts.New(w.iam).PodSession, Log: slog.New(slog.DiscardHandler),
		Issuer: func(context.Context, *eks.Cluster) (eksauth.Issuer, error) {
			return eksauth.Issuer{URL: issuerURL, Keys: map[string]crypto.PublicKey{"old": strangeKey.Public(), "k1": ourKey.Public()}}, nil
		},
		Alive: func(context.Context, *eks.Cluster, string) error { return w.alive },
	}
	for _, id := range []string{account, other} {
		_, err := w.iam.EnsureAccount(t.Context(), id)
		w.must(err)
	}
	_, err = eks.Clusters(s).Create(t.Context(), eks.ClusterKey(scope, w.cluster.Name), w.cluster)
	w.must(err)
	w.node.Scope = scope
	role := w.role(account, "node", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	w.must(w.iam.AttachPolicy(t.Context(), iam.Holder{Account: account, Kind: iam.RoleKind, Name: "node"}, "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"))
	node, err := sts.New(w.iam).InstanceSession(t.Context(), role, "i-1", time.Hour)
	w.must(err)
	w.node.Credential, err = w.iam.Credentials(t.Context(), node.AccessKeyID, node.SessionToken)
	w.must(err)
	w.role(account, "reader", podTrust)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) role(account, name, trust string) minato.ARN {
	w.Helper()
	r, err := w.iam.CreateRole(w.Context(), account, iam.NewRole{Name: name, Trust: trust})
	w.must(err)
	return r.ARN()
}

func (w *world) inline(account, role, document string) {
	w.Helper()
	w.must(w.iam.PutInlinePolicy(w.Context(), iam.Holder{Account: account, Kind: iam.RoleKind, Name: role}, "p", document))
}

// associate gives the pods of dev/app a role, with what change says.
func (w *world) associate(change func(*eks.PodIdentityAssociation)) {
	w.Helper()
	a := eks.PodIdentityAssociation{
		Scope: scope, ClusterID: w.cluster.ID, ClusterName: w.cluster.Name, ID: "a-0123456789abcdefg", Namespace: "dev", ServiceAccount: "app",
		Role: minato.NewARN("iam", "", account, "role/reader"),
	}
	if change != nil {
		change(&a)
	}
	_, err := eks.PodIdentityAssociations(w.store).Create(w.Context(), eks.PodIdentityKey(a.ClusterID, a.Namespace, a.ServiceAccount), a)
	w.must(err)
}

func (w *world) assume(token string) (eksauth.Credentials, error) {
	return w.AssumeRoleForPodIdentity(w.Context(), w.node, w.cluster.Name, token)
}

// session is what credentials carry.
func (w *world) session(c eksauth.Credentials) iam.Credential {
	w.Helper()
	got, err := w.iam.Credentials(w.Context(), c.Role.AccessKeyID, c.Role.SessionToken)
	w.must(err)
	return got
}

// podClaims are those of a token of kube-apiserver for the pod web-5b8f7c9d4-x2x7k of dev/app.
func podClaims() jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"iss": issuerURL, "aud": []string{"pods.eks.amazonaws.com"}, "sub": "system:serviceaccount:dev:app",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "f0c1",
		"kubernetes.io": map[string]any{
			"namespace": "dev", "node": map[string]any{"name": "n", "uid": "u"}, "pod": map[string]any{"name": "web-5b8f7c9d4-x2x7k", "uid": "pod-uid"},
			"serviceaccount": map[string]any{"name": "app", "uid": "sa-uid"},
		},
	}
}

func sign(t testing.TB, method jwt.SigningMethod, key any, id string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = id
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func good(t testing.TB) string { return sign(t, jwt.SigningMethodRS256, ourKey, "k1", podClaims()) }

func (w *world) wants(what string, err error, kind minato.Kind, reason, text string) {
	w.Helper()
	e, ok := errors.AsType[*minato.Error](err)
	if !ok || e.Kind != kind || e.Reason != reason || !strings.Contains(e.Message, text) {
		w.Errorf("%s: %v (%+v), want kind %q, reason %q, text %q", what, err, e, kind, reason, text)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.associate(nil)
	got, err := w.assume(good(t))
	w.must(err)
	if !regexp.MustCompile(`^arn:aws:sts::111122223333:assumed-role/reader/eks-production-web-5b8f7c-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(got.Role.ARN.String()) {
		t.Errorf("session %s", got.Role.ARN)
	}
	if left := time.Until(got.Role.Expires); left < 6*time.Hour-time.Minute || left > 6*time.Hour {
		t.Errorf("it lasts %s", left)
	}
	want := minato.Tags{
		"eks-cluster-arn": "arn:aws:eks:us-east-1:111122223333:cluster/production", "eks-cluster-name": "production", "kubernetes-namespace": "dev",
		"kubernetes-service-account": "app", "kubernetes-pod-name": "web-5b8f7c9d4-x2x7k", "kubernetes-pod-uid": "pod-uid",
	}
	session := w.session(got).Session
	if diff := cmp.Diff(want, session.Tags); diff != "" {
		t.Errorf("session tags (-want +got)\n%s", diff)
	}
	if len(session.TransitiveTags) != 6 || len(session.Policies) > 0 {
		t.Errorf("transitive %q, policies %q", session.TransitiveTags, session.Policies)
	}
	// A key that does not sign any more verifies its tokens until they are over.
	if _, err := w.assume(sign(t, jwt.SigningMethodRS256, strangeKey, "old", podClaims())); err != nil {
		t.Errorf("the older key: %v", err)
	}
}

// TestMovedClock is that a pod is told when its credentials end by the clock that its SDK goes by, that they end when Minato's clock has
// moved past that, and that it gets others then.
func TestMovedClock(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-400 * 24 * time.Hour, 400 * 24 * time.Hour} {
		w := newWorld(t)
		w.clock.SetOffset(offset)
		w.associate(nil)
		got, err := w.assume(good(t))
		w.must(err)
		if left := time.Until(got.Role.Told); left < 6*time.Hour-time.Minute || left > 6*time.Hour {
			t.Errorf("with the clock %s ahead it is told that they last %s", offset, left)
		}
		w.session(got)
		w.clock.SetOffset(offset + 7*time.Hour)
		if _, err := w.iam.Credentials(t.Context(), got.Role.AccessKeyID, got.Role.SessionToken); err == nil {
			t.Error("credentials are good after their end")
		}
		got, err = w.assume(good(t))
		w.must(err)
		w.session(got)
	}
}

func TestDisabledTagsAndPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.role(account, "untagged", strings.Replace(podTrust, `["sts:AssumeRole","sts:TagSession"]`, `"sts:AssumeRole"`, 1))
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	w.associate(func(a *eks.PodIdentityAssociation) {
		a.Role.Resource, a.DisableSessionTags, a.Policy = "role/untagged", true, policy
	})
	w.inline(account, "untagged", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	got, err := w.assume(good(t))
	w.must(err)
	c := w.session(got)
	if len(c.Session.Tags) > 0 {
		t.Errorf("tags %v", c.Session.Tags)
	}
	for action, want := range map[string]bool{"s3:GetObject": true, "s3:PutObject": false} {
		err := w.iam.Authorize(t.Context(), iam.Access{Credential: c, Action: action, Resource: minato.NewARN("s3", "", "", "b/o")})
		if (err == nil) != want {
			t.Errorf("%s: %v", action, err)
		}
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	condition := func(c string) string { return strings.Replace(podTrust, `}]}`, `,"Condition":`+c+`}]}`, 1) }
	for name, tt := range map[string]struct {
		trust string
		want  string // part of the reason; empty is that it works
	}{
		"no TagSession":        {strings.Replace(podTrust, `,"sts:TagSession"`, "", 1), "does not allow sts:TagSession to pods.eks.amazonaws.com"},
		"no AssumeRole":        {strings.Replace(podTrust, `"sts:AssumeRole",`, "", 1), "sts:AssumeRole"},
		"another service":      {strings.Replace(podTrust, "pods.eks", "ec2", 1), "sts:AssumeRole"},
		"our namespace":        {condition(`{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"dev","aws:RequestTag/kubernetes-service-account":"app"}}`), ""},
		"another namespace":    {condition(`{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"prod"}}`), "sts:AssumeRole"},
		"our cluster":          {condition(`{"ArnEquals":{"aws:SourceArn":"arn:aws:eks:us-east-1:111122223333:cluster/production"},"StringEquals":{"aws:SourceAccount":"111122223333"}}`), ""},
		"another cluster":      {condition(`{"ArnEquals":{"aws:SourceArn":"arn:aws:eks:us-east-1:111122223333:cluster/dev"}}`), "sts:AssumeRole"},
		"another account":      {condition(`{"StringEquals":{"aws:SourceAccount":"444455556666"}}`), "sts:AssumeRole"},
		"only these tags":      {condition(`{"ForAllValues:StringEquals":{"aws:TagKeys":["eks-cluster-arn"]}}`), "sts:AssumeRole"},
		"transitive":           {condition(`{"ForAnyValue:StringEquals":{"sts:TransitiveTagKeys":"kubernetes-pod-uid"}}`), ""},
		"denied for this pods": {strings.Replace(podTrust, `}]}`, `},{"Effect":"Deny","Principal":"*","Action":"sts:TagSession","Condition":{"StringLike":{"aws:RequestTag/kubernetes-pod-name":"web-*"}}}]}`, 1), "denies sts:TagSession to pods.eks.amazonaws.com"},
	} {
		w := newWorld(t)
		w.must(w.iam.UpdateTrust(t.Context(), account, "reader", tt.trust))
		w.associate(nil)
		_, err := w.assume(good(t))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		w.wants(name, err, minato.Denied, "", "Unauthorized Exception! EKS does not have permissions to assume the associated role. (the trust policy of the role arn:aws:iam::111122223333:role/reader ")
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	w := newWorld(t)
	w.associate(func(a *eks.PodIdentityAssociation) { a.Role.Resource = "role/gone" })
	_, err := w.assume(good(t))
	w.wants("a role that was deleted", err, minato.Denied, "", "role/gone does not exist")
}

func TestTargetRole(t *testing.T) {
	t.Parallel()
	const (
		target = "arn:aws:iam::444455556666:role/target"
		enter  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"` + target + `"}]}`
		trust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["sts:AssumeRole","sts:TagSession"],
			"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/reader"},"StringEquals":{CONDITION}}}]}`
		byTags = `"aws:RequestTag/eks-cluster-arn":"arn:aws:eks:us-east-1:111122223333:cluster/production","aws:RequestTag/kubernetes-namespace":"dev"`
		byID   = `"sts:ExternalId":"us-east-1/111122223333/production/dev/app"`
	)
	for name, tt := range map[string]struct {
		condition  string
		noTags     bool
		notAllowed bool // the first role's own policies do not allow it
		works      bool
	}{
		"by tags":                      {condition: byTags, works: true},
		"by external id":               {condition: byID, noTags: true, works: true},
		"by tags, which are disabled":  {condition: byTags, noTags: true},
		"by external id, but for tags": {condition: byID},
		"first role may not":           {condition: byTags, notAllowed: true},
	} {
		w := newWorld(t)
		w.role(other, "target", strings.Replace(trust, "CONDITION", tt.condition, 1))
		if !tt.notAllowed {
			w.inline(account, "reader", enter)
		}
		w.associate(func(a *eks.PodIdentityAssociation) {
			a.TargetRole, _ = minato.ParseARN(target)
			a.DisableSessionTags = tt.noTags
		})
		got, err := w.assume(good(t))
		if !tt.works {
			w.wants(name, err, minato.Denied, "", "User: arn:aws:sts::111122223333:assumed-role/reader/eks-production-web-5b8f7c-")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(got.Role.ARN.String(), "arn:aws:sts::444455556666:assumed-role/target/eks-production-web-5b8f7c-") {
			t.Errorf("%s: %s", name, got.Role.ARN)
		}
		if left := time.Until(got.Role.Expires); left < 58*time.Minute || left > 59*time.Minute {
			t.Errorf("%s: it lasts %s", name, left)
		}
		if tags := w.session(got).Session.Tags; (tags["kubernetes-namespace"] == "dev") == tt.noTags {
			t.Errorf("%s: tags %v", name, tags)
		}
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.associate(nil)
	with := func(change func(jwt.MapClaims)) string {
		claims := podClaims()
		change(claims)
		return sign(t, jwt.SigningMethodRS256, ourKey, "k1", claims)
	}
	nested := func(name string, value any) string {
		return with(func(c jwt.MapClaims) {
			k := maps.Clone(c["kubernetes.io"].(map[string]any))
			k[name] = value
			c["kubernetes.io"] = k
		})
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, podClaims()).SignedString(jwt.UnsafeAllowNoneSignatureType)
	w.must(err)
	tampered := strings.Split(good(t), ".")
	other := strings.Split(with(func(c jwt.MapClaims) { c["sub"] = "system:serviceaccount:dev:other" }), ".")
	tampered[1] = other[1]
	for name, tt := range map[string]struct{ token, reason, text string }{
		"nothing":              {"", "", "not a JSON Web Token"},
		"no token":             {"hello", "", "not a JSON Web Token"},
		"unsigned":             {unsigned, "", "not a JSON Web Token"}, // its third part is empty
		"unsigned, with a tag": {unsigned + "eA", eksauth.InvalidToken, "signing method none is invalid"},
		"garbage":              {"a.b.c", eksauth.InvalidToken, "malformed"},
		"a million":            {strings.Repeat("a", 1<<20) + ".b.c", "", "at most"},
		"other key":            {sign(t, jwt.SigningMethodRS256, strangeKey, "k1", podClaims()), eksauth.InvalidToken, "signature is invalid"},
		"unknown key":          {sign(t, jwt.SigningMethodRS256, strangeKey, "k9", podClaims()), eksauth.InvalidToken, `"k9" is none of the cluster's`},
		"public key as secret": {sign(t, jwt.SigningMethodHS256, []byte("secret"), "k1", podClaims()), eksauth.InvalidToken, "signing method HS256 is invalid"},
		"other cluster":        {with(func(c jwt.MapClaims) { c["iss"] = "https://127.0.0.1:4567/id/4567" }), eksauth.InvalidToken, "it is of the issuer"},
		"other audience":       {with(func(c jwt.MapClaims) { c["aud"] = "sts.amazonaws.com" }), eksauth.InvalidToken, `does not include "pods.eks.amazonaws.com"`},
		"expired":              {with(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }), eksauth.ExpiredToken, "must be before the expiration date/time"},
		"no expiry":            {with(func(c jwt.MapClaims) { delete(c, "exp") }), eksauth.InvalidToken, "exp claim is required"},
		"not yet":              {with(func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() }), eksauth.InvalidToken, "not valid yet"},
		"expired and other's": {with(func(c jwt.MapClaims) {
			c["exp"], c["aud"] = 1, "x"
		}), eksauth.InvalidToken, "audience"},
		"not of a pod":      {nested("pod", nil), eksauth.InvalidToken, "not bound to a pod"},
		"pod without uid":   {nested("pod", map[string]any{"name": "p"}), eksauth.InvalidToken, "not bound to a pod"},
		"no kubernetes":     {with(func(c jwt.MapClaims) { delete(c, "kubernetes.io") }), eksauth.InvalidToken, "not bound to a pod"},
		"another subject":   {nested("serviceaccount", map[string]any{"name": "admin", "uid": "u"}), eksauth.InvalidToken, "its subject is"},
		"claims of another": {strings.Join(tampered, "."), eksauth.InvalidToken, "signature is invalid"},
	} {
		_, err := w.assume(tt.token)
		w.wants(name, err, minato.Invalid, tt.reason, tt.text)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`))
	_, err = w.assume(none + "." + tampered[1] + "." + tampered[2])
	w.wants("alg none with a signature", err, minato.Invalid, eksauth.InvalidToken, "signing method none is invalid")
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.assume(good(t))
	w.wants("no association", err, minato.NotFound, "", "No Pod Identity association found for service account: app in namespace: dev of cluster: production")
	w.associate(nil)

	w.alive = minato.Errorf(minato.NotFound, "gone")
	_, err = w.assume(good(t))
	w.wants("a deleted pod", err, minato.Invalid, eksauth.InvalidToken, "the pod web-5b8f7c9d4-x2x7k (uid pod-uid) or its service account app is not in namespace dev any more")
	w.alive = minato.Errorf(minato.Unavailable, "no answer")
	_, err = w.assume(good(t))
	w.wants("a cluster that does not answer", err, minato.Unavailable, "", "production does not answer")
	w.alive = nil

	_, err = w.AssumeRoleForPodIdentity(t.Context(), w.node, "other", good(t))
	w.wants("no such cluster", err, minato.NotFound, "", "No cluster found for name: other.")
	w.must(w.iam.DetachPolicy(t.Context(), iam.Holder{Account: account, Kind: iam.RoleKind, Name: "node"}, "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"))
	_, err = w.assume(good(t))
	w.wants("a node that may not", err, minato.Denied, iam.AccessDenied, "is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-east-1:111122223333:cluster/production")
}

// Whatever comes as a token is refused unless it is one that the cluster has signed.
func FuzzTokens(f *testing.F) {
	w := newWorld(f)
	w.associate(nil)
	valid := good(f)
	f.Add(valid)
	f.Add(strings.Replace(valid, ".", "..", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.e30")
	payload := strings.Split(valid, ".")[1]
	f.Fuzz(func(t *testing.T, token string) {
		_, err := w.AssumeRoleForPodIdentity(context.Background(), w.node, w.cluster.Name, token)
		if err == nil && !strings.Contains(token, payload) {
			t.Errorf("%q was taken", token)
		}
		if err != nil && minato.KindOf(err) != minato.Invalid {
			t.Errorf("%q: %v", token, err)
		}
	})
}
