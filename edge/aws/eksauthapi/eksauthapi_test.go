package eksauthapi_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/eksauthapi"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

const path = "/clusters/prod/assume-role-for-pod-identity"

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

// newAPI is EKS Auth with the association of dev/app; what trouble says goes wrong when the session is made.
func newAPI(t *testing.T, key *rsa.PrivateKey, trouble error) aws.API {
	t.Helper()
	s := memstore.New()
	_, err := eks.Clusters(s).Create(t.Context(), eks.ClusterKey(scope, "prod"), eks.Cluster{Scope: scope, ID: "0123", Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = eks.PodIdentityAssociations(s).Create(t.Context(), eks.PodIdentityKey("0123", "dev", "app"), eks.PodIdentityAssociation{
		Scope: scope, ClusterID: "0123", ClusterName: "prod", ID: "a-0123456789abcdefg", Namespace: "dev", ServiceAccount: "app",
	})
	if err != nil {
		t.Fatal(err)
	}
	return eksauthapi.New(&eksauth.Service{
		Cluster: func(ctx context.Context, id string) (eks.Cluster, error) {
			item, err := eks.Clusters(s).Get(ctx, id)
			return item.Value, err
		},
		Association: func(ctx context.Context, id string) (eks.PodIdentityAssociation, error) {
			item, err := eks.PodIdentityAssociations(s).Get(ctx, id)
			return item.Value, err
		},
		Log: slog.New(slog.DiscardHandler),
		Authorize: func(_ context.Context, a iam.Access) error {
			if a.Resource.ResourceID() == "secret" {
				return minato.Errorf(minato.Denied, "you may not")
			}
			return nil
		},
		Issuer: func(context.Context, *eks.Cluster) (eksauth.Issuer, error) {
			return eksauth.Issuer{URL: "https://issuer", Keys: map[string]crypto.PublicKey{"k1": key.Public()}}, nil
		},
		Alive: func(context.Context, *eks.Cluster, string) error { return nil },
		Session: func(context.Context, sts.PodSession) (sts.AssumedRole, error) {
			return sts.AssumedRole{
				Temporary: iam.Temporary{AccessKeyID: "ASIA1", SecretAccessKey: "s", SessionToken: "t", Told: time.Unix(1795435200, 0)},
				ARN:       minato.NewARN("sts", "", scope.Account, "assumed-role/reader/eks-x"), ID: "AROA1:eks-x",
			}, trouble
		},
	})
}

func ask(api aws.API, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), &aws.Call{RequestID: "r1", Scope: scope})))
	return w
}

func token(t *testing.T, key *rsa.PrivateKey, serviceAccount string, expires time.Time) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": "https://issuer", "aud": "pods.eks.amazonaws.com", "sub": "system:serviceaccount:dev:" + serviceAccount, "exp": expires.Unix(),
		"kubernetes.io": map[string]any{
			"namespace": "dev", "pod": map[string]any{"name": "p", "uid": "u"}, "serviceaccount": map[string]any{"name": serviceAccount, "uid": "v"},
		},
	})
	token.Header["kid"] = "k1"
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestAssumeRoleForPodIdentity(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	api := newAPI(t, key, nil)
	body := func(token string) string {
		return `{"token":"` + token + `","eksNodeName":"n","instanceId":"i-1","zone":"use1-az1"}`
	}
	later := time.Now().Add(time.Hour)

	w := ask(api, path, body(token(t, key, "app", later)))
	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := map[string]any{
		"subject": map[string]any{"namespace": "dev", "serviceAccount": "app"}, "audience": "pods.eks.amazonaws.com",
		"podIdentityAssociation": map[string]any{
			"associationArn": "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod/a-0123456789abcdefg", "associationId": "a-0123456789abcdefg",
		},
		"assumedRoleUser": map[string]any{"arn": "arn:aws:sts::111122223333:assumed-role/reader/eks-x", "assumeRoleId": "AROA1:eks-x"},
		"credentials":     map[string]any{"accessKeyId": "ASIA1", "secretAccessKey": "s", "sessionToken": "t", "expiration": 1795435200.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	denied := newAPI(t, key, minato.Errorf(minato.Denied, "no trust"))
	broken := newAPI(t, key, errors.New("the store's secret"))
	for name, tt := range map[string]struct {
		api        aws.API
		path, body string
		status     int
		code, text string
	}{
		"not JSON":         {api, path, `{`, 400, "SerializationException", ""},
		"no token":         {api, path, `{}`, 400, "InvalidParameterException", "not a JSON Web Token"},
		"bad token":        {api, path, body("a.b.c"), 400, "InvalidTokenException", "invalid"},
		"expired":          {api, path, body(token(t, key, "app", time.Now().Add(-time.Hour))), 400, "ExpiredTokenException", "is expired: current date/time "},
		"no association":   {api, path, body(token(t, key, "other", later)), 404, "ResourceNotFoundException", "No Pod Identity association found"},
		"no cluster":       {api, "/clusters/none/assume-role-for-pod-identity", body("a.b.c"), 404, "ResourceNotFoundException", "No cluster found for name: none."},
		"may not ask":      {api, "/clusters/secret/assume-role-for-pod-identity", body("a.b.c"), 400, "AccessDeniedException", "you may not"},
		"not trusted":      {denied, path, body(token(t, key, "app", later)), 400, "AccessDeniedException", "Unauthorized Exception! EKS does not have permissions to assume the associated role. (no trust)"},
		"broken":           {broken, path, body(token(t, key, "app", later)), 500, "InternalServerException", "under request r1"},
		"no such resource": {api, "/clusters", `{}`, 404, "UnknownOperationException", ""},
	} {
		w := ask(tt.api, tt.path, tt.body)
		if w.Code != tt.status || w.Header().Get("x-amzn-ErrorType") != tt.code || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: %d %s %s", name, w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body)
		}
	}
}
