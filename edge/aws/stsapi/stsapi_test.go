package stsapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/prometheus/client_golang/prometheus"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/iamapi"
	"minato.dev/minato/edge/aws/stsapi"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

const (
	account = "111122223333"
	roleARN = "RoleArn=arn:aws:iam::111122223333:role/ops"
)

// world is STS and IAM behind the real listener, with the role "ops", which the administrator may assume.
type world struct {
	testing.TB
	url   string
	log   *logBuffer
	iam   *iam.Service
	clock *clock.Clock
	admin sdk.Credentials
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, log: &logBuffer{}, clock: &clock.Clock{}}
	w.iam = iam.New(memstore.New(), sealer, w.clock)
	key, err := w.iam.EnsureAccount(t.Context(), account)
	w.must(err)
	w.admin = sdk.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.SecretAccessKey}
	_, err = w.iam.CreateRole(t.Context(), account, iam.NewRole{Name: "ops", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"AWS":"arn:aws:iam::111122223333:user/admin"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`})
	w.must(err)
	listener := aws.New(aws.Config{
		Region: "us-east-1", Credentials: w.iam.Credentials,
		APIs:     []aws.API{stsapi.New(sts.New(w.iam)), iamapi.New(w.iam)},
		Ready:    func(context.Context) error { return nil },
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.NewJSONHandler(w.log, nil)),
	})
	server := httptest.NewServer(listener)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// call sends an action of a service, signed.
func (w *world) call(who sdk.Credentials, service, accept, action string, parameters ...string) (int, string) {
	w.Helper()
	form := url.Values{"Action": {action}, "Version": {map[string]string{"sts": "2011-06-15", "iam": "2010-05-08"}[service]}}
	for _, p := range parameters {
		key, value, _ := strings.Cut(p, "=")
		form.Set(key, value)
	}
	r, err := http.NewRequestWithContext(w.Context(), "POST", w.url+"/", strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	hash := sha256.Sum256([]byte(form.Encode()))
	w.must(v4.NewSigner().SignHTTP(w.Context(), who, r, hex.EncodeToString(hash[:]), service, "us-east-1", time.Now()))
	resp, err := http.DefaultClient.Do(r)
	w.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp.StatusCode, string(body)
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body := w.call(w.admin, "sts", "", "GetCallerIdentity")
	if status != 200 || !strings.Contains(body, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`) ||
		!strings.Contains(body, "<Arn>arn:aws:iam::111122223333:user/admin</Arn><UserId>AIDA") ||
		!strings.Contains(body, "<Account>111122223333</Account>") {
		t.Errorf("XML: %d %s", status, body)
	}
	status, body = w.call(w.admin, "sts", "application/json", "GetCallerIdentity")
	var answer struct {
		GetCallerIdentityResponse struct {
			GetCallerIdentityResult struct {
				Account, Arn string
				UserID       string `json:"UserId"`
			}
		}
	}
	w.must(json.Unmarshal([]byte(body), &answer))
	got := answer.GetCallerIdentityResponse.GetCallerIdentityResult
	if status != 200 || got.Account != account || got.Arn != "arn:aws:iam::111122223333:user/admin" || !strings.HasPrefix(got.UserID, "AIDA") {
		t.Errorf("JSON: %d %s", status, body)
	}
	// Not even a deny of everything hides from somebody who they are.
	w.must(w.iam.PutInlinePolicy(t.Context(), iam.Holder{Account: account, Kind: iam.UserKind, Name: "admin"}, "no",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`))
	if status, body = w.call(w.admin, "sts", "", "GetCallerIdentity"); status != 200 {
		t.Errorf("with everything denied: %d %s", status, body)
	}
}

// credentials is the credentials in an answer of AssumeRole or GetSessionToken.
func (w *world) credentials(body string) (c sdk.Credentials, expires time.Time) {
	w.Helper()
	var answer struct {
		AssumeRole      wireCredentials `xml:"AssumeRoleResult>Credentials"`
		GetSessionToken wireCredentials `xml:"GetSessionTokenResult>Credentials"`
	}
	w.must(xml.Unmarshal([]byte(body), &answer))
	found := answer.AssumeRole
	if found.AccessKeyID == "" {
		found = answer.GetSessionToken
	}
	return sdk.Credentials{AccessKeyID: found.AccessKeyID, SecretAccessKey: found.SecretAccessKey, SessionToken: found.SessionToken}, found.Expiration
}

type wireCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body := w.call(w.admin, "sts", "", "AssumeRole", roleARN, "RoleSessionName=laptop", "DurationSeconds=900",
		"Tags.member.1.Key=team", "Tags.member.1.Value=red", "TransitiveTagKeys.member.1=team",
		"PolicyArns.member.1.arn=arn:aws:iam::aws:policy/PowerUserAccess")
	if status != 200 || !strings.Contains(body, "<Arn>arn:aws:sts::111122223333:assumed-role/ops/laptop</Arn>") ||
		!strings.Contains(body, "<AssumedRoleId>AROA") || !strings.Contains(body, ":laptop</AssumedRoleId>") {
		t.Fatalf("AssumeRole: %d %s", status, body)
	}
	session, expires := w.credentials(body)
	if d := time.Until(expires); d > 15*time.Minute || d < 14*time.Minute {
		t.Errorf("it lasts %s, want 15 minutes", d)
	}
	status, body = w.call(session, "sts", "", "GetCallerIdentity")
	if status != 200 || !strings.Contains(body, "assumed-role/ops/laptop") {
		t.Errorf("GetCallerIdentity of the session: %d %s", status, body)
	}
	stored, err := w.iam.Credentials(t.Context(), session.AccessKeyID, session.SessionToken)
	w.must(err)
	if s := stored.Session; s.Tags["team"] != "red" || len(s.TransitiveTags) != 1 || len(s.Policies) != 1 {
		t.Errorf("the session carries %+v", s)
	}
	for _, secret := range []string{session.SecretAccessKey, session.SessionToken, w.admin.SecretAccessKey} {
		if strings.Contains(w.log.String(), secret) {
			t.Error("a secret stands in the log")
		}
	}

	forged := session
	forged.SessionToken = w.forge(session.SessionToken)
	w.refused(forged, "InvalidClientTokenId")
	w.clock.SetOffset(16 * time.Minute)
	w.refused(session, "ExpiredToken")
	w.clock.SetOffset(0)
	w.must(w.iam.DeleteRole(t.Context(), account, "ops"))
	w.refused(session, "InvalidClientTokenId")
}

// forge changes one character of a token.
func (w *world) forge(token string) string {
	other := byte('A')
	if token[20] == other {
		other = 'B'
	}
	return token[:20] + string(other) + token[21:]
}

// refused is that credentials do not even learn whose they are.
func (w *world) refused(c sdk.Credentials, code string) {
	w.Helper()
	status, body := w.call(c, "sts", "", "GetCallerIdentity")
	if status != 403 || !strings.Contains(body, "<Code>"+code+"</Code>") {
		w.Errorf("answered %d %s, want 403 %s", status, body, code)
	}
}

func TestGetSessionToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body := w.call(w.admin, "sts", "", "GetSessionToken", "DurationSeconds=3600")
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	session, _ := w.credentials(body)
	if status, body := w.call(session, "sts", "", "GetCallerIdentity"); status != 200 || !strings.Contains(body, "user/admin") {
		t.Errorf("GetCallerIdentity: %d %s", status, body)
	}
	if status, body := w.call(session, "iam", "", "ListUsers"); status != 403 || !strings.Contains(body, "InvalidClientTokenId") {
		t.Errorf("iam:ListUsers: %d %s", status, body)
	}
	if status, body := w.call(session, "sts", "", "AssumeRole", roleARN, "RoleSessionName=chained"); status != 200 {
		t.Errorf("AssumeRole: %d %s", status, body)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		status        int
		code, message string
		action        string
		parameters    []string
	}{
		{403, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/ghost", "AssumeRole", []string{"RoleArn=arn:aws:iam::111122223333:role/ghost", "RoleSessionName=xx"}},
		{400, "ValidationError", "roleSessionName", "AssumeRole", []string{roleARN}},
		{400, "ValidationError", "durationSeconds", "AssumeRole", []string{roleARN, "RoleSessionName=xx", "DurationSeconds=0"}},
		{400, "ValidationError", "durationSeconds", "GetSessionToken", []string{"DurationSeconds=-5"}},
		{400, "MalformedPolicyDocument", "Statement[0]", "AssumeRole", []string{roleARN, "RoleSessionName=xx", `Policy={"Statement":[{}]}`}},
		{400, "InvalidInput", "Duplicate tag keys", "AssumeRole", []string{roleARN, "RoleSessionName=xx", "Tags.member.1.Key=a", "Tags.member.2.Key=a"}},
		{403, "AccessDenied", "sts:SetSourceIdentity", "AssumeRole", []string{roleARN, "RoleSessionName=xx", "SourceIdentity=me"}},
		{400, "UnsupportedOperation", "MFA", "GetSessionToken", []string{"TokenCode=123456"}},
		{400, "InvalidAuthorizationMessageException", "not valid", "DecodeAuthorizationMessage", []string{"EncodedMessage=x"}},
		{400, "ValidationError", "encodedMessage", "DecodeAuthorizationMessage", nil},
		{400, "UnsupportedOperation", "sts:GetFederationToken", "GetFederationToken", []string{"Name=me"}},
		{400, "ValidationError", "AKIAAAAAAAAAAAAAAAAA", "GetAccessKeyInfo", []string{"AccessKeyId=AKIAAAAAAAAAAAAAAAAA"}},
	} {
		status, body := w.call(w.admin, "sts", "", c.action, c.parameters...)
		if status != c.status || !strings.Contains(body, "<Code>"+c.code+"</Code>") || !strings.Contains(body, c.message) {
			t.Errorf("%s %v: %d %s; want %d %s %s", c.action, c.parameters, status, body, c.status, c.code, c.message)
		}
	}
	status, body := w.call(w.admin, "sts", "", "GetAccessKeyInfo", "AccessKeyId="+w.admin.AccessKeyID)
	if status != 200 || !strings.Contains(body, "<Account>111122223333</Account>") {
		t.Errorf("GetAccessKeyInfo: %d %s", status, body)
	}
}

// AssumeRoleWithWebIdentity is the one operation that needs no signature, and is done.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		method, form  string
		status        int
		code, message string
	}{
		{"POST", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + "arn:aws:iam::111122223333:role/ops&RoleSessionName=pod&WebIdentityToken=a.b.c", 400, "InvalidIdentityToken", "not a valid JWT"},
		{"GET", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=x", 400, "ValidationError", "x is invalid"},
		{"POST", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&ProviderId=graph.facebook.com", 400, "UnsupportedOperation", "ProviderId"},
		{"POST", "Action=AssumeRoleWithSAML&Version=2011-06-15&SAMLAssertion=x", 400, "UnsupportedOperation", "sts:AssumeRoleWithSAML"},
		{"POST", "Action=GetCallerIdentity&Version=2011-06-15", 403, "MissingAuthenticationToken", "missing Authentication Token"},
		{"POST", "Action=AssumeRole&Action=AssumeRoleWithWebIdentity&Version=2011-06-15", 403, "MissingAuthenticationToken", ""},
		{"POST", "Action=AssumeRoleWithWebIdentity&Action=AssumeRole&Version=2011-06-15", 400, "ValidationError", "more than once"},
		{"POST", "Action=ListUsers&Version=2010-05-08", 403, "MissingAuthenticationToken", ""},
	} {
		address, body := w.url+"/", strings.NewReader(c.form)
		if c.method == "GET" {
			address, body = address+"?"+c.form, strings.NewReader("")
		}
		r, err := http.NewRequestWithContext(t.Context(), c.method, address, body)
		w.must(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(r)
		w.must(err)
		answer, err := io.ReadAll(resp.Body)
		w.must(errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != c.status || !strings.Contains(string(answer), "<Code>"+c.code+"</Code>") || !strings.Contains(string(answer), c.message) {
			t.Errorf("%s %s: %d %s", c.method, c.form, resp.StatusCode, answer)
		}
	}
	if strings.Contains(w.log.String(), "a.b.c") {
		t.Error("a token stands in the log")
	}
}
