package podagent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minato.dev/minato/internal/sigv4"
)

const secret = "node-secret"

// fake is an EKS Auth that checks signatures and says of every token whose it is.
type fake struct {
	asked   atomic.Int64
	refusal atomic.Pointer[upstreamError]
	busy    sync.Map // tokens to *atomic.Int64: for how many requests more they are one too many
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	body, err := io.ReadAll(r.Body)
	var in struct{ Token string }
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	signed, parseErr := sigv4.Parse(r, sigv4.Rules{})
	if err != nil || parseErr != nil || signed.Verify(secret, body, time.Now()) != nil || signed.Scope.Service != "eks-auth" || r.URL.Path != "/clusters/prod/assume-role-for-pod-identity" {
		http.Error(w, "not signed", http.StatusForbidden)
		return
	}
	refusal := f.refusal.Load()
	if more, ok := f.busy.Load(in.Token); ok && more.(*atomic.Int64).Add(-1) >= 0 {
		refusal = &upstreamError{Status: http.StatusTooManyRequests, Code: "ThrottlingException", Message: "slowly"}
	}
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(in.Token, &claims); err == nil && strings.Contains(claims.Subject, "forged") {
		refusal = &upstreamError{Status: http.StatusBadRequest, Code: "InvalidTokenException", Message: "nobody has signed it"}
	}
	if refusal != nil {
		w.Header().Set("X-Amzn-Requestid", "r1")
		w.Header().Set("X-Amzn-Errortype", refusal.Code)
		w.WriteHeader(refusal.Status)
		fmt.Fprintf(w, `{"message":%q}`, refusal.Message)
		return
	}
	fmt.Fprintf(w, `{"assumedRoleUser":{"arn":"arn:aws:sts::111122223333:assumed-role/app/x"},"credentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":%q,"expiration":%d}}`,
		in.Token, time.Now().Add(6*time.Hour).Unix())
}

func newAgent(t testing.TB, f *fake) (*Handler, *httptest.Server) {
	t.Helper()
	upstream := httptest.NewServer(f)
	t.Cleanup(upstream.Close)
	auth := NewEKSAuth(upstream.URL, "prod", "eu-west-1", func(context.Context) (Key, error) {
		return Key{sigv4.Key{AccessKeyID: "ASIANODE", SecretAccessKey: secret, SessionToken: "t"}, time.Now().Add(time.Hour)}, nil
	}, &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}})
	h := NewHandler(HandlerConfig{Assume: auth.Assume, Rotate: true, Log: slog.New(slog.DiscardHandler)})
	return h, upstream
}

func podToken(t testing.TB, subject string, change func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{"aud": []string{audience}, "sub": "system:serviceaccount:dev:" + subject, "exp": time.Now().Add(time.Hour).Unix()}
	if change != nil {
		change(claims)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func ask(h http.Handler, method, host, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+host+path, nil)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func askFrom(h http.Handler, address, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://169.254.170.23/v1/credentials", nil)
	r.Header.Set("Authorization", token)
	r.RemoteAddr = address
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, token string) *httptest.ResponseRecorder {
	return ask(h, http.MethodGet, "169.254.170.23", "/v1/credentials", token)
}

// TestContract is what EKS's agent answers.
func TestContract(t *testing.T) {
	t.Parallel()
	h, _ := newAgent(t, &fake{})
	good := podToken(t, "app", nil)
	for name, c := range map[string]struct {
		method, host, path, token string
		status                    int
		want                      string
	}{
		"good":             {"GET", "169.254.170.23", "/v1/credentials", good, 200, `"AccountId":"111122223333"`},
		"with the port":    {"GET", "169.254.170.23:80", "/v1/credentials", good, 200, `"AccessKeyId":"ASIA","SecretAccessKey":"s","Token":`},
		"IPv6":             {"GET", "[fd00:ec2::23]", "/v1/credentials", good, 200, `"Expiration":"20`},
		"another host":     {"GET", "rebound.example", "/v1/credentials", good, 403, "Access Denied"},
		"another address":  {"GET", "127.0.0.1", "/v1/credentials", good, 403, "invalid address"},
		"another path":     {"GET", "169.254.170.23", "/latest/meta-data", good, 404, ""},
		"another method":   {"POST", "169.254.170.23", "/v1/credentials", good, 405, ""},
		"no token":         {"GET", "169.254.170.23", "/v1/credentials", "", 400, "empty"},
		"Bearer":           {"GET", "169.254.170.23", "/v1/credentials", "Bearer " + good, 400, "parsed"},
		"garbage":          {"GET", "169.254.170.23", "/v1/credentials", "a.b.c", 400, "parsed"},
		"too long":         {"GET", "169.254.170.23", "/v1/credentials", strings.Repeat("x", maxToken+1), 400, "longer"},
		"another audience": {"GET", "169.254.170.23", "/v1/credentials", podToken(t, "a", func(c jwt.MapClaims) { c["aud"] = "sts.amazonaws.com" }), 400, "audience"},
		"expired":          {"GET", "169.254.170.23", "/v1/credentials", podToken(t, "a", func(c jwt.MapClaims) { c["exp"] = 1 }), 400, "expired"},
		"no expiry":        {"GET", "169.254.170.23", "/v1/credentials", podToken(t, "a", func(c jwt.MapClaims) { delete(c, "exp") }), 400, "expiry"},
		"nobody":           {"GET", "169.254.170.23", "/v1/credentials", podToken(t, "a", func(c jwt.MapClaims) { delete(c, "sub") }), 400, "subject"},
	} {
		if w := ask(h, c.method, c.host, c.path, c.token); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d %q", name, w.Code, w.Body, c.status, c.want)
		}
	}
}

// TestRefusals are told to the pod as they came.
func TestRefusals(t *testing.T) {
	t.Parallel()
	f := &fake{}
	h, _ := newAgent(t, f)
	f.refusal.Store(&upstreamError{Status: 404, Code: "ResourceNotFoundException", Message: "No association"})
	w := get(h, podToken(t, "app", nil))
	if want := "[r1]: (ResourceNotFoundException): No association, fault: client\n"; w.Code != 404 || w.Body.String() != want {
		t.Errorf("%d %q, want %q", w.Code, w.Body, want)
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("a refusal that is final was asked for %d times", n)
	}
	f.refusal.Store(&upstreamError{Status: 503, Code: "ServiceUnavailableException", Message: "later"})
	if w := get(h, podToken(t, "app", nil)); w.Code != 503 || !strings.HasSuffix(w.Body.String(), "fault: server\n") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if n := f.asked.Load(); n != 1+attempts {
		t.Errorf("asked %d times in all, want %d", n, 1+attempts)
	}
}

// TestNodeKeyEndsEarly has EKS Auth refuse the node's own credentials, as when they are revoked: that costs no pod its credentials, and
// others are asked for.
func TestNodeKeyEndsEarly(t *testing.T) {
	t.Parallel()
	asked, keys := 0, 0
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if signed, err := sigv4.Parse(r, sigv4.Rules{}); err != nil || signed.AccessKeyID == "NODE1" && asked > 1 {
			w.Header().Set("X-Amzn-Errortype", "ExpiredTokenException")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"credentials":{"accessKeyId":"POD%d","expiration":%d}}`, asked, time.Now().Add(time.Hour).Unix())
	}))
	t.Cleanup(upstream.Close)
	auth := NewEKSAuth(upstream.URL, "prod", "eu-west-1", func(context.Context) (Key, error) {
		keys++
		return Key{sigv4.Key{AccessKeyID: fmt.Sprint("NODE", min(keys, 2)), SecretAccessKey: secret}, time.Now().Add(time.Hour)}, nil
	}, NewClient(nil))
	c := newCache(HandlerConfig{Assume: auth.Assume, Rotate: true, Log: slog.New(slog.DiscardHandler)})
	for i, want := range []string{"POD1", "POD3"} {
		if got, err := c.fetch(t.Context(), "token", forPod); err != nil || got.AccessKeyID != want || keys != i+1 {
			t.Errorf("got %q, %v, with key %d of the node, want %q with key %d", got.AccessKeyID, err, keys, want, i+1)
		}
	}
	c.assume = func(context.Context, string) (Credentials, error) {
		return Credentials{}, &upstreamError{Status: http.StatusForbidden, Code: "ExpiredTokenException"}
	}
	if _, err := c.fetch(t.Context(), "token", forPod); err == nil || c.size() != 1 {
		t.Errorf("%v, and %d tokens have credentials, want 1", err, c.size())
	}
}

// TestBurst is a thousand new pods at once, and an EKS Auth that is too busy for some, for longer than it would be asked had it failed: none
// sees an error.
func TestBurst(t *testing.T) {
	t.Parallel()
	f := &fake{}
	h, _ := newAgent(t, f)
	var pods sync.WaitGroup
	for i := range 1000 {
		token := podToken(t, fmt.Sprint("app", i), nil)
		if i%20 == 0 {
			more := &atomic.Int64{}
			more.Store(attempts + 2)
			f.busy.Store(token, more)
		}
		pods.Go(func() {
			if w := get(h, token); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), token) {
				t.Errorf("a pod got %d %s", w.Code, w.Body)
			}
		})
	}
	pods.Wait()
	if n := f.asked.Load(); n != 1000+50*(attempts+2) {
		t.Errorf("EKS Auth was asked %d times", n)
	}
}

// TestConnectionsAreKept is that a burst of pods is no burst of handshakes: there are as many connections as questions at once.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"credentials":{"accessKeyId":"POD","expiration":%d}}`, time.Now().Add(time.Hour).Unix())
	}))
	upstream.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	trust := x509.NewCertPool()
	trust.AddCert(upstream.Certificate())
	client := NewClient(&tls.Config{RootCAs: trust})
	client.Timeout = 20 * time.Second // this machine may be busy
	auth := NewEKSAuth(upstream.URL, "prod", "eu-west-1", func(context.Context) (Key, error) {
		return Key{sigv4.Key{AccessKeyID: "NODE", SecretAccessKey: secret}, time.Now().Add(time.Hour)}, nil
	}, client)
	var pods sync.WaitGroup
	for i := range 500 {
		pods.Go(func() {
			if _, err := auth.Assume(t.Context(), fmt.Sprint("token", i)); err != nil {
				t.Error(err)
			}
		})
	}
	pods.Wait()
	if n := opened.Load(); n > 2*inFlight { // one is opened in vain where another becomes free first
		t.Errorf("500 questions opened %d connections, want about %d", n, inFlight)
	}
}

// TestTogether is that many who ask with one token are one question.
func TestTogether(t *testing.T) {
	t.Parallel()
	f := &fake{}
	h, _ := newAgent(t, f)
	token := podToken(t, "app", nil)
	var pods sync.WaitGroup
	for range 100 {
		pods.Go(func() {
			if w := get(h, token); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	pods.Wait()
	if n := f.asked.Load(); n != 1 {
		t.Errorf("EKS Auth was asked %d times", n)
	}
}

// TestGarbage is that ten thousand requests of nonsense keep no pod from its credentials.
func TestGarbage(t *testing.T) {
	t.Parallel()
	f := &fake{}
	h, _ := newAgent(t, f)
	good := podToken(t, "app", nil)
	var flood sync.WaitGroup
	for g := range 4 {
		flood.Go(func() {
			for i := range 2500 {
				if w := get(h, fmt.Sprintf("%d.%d.nonsense", g, i)); w.Code != http.StatusBadRequest {
					t.Errorf("nonsense was answered %d", w.Code)
				}
			}
		})
	}
	for range 200 {
		if w := get(h, good); w.Code != http.StatusOK {
			t.Errorf("a good request was answered %d %s", w.Code, w.Body)
		}
	}
	flood.Wait()
	if n := f.asked.Load(); n != 1 {
		t.Errorf("EKS Auth was asked %d times", n)
	}
}

// TestForgedTokens is that ten thousand tokens that look like a pod's and are none, from one pod, keep no other pod from its credentials,
// nor EKS Auth busy; the pod that they come from gets its own that it has.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	f := &fake{}
	h, _ := newAgent(t, f)
	const forger, other = "10.0.0.1:1000", "10.0.0.2:1000"
	own := podToken(t, "own", nil)
	if w := askFrom(h, forger, own); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	var flood sync.WaitGroup
	for g := range 4 {
		flood.Go(func() {
			for i := range 2500 {
				if w := askFrom(h, forger, podToken(t, fmt.Sprintf("forged-%d-%d", g, i), nil)); w.Code != http.StatusBadRequest && w.Code != http.StatusTooManyRequests {
					t.Errorf("a forged token was answered %d %s", w.Code, w.Body)
				}
			}
		})
	}
	for i := range 100 {
		for from, token := range map[string]string{forger: own, other: podToken(t, fmt.Sprint("app-", i), nil)} {
			if w := askFrom(h, from, token); w.Code != http.StatusOK {
				t.Errorf("a good request was answered %d %s", w.Code, w.Body)
			}
		}
	}
	flood.Wait()
	if n := f.asked.Load(); n > 5000 { // 101 good ones, and 50 forged ones and five a second
		t.Errorf("EKS Auth was asked %d times", n)
	}
}

// TestLimit is that pods cannot ask without bound, and that those with credentials do not count with the others.
func TestLimit(t *testing.T) {
	t.Parallel()
	h, _ := newAgent(t, &fake{})
	h.known.SetLimit(0)
	h.unknown.SetLimit(0)
	first := podToken(t, "app", nil)
	for kind, next := range []func(i int) string{
		func(i int) string {
			if i == 0 {
				return first
			}
			return podToken(t, fmt.Sprint("app", i), nil)
		},
		func(int) string { return first },
	} {
		answers := map[int]int{}
		for i := range burst + 10 {
			answers[get(h, next(i)).Code]++
		}
		if answers[200] != burst || answers[429] != 10 {
			t.Errorf("answers of kind %d: %v", kind, answers)
		}
	}
}
