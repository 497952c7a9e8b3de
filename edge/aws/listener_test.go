package aws_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/prometheus/client_golang/prometheus"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/iam"
)

const (
	account = "111122223333"
	keyID   = "AKIAEXAMPLE"
	secret  = "a-secret-that-must-not-be-logged"
	token   = "a-token-that-must-not-be-logged"
)

// env is a listener with two services, "sts" in awsQuery and "ec2" in ec2Query, on a real socket. Their operations are
// WhoAmI, which answers the call it got; Panic; HalfPanic, which writes something first; and Fail.
type env struct {
	url string
	log events
	*aws.Listener
}

// events are the lines of a log.
type events chan string

func (e events) Write(line []byte) (int, error) {
	e <- string(line)
	return len(line), nil
}

type whoAmI struct {
	Account, Region, ARN, Service, SourceIP string
	Hold                                    string
}

func operations() []query.Operation {
	return []query.Operation{
		query.Op("WhoAmI", func(ctx context.Context, _ *struct{}) (*whoAmI, error) {
			c := aws.CallFrom(ctx)
			return &whoAmI{c.Scope.Account, string(c.Scope.Region), c.Credential.Principal.ARN.String(), c.Service, c.SourceIP, c.Hold.String()}, nil
		}),
		query.Op("Panic", func(context.Context, *struct{}) (*struct{}, error) { panic("the secret inside") }),
		query.Op("Fail", func(context.Context, *struct{}) (*struct{}, error) { return nil, errors.New("disk sdb is on fire") }),
	}
}

func credentials(_ context.Context, id, sessionToken string) (iam.Credential, error) {
	if id != keyID {
		return iam.Credential{}, minato.Errorf(minato.Unauthenticated, "The security token included in the request is invalid.").
			Because(aws.UnknownKey)
	}
	c := iam.Credential{AccessKeyID: id, Secret: secret, Principal: minato.Principal{
		Type: minato.IAMUser, Account: account, ID: "AIDA1", ARN: minato.NewARN("iam", "", account, "user/ann"),
	}}
	if sessionToken != "" {
		c.Principal.ID, c.Principal.ARN = "AROA1:s", minato.NewARN("sts", "", account, "assumed-role/r/s")
	}
	return c, nil
}

func start(t *testing.T, change func(*aws.Config)) *env {
	t.Helper()
	e := &env{log: make(events, 100)}
	cfg := aws.Config{
		Region: "eu-west-1", Credentials: credentials,
		Ready:    func(context.Context) error { return nil },
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.NewJSONHandler(e.log, nil)),
		APIs: []aws.API{
			query.New(query.Definition{SigningName: "sts", Version: "1", Operations: operations(), ErrorCode: query.Codes{}.ErrorCode}),
			query.New(query.Definition{SigningName: "ec2", Version: "1", Operations: operations(), ErrorCode: query.Codes{}.ErrorCode,
				Dialect: query.EC2Query}),
			halfAPI{},
		},
	}
	if change != nil {
		change(&cfg)
	}
	e.Listener = aws.New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- aws.Serve(ctx, ln, e, cfg.Log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	e.url = "http://" + ln.Addr().String()
	return e
}

// halfAPI panics when half of its answer is written.
type halfAPI struct{}

func (halfAPI) SigningName() string { return "half" }
func (halfAPI) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10")
	w.Write([]byte("half"))
	panic("in the middle")
}
func (halfAPI) WriteError(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(500) }

// signing says how a request is signed.
type signing struct {
	service, region, key, secret, token string
	at                                  time.Time
}

func (e *env) request(t *testing.T, form string, s signing) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", e.url+"/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hash := sha256.Sum256([]byte(form))
	err = v4.NewSigner().SignHTTP(context.Background(), sdk.Credentials{AccessKeyID: s.key, SecretAccessKey: s.secret, SessionToken: s.token},
		r, hex.EncodeToString(hash[:]), s.service, s.region, s.at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// good is how a request is signed that gets in.
func good(service string) signing {
	return signing{service, "eu-west-1", keyID, secret, "", time.Now()}
}

func send(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func action(name string) string { return "Action=" + name + "&Version=1" }

func TestAuthenticatedRequest(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	s := good("sts")
	s.token = token
	r := e.request(t, action("WhoAmI"), s)
	r.Header.Set("User-Agent", "aws-cli/1.45.11 md/Botocore#1.43.11 ua/2.1 m/D,b,N,Z,B,g cfg/retry-mode#legacy")
	resp, body := send(t, r)
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	for _, want := range []string{
		"<Account>111122223333</Account>", "<Region>eu-west-1</Region>", "<ARN>arn:aws:sts::111122223333:assumed-role/r/s</ARN>",
		"<Service>sts</Service>", "<SourceIP>127.0.0.1</SourceIP>", "<Hold>50s</Hold>",
		"<RequestId>" + resp.Header.Get("x-amzn-RequestId") + "</RequestId>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	line, event := e.event(t)
	for name, want := range map[string]any{
		"request": resp.Header.Get("x-amzn-RequestId"), "principal": "arn:aws:sts::111122223333:assumed-role/r/s",
		"service": "sts", "action": "sts:WhoAmI", "status": 200.0, "from": "127.0.0.1", "level": "INFO",
	} {
		if event[name] != want {
			t.Errorf("the event's %s is %v, want %v", name, event[name], want)
		}
	}
	if strings.Contains(line, secret) || strings.Contains(line, token) || strings.Contains(line, "Version=1") {
		t.Errorf("a key, token or body is in the log: %s", line)
	}
}

// event is the next request event in the log, as written and read.
func (e *env) event(t *testing.T) (line string, event map[string]any) {
	t.Helper()
	select {
	case line = <-e.log:
	case <-time.After(10 * time.Second):
		t.Fatal("no event was logged")
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return line, event
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	for name, tc := range map[string]struct {
		signing func(*signing)
		change  func(*http.Request)
		status  int
		code    string
		says    string
	}{
		"unknown key":     {func(s *signing) { s.key = "AKIANOBODY" }, nil, 403, "InvalidClientTokenId", "invalid"},
		"unknown in ec2":  {func(s *signing) { s.service, s.key = "ec2", "AKIANOBODY" }, nil, 401, "AuthFailure", "invalid"},
		"wrong secret":    {func(s *signing) { s.secret = "wrong" }, nil, 403, "SignatureDoesNotMatch", "does not match the signature you provided"},
		"wrong in ec2":    {func(s *signing) { s.service, s.secret = "ec2", "wrong" }, nil, 401, "AuthFailure", ""},
		"old":             {func(s *signing) { s.at = s.at.Add(-15 * time.Minute) }, nil, 403, "SignatureDoesNotMatch", "Signature expired"},
		"another region":  {func(s *signing) { s.region = "us-west-2" }, nil, 403, "SignatureDoesNotMatch", "this endpoint is in eu-west-1"},
		"another service": {func(s *signing) { s.service = "lambda" }, nil, 400, "UnknownService", "it serves ec2, half, sts"},
		"altered body": {nil, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(action("Fail"))), int64(len(action("Fail")))
		}, 403, "SignatureDoesNotMatch", ""},
		"unsigned": {nil, func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken", "missing Authentication Token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := good("sts")
			if tc.signing != nil {
				tc.signing(&s)
			}
			r := e.request(t, action("WhoAmI"), s)
			if tc.change != nil {
				tc.change(r)
			}
			resp, body := send(t, r)
			if resp.StatusCode != tc.status || !strings.Contains(body, "<Code>"+tc.code+"</Code>") || !strings.Contains(body, tc.says) {
				t.Errorf("%d %s\nwant %d %s saying %q", resp.StatusCode, body, tc.status, tc.code, tc.says)
			}
		})
	}
}

// TestStrangersCannotFloodTheLog sends what an error quotes in full, and everything else that an event tells of.
func TestStrangersCannotFloodTheLog(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	long := strings.Repeat("x", 7000)
	for name, change := range map[string]func(*http.Request){
		"parameter": func(r *http.Request) { r.URL.RawQuery = "%zz" + strings.Repeat(long, 7) },
		"agent":     func(r *http.Request) { r.Header.Set("User-Agent", long) },
		"service": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/sts/", "/"+long+"/", 1))
		},
	} {
		r := e.request(t, action("WhoAmI"), good("sts"))
		change(r)
		send(t, r)
		if line, _ := e.event(t); len(line) > 4096 {
			t.Errorf("%s: an event of %d bytes: %.300s", name, len(line), line)
		}
	}
}

func TestPresignedForSTSLastsWhateverItSays(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	for _, tc := range []struct {
		service string
		age     time.Duration
		want    int
	}{
		{"sts", 14 * time.Minute, 200},
		{"sts", 16 * time.Minute, 400},
		{"ec2", 30 * time.Second, 200},
		{"ec2", 2 * time.Minute, 400},
	} {
		r, err := http.NewRequest("GET", e.url+"/?"+action("WhoAmI")+"&X-Amz-Expires=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		empty := sha256.Sum256(nil)
		at := time.Now().Add(-tc.age)
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), sdk.Credentials{AccessKeyID: keyID, SecretAccessKey: secret},
			r, hex.EncodeToString(empty[:]), tc.service, "eu-west-1", at)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest("GET", signed, nil); err != nil {
			t.Fatal(err)
		}
		if resp, body := send(t, r); resp.StatusCode != tc.want {
			t.Errorf("%s, %s after it was signed: %d %s, want %d", tc.service, tc.age, resp.StatusCode, body, tc.want)
		}
	}
}

func TestGlobalServiceTakesItsGlobalRegion(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	for service, want := range map[string]int{"sts": 200, "ec2": 401} {
		s := good(service)
		s.region = "us-east-1"
		if resp, body := send(t, e.request(t, action("WhoAmI"), s)); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", service, resp.StatusCode, body, want)
		}
	}
}

func TestUnsignedJSON(t *testing.T) {
	t.Parallel()
	resp, err := http.Get(start(t, nil).url + "/clusters")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Message string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Message == "" {
		t.Errorf("body %+v, %v", body, err)
	}
	if code := resp.Header.Get("x-amzn-ErrorType"); resp.StatusCode != 403 || code != "MissingAuthenticationTokenException" {
		t.Errorf("%d %s", resp.StatusCode, code)
	}
}

// TestHugeBody sends the header of a 100 MB body and nothing of the body: the refusal must not wait for it.
func TestHugeBody(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	r := e.request(t, action("WhoAmI"), good("sts"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: "+r.Host+"\r\nContent-Length: 104857600\r\n")
	if err := r.Header.WriteSubset(conn, nil); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 413 ")) || !bytes.Contains(answer, []byte("<Code>RequestEntityTooLarge</Code>")) {
		t.Errorf("%s %v", answer, err)
	}
}

func TestHugeBodyOfUnknownLength(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	r := e.request(t, action("WhoAmI"), good("sts"))
	r.Body = io.NopCloser(io.LimitReader(strings.NewReader(strings.Repeat("x", aws.MaxBody+1)), aws.MaxBody+1))
	r.ContentLength = -1
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "content-length;", "", 1))
	if resp, body := send(t, r); resp.StatusCode != 413 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *aws.Config) { c.Limit, c.Burst = 0.001, 2 })
	var statuses []int
	for range 3 {
		resp, _ := send(t, e.request(t, action("WhoAmI"), good("sts")))
		statuses = append(statuses, resp.StatusCode)
	}
	if statuses[1] != 200 || statuses[2] != 400 {
		t.Errorf("three requests with a burst of two: %v", statuses)
	}
	other := good("ec2")
	other.token = token
	if resp, body := send(t, e.request(t, action("WhoAmI"), other)); resp.StatusCode != 200 {
		t.Errorf("another principal is throttled too: %d %s", resp.StatusCode, body)
	}
	resp, body := send(t, e.request(t, action("WhoAmI"), good("ec2")))
	if resp.StatusCode != 503 || !strings.Contains(body, "RequestLimitExceeded") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	t.Parallel()
	for name, inside := range map[string]string{"Panic": "the secret inside", "Fail": "disk sdb is on fire"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, nil)
			resp, body := send(t, e.request(t, action(name), good("sts")))
			if resp.StatusCode != 500 || strings.Contains(body, inside) || !strings.Contains(body, resp.Header.Get("x-amzn-RequestId")) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			_, event := e.event(t)
			if detail, _ := event["error"].(string); !strings.Contains(detail, inside) || event["level"] != "ERROR" {
				t.Errorf("the event does not say why: %v", event)
			}
		})
	}
}

func TestPanicInTheMiddleBreaksTheConnection(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	resp, err := http.DefaultClient.Do(e.request(t, "", good("half")))
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer came as a whole one")
	}
	if _, event := e.event(t); event["level"] != "ERROR" {
		t.Errorf("%v", event)
	}
}

// TestClockAhead is that a server whose clock can be moved says in every answer where it stands, and that no other does.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	moved := start(t, func(c *aws.Config) {
		c.ClockAhead = func() time.Duration { return 90*time.Minute + 300*time.Millisecond }
	})
	for url, want := range map[string]string{moved.url + "/healthz": "5400", moved.url + "/": "5400", start(t, nil).url + "/healthz": ""} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get(clock.AheadHeader); got != want || resp.Body.Close() != nil {
			t.Errorf("%s says that the clock is %q seconds ahead, want %q", url, got, want)
		}
	}
}

func TestOpenPaths(t *testing.T) {
	t.Parallel()
	var ready error
	e := start(t, func(c *aws.Config) { c.Ready = func(context.Context) error { return ready } })
	e.Handle("GET /id/{cluster}/keys", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("cluster"))
	}))
	send(t, e.request(t, action("WhoAmI"), good("sts")))
	get := func(path, from string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = from
		e.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const near, far = "127.0.0.1:5", "192.0.2.1:5"
	check := func(path, from string, wantStatus int, says string) {
		t.Helper()
		if status, body := get(path, from); status != wantStatus || !strings.Contains(body, says) {
			t.Errorf("GET %s from %s: %d %q, want %d and %q", path, from, status, body, wantStatus, says)
		}
	}
	check("/healthz", far, 200, "ok")
	check("/readyz", far, 200, "ok")
	check("/id/prod/keys", far, 200, "prod")
	check("/metrics", near, 200, `minato_api_requests_total{action="sts:WhoAmI",code="",service="sts",status="200"} 1`)
	check("/metrics", near, 200, `minato_api_request_duration_seconds_count{action="sts:WhoAmI",service="sts"} 1`)
	check("/metrics", far, 403, "this machine")
	check("/id/prod", far, 403, "missing Authentication Token") // not mounted: an API request without a signature
	check("/healthz/x", far, 403, "")
	ready = errors.New("etcd is away")
	check("/readyz", near, 503, "etcd is away")
	check("/readyz", far, 503, "not ready")
	if _, body := get("/readyz", far); strings.Contains(body, "etcd") {
		t.Errorf("strangers are told %q", body)
	}
	check("/healthz", far, 200, "ok")
}
