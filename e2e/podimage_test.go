package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
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

	"minato.dev/minato/internal/testenv"
)

// sdkImages are images with e2e/sdkpod, with e2e/sdkjs, and with e2e/sdkpod and the AWS CLI, if this machine has one that can be packed.
func sdkImages(t *testing.T) map[string]v1.Image {
	t.Helper()
	sdkPod := buildSDKPod(t)
	l := newImageLayer(t)
	l.add("/sdkpod", sdkPod)
	images := map[string]v1.Image{"sdkpod": l.image("/sdkpod"), "sdkjs": sdkJSImage(t)}
	if img := awsImage(t, sdkPod); img != nil {
		images["awscli"] = img
	}
	return images
}

// buildSDKPod builds e2e/sdkpod.
func buildSDKPod(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sdkpod")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./sdkpod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// awsImage is an image with this machine's AWS CLI, under the paths that it has here, and e2e/sdkpod, which has a container stay. It is
// nil, and the test says why, where there is no AWS CLI or nobody knows what it is made of.
func awsImage(t *testing.T, sdkPod string) v1.Image {
	t.Helper()
	program, files, err := testenv.AWSFiles("s3", "sts")
	if err != nil {
		t.Logf("the AWS CLI is not run in pods: %v", err)
		return nil
	}
	l := newImageLayer(t)
	l.add("/sdkpod", sdkPod)
	l.addOther(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/aws", Linkname: program})
	l.addOther(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	for _, file := range files {
		l.add(file, file)
	}
	l.env = []string{"PATH=/bin", "HOME=/tmp"} // where it keeps the credentials of roles
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
	env     []string // of the image
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
	info, statErr := os.Stat(file)
	if err = errors.Join(err, statErr); err == nil {
		err = l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/"), Mode: 0o755, Size: int64(len(content)), ModTime: info.ModTime()})
	}
	if err == nil {
		_, err = l.tar.Write(content)
	}
	if err != nil {
		l.Fatal(err)
	}
}

// addOther adds what is no file of this machine.
func (l *imageLayer) addOther(header *tar.Header) {
	l.Helper()
	if err := l.tar.WriteHeader(header); err != nil {
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
		img, err = mutate.Config(img, v1.Config{Entrypoint: command, Env: l.env, User: "65532:65532"})
	}
	if err != nil {
		l.Fatal(err)
	}
	return img
}
