package imageroot

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/home"
)

func write(t *testing.T, content string, names ...string) {
	t.Helper()
	path := filepath.Join(names...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, names ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(names...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fakeRoot is a root with one blob and one layer.
func fakeRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, "a manifest", root, blobs, "sha256", "abc")
	write(t, "a program", root, snapshots, "1", "fs", "bin", "echo")
	write(t, "snapshots", root, overlayDB)
	write(t, "images", root, metadata)
	return root
}

func TestSeedLinksWhatIsPrepared(t *testing.T) {
	t.Parallel()
	prepared, root := fakeRoot(t), t.TempDir()
	write(t, "half", root, metadata+".new") // of a node that was killed
	for range 2 {
		if err := Seed(prepared, prepared, root); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		blobs + "/sha256/abc": "a manifest", snapshots + "/1/fs/bin/echo": "a program", overlayDB: "snapshots", metadata: "images",
	} {
		if got := read(t, root, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if err := os.RemoveAll(filepath.Join(root, snapshots, "1")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, prepared, snapshots, "1", "fs", "bin", "echo"); got != "a program" {
		t.Errorf("a node that removes a layer changed the shared one to %q", got)
	}
}

func TestSeedLeavesARootThatIsInUse(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, "its own", root, metadata)
	if err := Seed(fakeRoot(t), "/nowhere", root); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 || read(t, root, metadata) != "its own" {
		t.Errorf("the root has %v, %v", entries, err)
	}
}

func TestKeyFollowsTheImages(t *testing.T) {
	t.Parallel()
	digest := "sha256:1"
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/eks/coredns/manifests/v1" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Docker-Content-Digest", digest)
	}))
	t.Cleanup(registry.Close)
	program := filepath.Join(t.TempDir(), "containerd")
	write(t, "", program)
	key := func(images ...string) (string, error) {
		return Source{Registry: registry.URL, Host: "minato.local", Images: images}.key(t.Context(), program)
	}
	one, err := key("eks/coredns:v1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := key("eks/coredns:v1"); err != nil || again != one {
		t.Errorf("the key was %s and is %s, %v", one, again, err)
	}
	digest = "sha256:2"
	if two, err := key("eks/coredns:v1"); err != nil || two == one {
		t.Errorf("the key of another image is the same: %s, %v", two, err)
	}
	if _, err := key("nothing:v1"); err == nil || !strings.Contains(err.Error(), "no image nothing:v1") {
		t.Errorf("an image that there is not: %v", err)
	}
	if _, err := key("untagged"); err == nil {
		t.Error("an image without a tag has a key")
	}
}

func TestRemoveUnused(t *testing.T) {
	t.Parallel()
	h, err := home.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old", "used", "current", "torn.new"} {
		write(t, "", h.Path(folder, name, metadata))
	}
	write(t, "", h.Path(folder, "lock"))
	write(t, h.Path(folder, "used"), h.Path("nodes", "i-1", "images"))
	if err := removeUnused(h, h.Path("nodes", "*", "images"), h.Path(folder, "current")); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(h.Path(folder))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != "current lock used" {
		t.Errorf("left are %s", got)
	}
}
