package registry

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sync/errgroup"
)

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(64<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPushAndPull(t *testing.T) {
	t.Parallel()
	w := start(t)
	img, ref := randomImage(t), w.tag("team/app", "v1")
	if err := remote.Write(ref, img, as(alice)); err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(ref) // anonymous
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	want, _ := img.Digest()
	if d, err := got.Digest(); err != nil || d != want {
		t.Errorf("pulled %v (%v), pushed %v", d, err, want)
	}
	if tags, err := remote.List(ref.Repository); err != nil || !slices.Equal(tags, []string{"v1"}) {
		t.Errorf("tags %v, %v", tags, err)
	}
	catalog, err := remote.Catalog(t.Context(), ref.Registry)
	if err != nil || !slices.Contains(catalog, "team/app") || !slices.Contains(catalog, "echo") || !slices.Contains(catalog, "eks/coredns") {
		t.Errorf("catalog %v, %v", catalog, err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	w := start(t)
	idx, err := random.Index(1024, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	ref := w.tag("app", "multi")
	if err := remote.WriteIndex(ref, idx, as(alice)); err != nil {
		t.Fatal(err)
	}
	got, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil {
		t.Error(err)
	}
}

// TestCrane copies, tags and deletes as its command does.
func TestCrane(t *testing.T) {
	t.Parallel()
	w := start(t)
	auth := crane.WithAuth(alice)
	if err := crane.Push(randomImage(t), w.host+"/app:v1", auth, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	if err := crane.Tag(w.host+"/app:v1", "v2", auth, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	if err := crane.Copy(w.host+"/app:v2", w.host+"/other:v3", auth, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	digest, err := crane.Digest(w.host+"/other:v3", crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Delete(w.host+"/app:v1", auth, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	w.want(404, "MANIFEST_UNKNOWN", nil, "GET", "/v2/app/manifests/v1", "")
	w.want(200, "", nil, "GET", "/v2/app/manifests/v2", "")
	if err := crane.Delete(w.host+"/app@"+digest, auth, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	w.want(404, "MANIFEST_UNKNOWN", nil, "GET", "/v2/app/manifests/v2", "")
	w.want(200, "", nil, "GET", "/v2/other/manifests/v3", "")
}

func TestConcurrentPushes(t *testing.T) {
	t.Parallel()
	w := start(t)
	img := randomImage(t)
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error { return remote.Write(w.tag("app", fmt.Sprint("v", i%4)), img, as(alice)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if tags, err := remote.List(w.tag("app", "v0").Repository); err != nil || len(tags) != 4 {
		t.Errorf("tags %v, %v", tags, err)
	}
}

// TestBuiltin pulls an image that nobody pushed, and nobody can replace.
func TestBuiltin(t *testing.T) {
	t.Parallel()
	w := start(t)
	ref := w.tag("echo", "latest")
	desc, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref.Digest(desc.Digest.String())) // by digest, as containerd does
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Copy(ref.String(), w.host+"/copy:v1", crane.WithAuth(alice), crane.Insecure); err != nil {
		t.Error(err)
	}
	if cfg, err := img.ConfigFile(); err != nil || cfg.Config.Entrypoint[0] != "/bin/echo" {
		t.Errorf("config %+v, %v", cfg, err)
	}
	if err := remote.Write(ref, randomImage(t), as(alice)); err == nil || !strings.Contains(err.Error(), "DENIED") {
		t.Errorf("pushing over a built-in image: %v", err)
	}
	w.want(403, "read-only", alice, "DELETE", "/v2/echo/manifests/latest", "")
	w.want(404, "MANIFEST_UNKNOWN", nil, "GET", "/v2/echo/manifests/v9", "")
	w.want(404, "make upstream-coredns", nil, "GET", "/v2/eks/coredns/manifests/v1.15.0", "")
	w.want(404, "BLOB_UNKNOWN", nil, "GET", "/v2/echo/blobs/sha256:"+strings.Repeat("0", 64), "")
}

func TestWhoMayPush(t *testing.T) {
	t.Parallel()
	w := start(t)
	img := randomImage(t)
	if err := remote.Write(w.tag("app", "v1"), img, as(alice)); err != nil {
		t.Fatal(err)
	}
	for who, c := range map[string]struct {
		auth authn.Authenticator
		repo string
		want string
	}{
		"nobody":                 {authn.Anonymous, "app", "UNAUTHORIZED"},
		"a wrong secret":         {&authn.Basic{Username: "AKIAALICE", Password: "guess"}, "app", "401 Unauthorized"},
		"an unknown key":         {&authn.Basic{Username: "AKIANOBODY", Password: "guess"}, "app", "401 Unauthorized"},
		"a key without a token":  {&authn.Basic{Username: "ASIAGUEST", Password: "guests/secret"}, "guests/app", "401 Unauthorized"},
		"another account":        {bob, "app", "belongs to another account"},
		"one whom policies deny": {guest, "app", "not authorized to perform: ecr:PutImage"},
		"one whom policies let":  {guest, "guests/app", ""},
		"another, elsewhere":     {bob, "bobs", ""},
	} {
		err := remote.Write(w.tag(c.repo, "v2"), img, as(c.auth))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", who, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", who, err, c.want)
		}
	}
	w.want(401, "UNAUTHORIZED", &authn.Basic{Username: "AKIAALICE", Password: "guess"}, "GET", "/v2/app/manifests/v1", "")
	w.want(200, "", alice, "GET", "/v2/", "")
	resp := w.want(401, "UNAUTHORIZED", nil, "GET", "/v2/", "")
	if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("WWW-Authenticate: %q", got)
	}
	w.want(401, "UNAUTHORIZED", nil, "GET", "/v2/app/manifests/v1", "", "Authorization", "Bearer abc")
	w.want(http.StatusForbidden, "another account", bob, "DELETE", "/v2/app/manifests/v1", "")
}
