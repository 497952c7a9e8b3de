package join

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/ssm"
)

// server answers as Minato does: it registers one machine, and gives it credentials when the proof is its own.
type server struct {
	*httptest.Server
	registered int
	given      int
	ahead      string // of its clock; empty if nobody can move it
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ssm.RegisterPath, func(w http.ResponseWriter, r *http.Request) {
		var in ssm.Registration
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Code != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"message":"the code is wrong"}`))
			return
		}
		s.registered++
		_ = json.NewEncoder(w).Encode(ssm.Registered{
			InstanceID: "mi-1", Name: "box", Region: "us-east-1", TunnelPort: 4569,
			Cluster: ssm.Cluster{Name: in.Cluster, Version: "1.35", Endpoint: "https://10.0.0.1:9443", CA: []byte("ca"), ServiceCIDR: "10.100.0.0/16"},
		})
	})
	mux.HandleFunc("POST "+ssm.CredentialsPath, func(w http.ResponseWriter, _ *http.Request) {
		s.given++
		if s.ahead != "" {
			w.Header().Set(clock.AheadHeader, s.ahead)
		}
		_ = json.NewEncoder(w).Encode(ssm.Credentials{
			AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "token", Expires: time.Now().Add(ssm.SessionLength),
		})
	})
	s.Server = httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) request(dir, code string) Request {
	return Request{
		Dir: dir, Server: s.URL, CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
		ActivationID: "a", Code: code, Cluster: "prod", PodCIDR: netip.MustParsePrefix("10.9.1.0/24"),
	}
}

func TestRegisterOnce(t *testing.T) {
	s, dir := newServer(t), filepath.Join(t.TempDir(), "node")
	if _, err := Register(t.Context(), s.request(dir, "wrong")); err == nil || !strings.Contains(err.Error(), "the code is wrong") {
		t.Fatalf("the error is %v", err)
	}
	first, err := Register(t.Context(), s.request(dir, "right"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Address != netip.MustParseAddr("127.0.0.1") || first.Tunnel != "127.0.0.1:4569" || len(first.Key) == 0 {
		t.Errorf("the state is %+v", first)
	}
	again, err := Register(t.Context(), s.request(dir, "right"))
	if err != nil || s.registered != 1 || !again.Key.Equal(first.Key) {
		t.Errorf("it registers %d times: %v", s.registered, err)
	}
	info, err := os.Stat(filepath.Join(dir, stateFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
}

func TestToken(t *testing.T) {
	s, dir := newServer(t), t.TempDir()
	state, err := Register(t.Context(), s.request(dir, "right"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Token(dir, time.Now()); err == nil {
		t.Error("there is a token without credentials")
	}
	wait, err := state.renew(t.Context(), dir)
	if err != nil || wait < 5*time.Hour || wait > 7*time.Hour {
		t.Fatalf("renewed, and again in %s: %v", wait, err)
	}
	b, err := Token(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var credential struct{ Status struct{ Token string } }
	if err := json.Unmarshal(b, &credential); err != nil {
		t.Fatal(err)
	}
	url, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(credential.Status.Token, "k8s-aws-v1."))
	if err != nil || !strings.Contains(string(url), "ASIAEXAMPLE") {
		t.Errorf("the token is for %s, %v", url, err)
	}
}

func TestCredentialsFollowAClockThatCanBeMoved(t *testing.T) {
	s, dir := newServer(t), t.TempDir()
	state, err := Register(t.Context(), s.request(dir, "right"))
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		ahead string
		given int
		wait  time.Duration
	}{
		{"0", 1, followEvery},
		{"604800", 2, followEvery}, // it was moved, for all that the machine knows
		{"", 3, ssm.SessionLength / 2},
		{"", 3, ssm.SessionLength / 2},
	} {
		s.ahead = tt.ahead
		wait, err := state.renew(t.Context(), dir)
		if err != nil || s.given != tt.given || wait > tt.wait || wait < tt.wait-time.Minute {
			t.Errorf("look %d: given %d times, again in %s, %v; want %d, %s", i, s.given, wait, err, tt.given, tt.wait)
		}
	}
}

func TestConfiguration(t *testing.T) {
	s, dir := newServer(t), t.TempDir()
	state, err := Register(t.Context(), s.request(dir, "right"))
	if err != nil {
		t.Fatal(err)
	}
	l := layout(dir)
	if err := l.write(state, Programs{Minato: "/minato", Runc: "/runc", Plugins: "/cni"}, "http://127.0.0.1:5000"); err != nil {
		t.Fatal(err)
	}
	for name, texts := range map[string][]string{
		"kubelet.json":                    {`"eks-hybrid:///us-east-1/prod/box"`, `"10.100.0.10"`, `"serverTLSBootstrap": true`},
		"kubeconfig.json":                 {`"https://10.0.0.1:9443"`, `"/minato"`, `"token"`},
		"containerd.toml":                 {`BinaryName = "/runc"`, `bin_dirs = ["/cni"]`, `root = "` + dir + `/containerd"`},
		"net.d/10-minato.conflist":        {`"10.9.1.0/24"`, `"ptp"`},
		"certs.d/minato.local/hosts.toml": {"http://127.0.0.1:5000"},
	} {
		b, err := os.ReadFile(l.path(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(b), text) {
				t.Errorf("%s has no %s:\n%s", name, text, b)
			}
		}
	}
}
