package images

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is an uncompressed layer that is written anew for each reader. It is a v1.Layer.
type layer struct {
	files []file
	hash  v1.Hash
	size  int64
}

// newLayer reads all files once to know the digest.
func newLayer(files []file) (*layer, error) {
	l := &layer{files: files}
	sum := sha256.New()
	n := &counter{w: sum}
	if err := l.write(n); err != nil {
		return nil, err
	}
	l.hash, l.size = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, n.n
	return l, nil
}

func (l *layer) write(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, f := range l.files {
		if err := f.write(archive); err != nil {
			return fmt.Errorf("packing %s: %w", f.path, err)
		}
	}
	return archive.Close()
}

func (l *layer) Digest() (v1.Hash, error)            { return l.hash, nil }
func (l *layer) DiffID() (v1.Hash, error)            { return l.hash, nil }
func (l *layer) Size() (int64, error)                { return l.size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }
func (l *layer) Compressed() (io.ReadCloser, error)  { return l.Uncompressed() }
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(l.write(w)) }()
	return r, nil
}

// counter counts what is written through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// layers keeps the layers that were made, because finding a digest means to read all files. A layer is made again when one of its
// files is not the one that was read: a build puts a new file in the old one's place.
type layers struct {
	mu   sync.Mutex
	made map[string]*layer
}

func (ls *layers) get(files []file) (*layer, error) {
	key, err := fingerprint(files)
	if err != nil {
		return nil, err
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.made[key]; l != nil {
		return l, nil
	}
	l, err := newLayer(files)
	if err != nil {
		return nil, err
	}
	if ls.made == nil {
		ls.made = map[string]*layer{}
	}
	ls.made[key] = l
	return l, nil
}

// fingerprint tells files apart without reading them.
func fingerprint(files []file) (string, error) {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%q %o %q %q %q\n", f.path, f.mode, f.source, f.content, f.link)
		if f.source == "" {
			continue
		}
		info, err := os.Stat(f.source)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%d %d\n", info.Size(), info.ModTime().UnixNano())
	}
	return b.String(), nil
}
