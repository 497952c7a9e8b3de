package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// sdkImage is an image with e2e/sdkpod.
func sdkImage(t *testing.T) v1.Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sdkpod")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./sdkpod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l := newImageLayer(t)
	l.add("/sdkpod", binary)
	return l.image("/sdkpod")
}

// sdkJSImage is an image with e2e/sdkjs and this machine's Node.js, with the libraries that it is linked with.
func sdkJSImage(t *testing.T) v1.Image {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("sdkjs")); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v (Node.js 20 or later and npm are needed)\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	node := strings.TrimSpace(run("node", "--print", "process.execPath"))
	l := newImageLayer(t)
	l.add("/node", node)
	for _, library := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(run("ldd", node), -1) {
		l.add(library[1], library[1])
	}
	l.addTree("/app", dir)
	return l.image("/node", "/app/main.js")
}

// imageLayer is the only layer of an image that is being packed.
type imageLayer struct {
	*testing.T
	content bytes.Buffer
	tar     *tar.Writer
}

func newImageLayer(t *testing.T) *imageLayer {
	l := &imageLayer{T: t}
	l.tar = tar.NewWriter(&l.content)
	return l
}

// add adds a file of this machine.
func (l *imageLayer) add(name, file string) {
	l.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/"), Mode: 0o755, Size: int64(len(content))})
	}
	if err == nil {
		_, err = l.tar.Write(content)
	}
	if err != nil {
		l.Fatal(err)
	}
}

// addTree adds a folder, without what Node.js does not run: a package has its types and its sources as another kind of module, too.
func (l *imageLayer) addTree(name, dir string) {
	l.Helper()
	unused := []string{"dist-types", "dist-es"}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains(unused, e.Name()):
			return filepath.SkipDir
		case e.Type().IsRegular():
			l.add(name+strings.TrimPrefix(path, dir), path)
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
}

// image is the image, whose containers run a command. It is not compressed: that costs more than it saves on one machine.
func (l *imageLayer) image(command ...string) v1.Image {
	l.Helper()
	if err := l.tar.Close(); err != nil {
		l.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(l.content.Bytes())), nil },
		tarball.WithCompressionLevel(gzip.NoCompression))
	if err != nil {
		l.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Entrypoint: command, User: "65532:65532"})
	}
	if err != nil {
		l.Fatal(err)
	}
	return img
}
