package registry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"minato.dev/minato"
	"minato.dev/minato/engine/imagestore"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
	"minato.dev/minato/upstream"
	"minato.dev/minato/upstream/images"
)

// The clients of the tests: two accounts, and one user who may push to a single repository.
var (
	alice = &authn.Basic{Username: "AKIAALICE", Password: "alices/secret"}
	bob   = &authn.Basic{Username: "AKIABOB", Password: "bobs+secret"}
	guest = &authn.Basic{Username: "ASIAGUEST", Password: "guests/secret:the-token"}
)

var credentials = map[string]iam.Credential{
	"AKIAALICE":           {AccessKeyID: "AKIAALICE", Secret: "alices/secret", Principal: minato.Principal{Account: "111122223333"}},
	"AKIABOB":             {AccessKeyID: "AKIABOB", Secret: "bobs+secret", Principal: minato.Principal{Account: "444455556666"}},
	"ASIAGUEST/the-token": {AccessKeyID: "ASIAGUEST", Secret: "guests/secret", Principal: minato.Principal{Account: "111122223333"}},
}

// world is a registry with one built program in it, minato.local/echo.
type world struct {
	t      *testing.T
	server *httptest.Server
	host   string
	store  *imagestore.Store
}

func start(t *testing.T) *world {
	t.Helper()
	store, err := imagestore.Open(filepath.Join(t.TempDir(), "registry"))
	if err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	if err := os.WriteFile(filepath.Join(programs, "echo"), []byte("the program"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := New(Config{
		Region: "us-east-1",
		Images: store,
		Builtin: images.New(images.Sources{
			Kube: kube.Binaries(programs), Upstream: upstream.Binaries(programs), Executable: filepath.Join(programs, "minato"), Version: "v1",
		}),
		Credentials: func(_ context.Context, id, token string) (iam.Credential, error) {
			if token != "" {
				id += "/" + token
			}
			if c, ok := credentials[id]; ok {
				return c, nil
			}
			return iam.Credential{}, minato.Errorf(minato.Unauthenticated, "The security token included in the request is invalid.")
		},
		Authorize: func(_ context.Context, a iam.Access) error {
			if a.Credential.AccessKeyID == "ASIAGUEST" && a.Resource.String() != "arn:aws:ecr:us-east-1:111122223333:repository/guests/app" {
				return iam.Denied(a, policy.Decision{})
			}
			if a.Action != "ecr:PutImage" && a.Action != "ecr:BatchDeleteImage" {
				t.Errorf("asked about %s", a.Action)
			}
			return nil
		},
		Ready: func() error { return nil },
		Log:   slog.New(slog.DiscardHandler),
	})
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return &world{t: t, server: server, host: strings.TrimPrefix(server.URL, "http://"), store: store}
}

func (w *world) tag(repository, tag string) name.Tag {
	w.t.Helper()
	ref, err := name.NewTag(w.host+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

func as(who authn.Authenticator) remote.Option { return remote.WithAuth(who) }

// do sends one raw request and reads the answer.
func (w *world) do(who *authn.Basic, method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.server.URL + path
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if who != nil {
		req.SetBasicAuth(who.Username, who.Password)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.server.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(b)
}

// want sends one raw request and checks the status, and that the answer has a text in it.
func (w *world) want(status int, text string, who *authn.Basic, method, path, body string, headers ...string) *http.Response {
	w.t.Helper()
	resp, got := w.do(who, method, path, body, headers...)
	if resp.StatusCode != status || !strings.Contains(got, text) {
		w.t.Errorf("%s %s = %d %s, want %d and %q", method, path, resp.StatusCode, got, status, text)
	}
	return resp
}

func push(w *world, repository, tag string, img v1.Image) error {
	return remote.Write(w.tag(repository, tag), img, as(alice))
}
