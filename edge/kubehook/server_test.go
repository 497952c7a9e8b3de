package kubehook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/pki"
)

const cluster = "0123456789abcdef0123456789abcdef"

// world is a running server with the certificates around it.
type world struct {
	t       testing.TB
	ca      *pki.Authority
	addr    string
	log     *lockedBuffer
	ready   atomic.Pointer[error]
	applied store.Revision
	stop    func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// inForce is the aws-auth of the only cluster.
var inForce = access.InForce{
	AWSAuth:   &access.AWSAuth{Roles: map[string]access.AWSAuthRow{"arn": {RoleARN: "ARN", Username: "ops", Groups: []string{"sre"}}}, Accounts: []string{"1"}},
	Malformed: "row 3", Kept: true,
}

type authenticate func(ctx context.Context, clusterID, token string) (access.User, error)

// noOpinion has none on anything.
func noOpinion(string, access.Question) access.Verdict { return access.Verdict{} }

func start(t testing.TB, decide authenticate) *world {
	t.Helper()
	return startBoth(t, decide, noOpinion)
}

func startBoth(t testing.TB, decide authenticate, authorize func(string, access.Question) access.Verdict) *world {
	t.Helper()
	ca, err := pki.NewAuthority("tenant CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ca: ca, log: &lockedBuffer{}, applied: 10}
	server := w.pair(ca, pki.Request{CommonName: "minato-hook", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true})
	s := New(Config{
		Certificate:  func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &server, nil },
		ClientCAs:    ca.Pool(),
		Root:         "root",
		Authenticate: decide,
		Authorize:    authorize,
		Ready: func() error {
			if err := w.ready.Load(); err != nil {
				return *err
			}
			return nil
		},
		WaitFor: func(ctx context.Context, rev store.Revision) error {
			if rev <= w.applied {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		},
		AWSAuth: func(id string) (access.InForce, bool) { return inForce, id == cluster },
		Log:     slog.New(slog.NewTextHandler(w.log, nil)),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx, l) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve = %v", err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *world) pair(ca *pki.Authority, r pki.Request) tls.Certificate {
	w.t.Helper()
	r.Validity = time.Hour
	pair, err := ca.Issue(r)
	if err != nil {
		w.t.Fatal(err)
	}
	certificate, err := pair.TLS()
	if err != nil {
		w.t.Fatal(err)
	}
	return certificate
}

// client connects as kube-apiserver does, with a certificate for the common name given (none if empty).
func (w *world) client(ca *pki.Authority, commonName string) *http.Client {
	w.t.Helper()
	config := &tls.Config{RootCAs: w.ca.Pool()}
	if commonName != "" {
		own := w.pair(ca, pki.Request{CommonName: commonName, Client: true})
		// Shown whether or not the server names its authority among those it would accept.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, Timeout: 30 * time.Second}
	w.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (w *world) apiserver() *http.Client { return w.client(w.ca, "k8s-"+cluster) }

func (w *world) do(c *http.Client, method, path, body string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, "https://"+w.addr+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(b)
}

const path = "/clusters/" + cluster + "/authenticate"

func review(token string) string {
	b, err := json.Marshal(map[string]any{
		"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": map[string]any{"creationTimestamp": nil},
		"spec": map[string]any{"token": token, "audiences": []string{"https://kubernetes.default.svc"}},
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// letIn lets everybody in as "alice".
func letIn(context.Context, string, string) (access.User, error) {
	return access.User{Username: "alice", UID: "1", Groups: []string{"team"}, Extra: map[string][]string{"arn": {"a"}}}, nil
}

func TestOnlyTheClustersOwnCertificateMayAsk(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ context.Context, id, _ string) (access.User, error) {
		if id != cluster {
			t.Errorf("asked about cluster %q", id)
		}
		return letIn(t.Context(), "", "")
	})
	for name, want := range map[string]int{
		"k8s-" + cluster:                  http.StatusOK,
		"k8s-ffffffffffffffffffffffff":    http.StatusForbidden,
		cluster:                           http.StatusForbidden,
		"k8s-":                            http.StatusForbidden,
		"root":                            http.StatusForbidden,
		"":                                http.StatusForbidden,
		"k8s-" + strings.ToUpper(cluster): http.StatusForbidden,
	} {
		if resp, body := w.do(w.client(w.ca, name), "POST", path, review("t")); resp.StatusCode != want {
			t.Errorf("%q: %d %s, want %d", name, resp.StatusCode, body, want)
		}
	}
	stranger, err := pki.NewAuthority("somebody else", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client(stranger, "k8s-"+cluster).Post("https://"+w.addr+path, "application/json", strings.NewReader(review("t")))
	if err == nil {
		resp.Body.Close()
		t.Errorf("a certificate of another authority got %d", resp.StatusCode)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := start(t, letIn)
	c := w.apiserver()
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"no body", "POST", path, "", 400},
		{"not JSON", "POST", path, "token=1", 400},
		{"another kind", "POST", path, `{"apiVersion":"authentication.k8s.io/v1","kind":"SubjectAccessReview"}`, 400},
		{"another version", "POST", path, `{"apiVersion":"authentication.k8s.io/v2","kind":"TokenReview"}`, 400},
		{"token is no string", "POST", path, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":1}}`, 400},
		{"too large", "POST", path, review(strings.Repeat("x", maxTokenReview)), 413},
		{"GET", "GET", path, "", 405},
		{"unknown path", "POST", "/clusters/" + cluster + "/nothing", "", 404},
		{"no cluster", "POST", "/clusters//authenticate", "", 404},
	} {
		resp, body := w.do(c, tt.method, tt.path, tt.body)
		if tt.name == "no cluster" && resp.StatusCode < 300 || tt.name != "no cluster" && resp.StatusCode != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, resp.StatusCode, body, tt.want)
		}
	}
	// Of unknown length: the bound holds too.
	r, err := http.NewRequest("POST", "https://"+w.addr+path, io.MultiReader(strings.NewReader(strings.Repeat(" ", maxTokenReview+1))))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large, of unknown length: %d", resp.StatusCode)
	}
}

func TestNotReadyAsksToComeBack(t *testing.T) {
	t.Parallel()
	w := start(t, letIn)
	missing := errors.New("the records of clusters have not been read yet")
	w.ready.Store(&missing)
	nobody := w.client(w.ca, "")
	resp, _ := w.do(w.apiserver(), "POST", path, review("t"))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("review before ready: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, body := w.do(nobody, "GET", "/readyz", ""); resp.StatusCode != 503 || !strings.Contains(body, "have not been read") {
		t.Errorf("readyz = %d %s", resp.StatusCode, body)
	}
	if resp, _ := w.do(nobody, "GET", "/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("healthz = %d", resp.StatusCode)
	}
	w.ready.Store(nil)
	if resp, _ := w.do(nobody, "GET", "/readyz", ""); resp.StatusCode != 200 {
		t.Errorf("readyz = %d", resp.StatusCode)
	}
	if resp, _ := w.do(w.apiserver(), "POST", path, review("t")); resp.StatusCode != 200 {
		t.Errorf("review = %d", resp.StatusCode)
	}
}

func TestAppliedIsForRoot(t *testing.T) {
	t.Parallel()
	w := start(t, letIn)
	root := w.client(w.ca, "root")
	for rev, want := range map[string]int{"0": 200, "10": 200, "x": 400, "-1": 400, "": 400} {
		if resp, body := w.do(root, "GET", "/applied?revision="+rev, ""); resp.StatusCode != want {
			t.Errorf("revision %q: %d %s, want %d", rev, resp.StatusCode, body, want)
		}
	}
	for _, c := range []*http.Client{w.apiserver(), w.client(w.ca, "")} {
		if resp, _ := w.do(c, "GET", "/applied?revision=1", ""); resp.StatusCode != http.StatusForbidden {
			t.Errorf("applied for somebody else: %d", resp.StatusCode)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "https://"+w.addr+"/applied?revision=11", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := root.Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("a revision to come is said to be applied: %d", resp.StatusCode)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ context.Context, _, token string) (access.User, error) {
		if token == "bad" {
			return access.User{}, minato.Errorf(minato.Unauthenticated, "no").Because(access.MalformedToken)
		}
		return letIn(t.Context(), "", "")
	})
	c := w.apiserver()
	for _, token := range []string{"good", "bad", "bad"} {
		w.do(c, "POST", path, review(token))
	}
	_, body := w.do(w.client(w.ca, ""), "GET", "/metrics", "")
	for _, want := range []string{
		`minato_hook_authentications_total{reason="",result="accepted"} 1`,
		`minato_hook_authentications_total{reason="MalformedToken",result="rejected"} 2`,
		`minato_hook_review_duration_seconds_count{review="authenticate"} 3`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, cluster) {
		t.Error("metrics name a cluster")
	}
}

// TestStopFinishesWhatItBegan stops the server in the middle of a review.
func TestStopFinishesWhatItBegan(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	w := start(t, func(context.Context, string, string) (access.User, error) {
		close(begun)
		<-finish
		return letIn(t.Context(), "", "")
	})
	c, status := w.apiserver(), make(chan string, 1)
	go func() {
		resp, err := c.Post("https://"+w.addr+path, "application/json", strings.NewReader(review("t")))
		if err != nil {
			status <- err.Error()
			return
		}
		resp.Body.Close()
		status <- resp.Status
	}()
	<-begun
	stopped := make(chan struct{})
	go func() { w.stop(); close(stopped) }()
	for {
		l, err := net.Listen("tcp", w.addr) // free once the server has begun to stop
		if err == nil {
			l.Close()
			break
		}
	}
	close(finish)
	if got := <-status; got != "200 OK" {
		t.Errorf("the review in flight got %q", got)
	}
	<-stopped
}

func TestTakenAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := New(Config{Addr: l.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprint(l.Addr())) {
		t.Errorf("Run = %v, want an error that names the address", err)
	}
}
