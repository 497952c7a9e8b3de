package images_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"minato.dev/minato/kube"
	"minato.dev/minato/upstream"
	"minato.dev/minato/upstream/images"
)

// world is a folder of built programs; they are scripts as far as an image is concerned.
type world struct {
	*images.Library
	t   *testing.T
	dir string
}

func start(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.Library = images.New(images.Sources{
		Kube:       kube.Binaries(filepath.Join(w.dir, "kube")),
		Upstream:   upstream.Binaries(filepath.Join(w.dir, "upstream")),
		Executable: filepath.Join(w.dir, "minato"),
		Version:    "v0.0.1",
	})
	return w
}

func (w *world) build(path, content string) {
	w.t.Helper()
	path = filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path+".building", []byte(content), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".building", path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) image(name, tag string) v1.Image {
	w.t.Helper()
	img, err := w.Image(name, tag)
	if err != nil {
		w.t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range layers {
		want, _ := l.Digest()
		stream, err := l.Compressed()
		if err != nil {
			w.t.Fatal(err)
		}
		got, size, err := v1.SHA256(stream)
		if n, _ := l.Size(); err != nil || got != want || size != n {
			w.t.Errorf("layer %s of %d bytes is %s of %d (%v)", want, n, got, size, err)
		}
	}
	return img
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// contents are the files of an image by path; a link's is what it points to.
func contents(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	stream := mutate.Extract(img)
	defer func() { _ = stream.Close() }()
	all := map[string]string{}
	for archive := tar.NewReader(stream); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		all[header.Name] = string(b) + header.Linkname
	}
}

func TestEcho(t *testing.T) {
	w := start(t)
	w.build("echo", "the program")
	img := w.image("echo", "latest")
	files := contents(t, img)
	if files["bin/echo"] != "the program" || files["bin/ls"] != "echo" || !strings.Contains(files["etc/passwd"], "nonroot") {
		t.Errorf("files: %q", files)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Config.User != "65532:65532" || cfg.OS != "linux" || cfg.Config.Labels["org.opencontainers.image.version"] != "v0.0.1" {
		t.Errorf("config: %+v", cfg)
	}
}

// TestDigests are the same for the same programs wherever they were built, and others after a build.
func TestDigests(t *testing.T) {
	w, other := start(t), start(t)
	w.build("echo", "one")
	other.build("echo", "one")
	first := digest(t, w.image("echo", "latest"))
	if second := digest(t, other.image("echo", "latest")); second != first {
		t.Errorf("the same program gives %s and %s", first, second)
	}
	w.build("echo", "two")
	if digest(t, w.image("echo", "latest")) == first {
		t.Error("a new build is served as the old image")
	}
}

// TestSharedLayers has the program that two images share in one layer.
func TestSharedBase(t *testing.T) {
	w := start(t)
	w.build("echo", "one")
	w.build("upstream/pause/pause", "two")
	a, err := w.image("echo", "latest").Layers()
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.image("pause", "latest").Layers()
	if err != nil {
		t.Fatal(err)
	}
	if one, _ := a[0].Digest(); len(b) == 0 {
		t.Fatal("no layers")
	} else if two, _ := b[0].Digest(); one != two {
		t.Errorf("the base is %s and %s", one, two)
	}
}

func TestWhatIsMissing(t *testing.T) {
	w := start(t)
	for name, tag := range map[string]string{
		"echo": "latest", "pause": "latest", "eks/coredns": "v1.15.0", "eks/metrics-server": "v0.9.0", "eks/kube-proxy": "v1.35.4",
		"eks/vpc-cni": images.VPCCNIVersion, "eks/eks-pod-identity-agent": images.PodAgentVersion,
	} {
		_, err := w.Image(name, tag)
		if err == nil || !strings.Contains(err.Error(), "`make ") || errors.Is(err, images.ErrUnknown) {
			t.Errorf("%s:%s of nothing: %v, want the command that builds it", name, tag, err)
		}
		if !w.Has(name) || len(w.All(name)) != 0 || len(w.Tags(name)) != 0 {
			t.Errorf("%s: known %t, %d images, tags %v", name, w.Has(name), len(w.All(name)), w.Tags(name))
		}
	}
	for _, name := range []string{"echo:v2", "app:latest"} {
		repository, tag, _ := strings.Cut(name, ":")
		if _, err := w.Image(repository, tag); !errors.Is(err, images.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBuiltWithCgo: a program that needs this machine's C library would end in its container without a word.
func TestBuiltWithCgo(t *testing.T) {
	w := start(t)
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	w.build("echo", string(shell))
	if _, err := w.Image("echo", "latest"); err == nil || !strings.Contains(err.Error(), "echo was built with cgo") || !strings.Contains(err.Error(), "`make build`") {
		t.Errorf("an image of it: %v", err)
	}
}

// TestKubeProxy has nft with every library that it is linked with, taken from this machine.
func TestKubeProxy(t *testing.T) {
	w := start(t)
	w.build("kube/v1.35/kube", "kubernetes")
	files := contents(t, w.image("eks/kube-proxy", "v1.35.4"))
	if files["usr/local/bin/kube"] != "kubernetes" || files["usr/local/bin/kube-proxy"] != "kube" || files["usr/sbin/nft"] == "" {
		t.Error("a program is missing")
	}
	if !strings.Contains(files["etc/protocols"], "udp 17 UDP\n") {
		t.Error("nft would not know the protocols' names")
	}
	var libraries []string
	for path := range files {
		if strings.Contains(path, ".so") {
			libraries = append(libraries, filepath.Base(path))
		}
	}
	for _, want := range []string{"libnftables.so.1", "libc.so.6", "libmnl.so.0"} {
		if !strings.Contains(strings.Join(libraries, " "), want) {
			t.Errorf("no %s among %v", want, libraries)
		}
	}
}

// TestConformanceImages are those of one program that `make conformance` builds.
func TestConformanceImages(t *testing.T) {
	w := start(t)
	for name, want := range map[string]struct {
		tag, path string
		mode      int64
	}{
		"nonewprivs":       {"1.3", "usr/local/bin/nnp", 0o6755},
		"sample-apiserver": {"1.29.2", "sample-apiserver", 0o755},
	} {
		repository := "conformance/" + name
		if _, err := w.Image(repository, want.tag); err == nil || !strings.Contains(err.Error(), "`make conformance` builds it") {
			t.Errorf("%s, which is not built: %v", name, err)
		}
		w.build(repository, "the program")
		img := w.image(repository, want.tag)
		if files := contents(t, img); files[want.path] != "the program" {
			t.Errorf("%s has %q", name, files)
		}
		if mode := modeOf(t, img, want.path); mode != want.mode {
			t.Errorf("%s has mode %o, want %o", want.path, mode, want.mode)
		}
	}
}

func modeOf(t *testing.T, img v1.Image, path string) int64 {
	t.Helper()
	stream := mutate.Extract(img)
	defer func() { _ = stream.Close() }()
	for archive := tar.NewReader(stream); ; {
		header, err := archive.Next()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if header.Name == path {
			return header.Mode
		}
	}
}
