package access_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

const (
	clusterID = "0123456789abcdef0123456789abcdef"
	account   = "111122223333"
)

var now = time.Date(2026, 11, 23, 12, 36, 0, 0, time.UTC)

// The principals of the tests. The user and the role exist; recreated is the role after it was deleted and made again.
var (
	user = minato.Principal{
		Type: minato.IAMUser, Account: account, ID: "AIDAEXAMPLEUSER",
		ARN: minato.NewARN("iam", "", account, "user/team/alice"),
	}
	role = minato.Principal{
		Type: minato.AssumedRole, Account: account, ID: "AROAEXAMPLEROLE:alice@example.com",
		ARN:         minato.NewARN("sts", "", account, "assumed-role/admin/alice@example.com"),
		RoleARN:     minato.NewARN("iam", "", account, "role/ops/admin"),
		SessionName: "alice@example.com",
	}
	recreated = minato.Principal{
		Type: minato.AssumedRole, Account: account, ID: "AROAEXAMPLEAGAIN:alice@example.com",
		ARN: role.ARN, RoleARN: role.RoleARN, SessionName: role.SessionName,
	}
	root = minato.Principal{Type: minato.AccountRoot, Account: account, ID: account, ARN: minato.NewARN("iam", "", account, "root")}
)

// keys is a small iam: access keys with their secrets, session tokens and owners.
type keys map[string]key

type key struct {
	secret, session string
	principal       minato.Principal
}

var allKeys = keys{
	"AKIAUSER":  {"user-secret", "", user},
	"ASIAROLE":  {"role-secret", "role-session", role},
	"ASIAAGAIN": {"again-secret", "again-session", recreated},
	"AKIAROOT":  {"root-secret", "", root},
}

func (k keys) credentials(_ context.Context, accessKeyID, sessionToken string) (iam.Credential, error) {
	found, ok := k[accessKeyID]
	if !ok {
		return iam.Credential{}, minato.Errorf(minato.Unauthenticated, "no such key").Because("InvalidClientTokenId")
	}
	if found.session != sessionToken {
		return iam.Credential{}, minato.Errorf(minato.Unauthenticated, "wrong session token").Because("InvalidToken")
	}
	return iam.Credential{AccessKeyID: accessKeyID, Secret: found.secret, Principal: found.principal}, nil
}

func cluster(creator minato.Principal, mode string, bootstrap bool) *eks.Cluster {
	return &eks.Cluster{
		Scope: minato.Scope{Account: account, Region: minato.DefaultRegion}, Name: "prod", ID: clusterID, Creator: creator,
		Spec: eks.ClusterSpec{AuthenticationMode: mode, BootstrapCreatorAdmin: bootstrap},
	}
}

func authenticator(t testing.TB, c *eks.Cluster) *access.Authenticator {
	t.Helper()
	own, err := access.OwnHosts("127.0.0.1:4566", 4567, []string{"minato.example"})
	if err != nil {
		t.Fatal(err)
	}
	return access.New(access.Config{
		Cluster:     func(id string) (*eks.Cluster, bool) { return c, id == c.ID },
		Credentials: allKeys.credentials,
		Hosts:       own,
		Mappers:     []access.Mapper{access.CreatorAdmin},
		Now:         func() time.Time { return now },
	})
}

// token describes a token to make; the zero one is what the AWS CLI makes for user and cluster prod.
type token struct {
	keyID   string // AKIAUSER
	host    string // https://sts.us-east-1.amazonaws.com
	cluster string // prod
	service string // sts
	age     time.Duration
	query   func(url.Values) // changes the query before it is signed
	header  http.Header      // more signed headers
	url     func(string) string
}

// make signs as the AWS SDK does.
func (k token) make(t testing.TB) string {
	t.Helper()
	or := func(s *string, other string) {
		if *s == "" {
			*s = other
		}
	}
	or(&k.keyID, "AKIAUSER")
	or(&k.host, "https://sts.us-east-1.amazonaws.com")
	or(&k.cluster, "prod")
	or(&k.service, "sts")
	query := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Expires": {"60"}}
	if k.query != nil {
		k.query(query)
	}
	r, err := http.NewRequest(http.MethodGet, k.host+"/?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-K8s-Aws-Id", k.cluster)
	for name, values := range k.header {
		r.Header[name] = values
	}
	owner := allKeys[k.keyID]
	credentials := aws.Credentials{AccessKeyID: k.keyID, SecretAccessKey: owner.secret, SessionToken: owner.session}
	if owner.secret == "" {
		credentials.SecretAccessKey = "nobody's"
	}
	empty := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), credentials, r, hex.EncodeToString(empty[:]),
		k.service, "us-east-1", now.Add(-k.age))
	if err != nil {
		t.Fatal(err)
	}
	if k.url != nil {
		signed = k.url(signed)
	}
	return encode(signed)
}

func encode(u string) string { return access.Prefix + base64.RawURLEncoding.EncodeToString([]byte(u)) }

func replace(old, with string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, with, 1) }
}
