package awsauth_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/awsauth"
	"minato.dev/minato/internal/pki"
)

const id = "0123456789abcdef0123456789abcdef"

var alice = minato.Principal{Type: minato.IAMUser, Account: "111122223333", ID: "AIDAALICE", ARN: minato.NewARN("iam", "", "111122223333", "user/alice")}

func users(username string) map[string]string {
	return map[string]string{"mapUsers": "- {userarn: 'arn:aws:iam::111122223333:user/alice', username: " + username + "}"}
}

var malformed = map[string]string{"mapRoles": "- [", "mapUsers": users("from-malformed")["mapUsers"]}

// kube is a kube-apiserver with one ConfigMap and events.
type kube struct {
	mu      sync.Mutex
	data    map[string]string // nil: there is none
	version int
	moved   chan struct{}
	events  []string

	server *httptest.Server
	dir    string
}

func newKube(t *testing.T) *kube {
	t.Helper()
	k := &kube{moved: make(chan struct{}), dir: t.TempDir(), version: 1}
	ca, err := pki.NewAuthority("kubernetes", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := ca.Issue(pki.Request{CommonName: "kube-apiserver", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue(pki.Request{CommonName: "reader", Client: true, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for name, pem := range map[string][]byte{"ca.crt": ca.Pair.CertPEM, "reader.crt": client.CertPEM, "reader.key": client.KeyPEM} {
		if err := os.WriteFile(filepath.Join(k.dir, name), pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := serving.TLS()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/kube-system/configmaps", k.configMaps)
	mux.HandleFunc("POST /api/v1/namespaces/kube-system/events", k.event)
	k.server = httptest.NewUnstartedServer(mux)
	k.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	k.server.EnableHTTP2 = true
	k.server.StartTLS()
	t.Cleanup(k.server.Close)
	return k
}

func (k *kube) target() awsauth.Target {
	file := func(name string) string { return filepath.Join(k.dir, name) }
	return awsauth.Target{Addr: k.server.Listener.Addr().String(), CAFile: file("ca.crt"), CertFile: file("reader.crt"), KeyFile: file("reader.key")}
}

// set changes the ConfigMap.
func (k *kube) set(data map[string]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data, k.version = data, k.version+1
	close(k.moved)
	k.moved = make(chan struct{})
}

func (k *kube) now() (object map[string]any, version string, moved chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	version = fmt.Sprint(k.version)
	if k.data != nil {
		object = map[string]any{"metadata": map[string]any{"name": "aws-auth", "uid": "u", "resourceVersion": version}, "data": k.data}
	}
	return object, version, k.moved
}

func (k *kube) configMaps(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("fieldSelector") != "metadata.name=aws-auth" {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	object, version, _ := k.now()
	if r.URL.Query().Get("watch") == "" {
		items := []any{}
		if object != nil {
			items = append(items, object)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": version}, "items": items})
		return
	}
	seen := r.URL.Query().Get("resourceVersion")
	for r.Context().Err() == nil {
		object, version, moved := k.now()
		if version == seen {
			w.(http.Flusher).Flush()
			select {
			case <-moved:
			case <-r.Context().Done():
			}
			continue
		}
		seen = version
		event := map[string]any{"type": "MODIFIED", "object": object}
		if object == nil {
			event = map[string]any{"type": "DELETED", "object": map[string]any{}}
		}
		_ = json.NewEncoder(w).Encode(event)
	}
}

func (k *kube) event(_ http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	var event struct{ Type, Reason, Message string }
	_ = json.Unmarshal(b, &event)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, event.Type+" "+event.Reason+" "+event.Message)
}

func (k *kube) allEvents() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string{}, k.events...)
}

// following runs Follow with targets that can be changed.
type following struct {
	mu      sync.Mutex
	targets map[string]awsauth.Target
	changed chan struct{}
	auths   *access.AWSAuths
}

func follow(t *testing.T, target awsauth.Target) *following {
	t.Helper()
	f := &following{targets: map[string]awsauth.Target{id: target}, changed: make(chan struct{}), auths: access.NewAWSAuths()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- awsauth.Follow(ctx, awsauth.Config{
			Targets: func() map[string]awsauth.Target {
				f.mu.Lock()
				defer f.mu.Unlock()
				return f.targets
			},
			Changed: f.changed, AWSAuths: f.auths, Log: slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *following) set(targets map[string]awsauth.Target) {
	f.mu.Lock()
	f.targets = targets
	f.mu.Unlock()
	f.changed <- struct{}{}
}

// alice is her username by what has been read; "" for nobody, "?" as long as nothing has been read.
func (f *following) alice() string {
	in, ok := f.auths.Of(id)
	if !ok {
		return "?"
	}
	if in.AWSAuth == nil {
		return ""
	}
	row, _, _ := in.AWSAuth.Find(alice)
	return row.Username
}

// becomes waits until alice is called so.
func (f *following) becomes(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for f.alice() != want {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			t.Fatalf("alice is still %q, want %q", f.alice(), want)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	k := newKube(t)
	f := follow(t, k.target())
	f.becomes(t, "") // there is none
	k.set(users("one"))
	f.becomes(t, "one")
	k.set(users("two"))
	f.becomes(t, "two")
	k.set(nil)
	f.becomes(t, "")
	k.set(users("three"))
	f.becomes(t, "three")

	next := newKube(t) // the next generation, at another port
	next.set(users("four"))
	f.set(map[string]awsauth.Target{id: next.target()})
	f.becomes(t, "four")
	f.set(nil)
	f.becomes(t, "?")
}

func TestMalformedChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKube(t)
	k.set(users("good"))
	f := follow(t, k.target())
	f.becomes(t, "good")
	k.set(malformed)
	waitForEvents(t, k, 1)
	if got := f.alice(); got != "good" {
		t.Errorf("after a malformed one alice is %q, want what she was", got)
	}
	k.set(users("mended"))
	f.becomes(t, "mended")
	if event := k.allEvents()[0]; !strings.HasPrefix(event, "Warning MalformedAWSAuth aws-auth is malformed, so what it said before goes on: mapRoles is not a list") {
		t.Errorf("the event says %q", event)
	}
}

func TestMalformedFromTheStart(t *testing.T) {
	t.Parallel()
	k := newKube(t)
	k.set(malformed)
	f := follow(t, k.target())
	f.becomes(t, "from-malformed")
	waitForEvents(t, k, 1)
}

func TestServerIsAway(t *testing.T) {
	t.Parallel()
	k := newKube(t)
	k.set(users("one"))
	f := follow(t, k.target())
	f.becomes(t, "one")
	k.server.CloseClientConnections()
	k.set(users("two"))
	f.becomes(t, "two")
}

func waitForEvents(t *testing.T, k *kube, n int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for len(k.allEvents()) < n {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%d events, want %d", len(k.allEvents()), n)
		}
	}
}
