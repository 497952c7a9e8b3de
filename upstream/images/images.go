package images

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ErrUnknown is a name or tag that no image has.
var ErrUnknown = errors.New("no such image")

// Registry is the name that nodes know our registry by.
const Registry = "minato.local"

// Library are the images that can be packed out of the programs in a folder. It is safe for concurrent use, and packs anew what
// was built meanwhile.
type Library struct {
	sources Sources
	layers  layers
}

// New is the library of some programs.
func New(sources Sources) *Library { return &Library{sources: sources} }

// Names are the repositories of all images, in order.
func (l *Library) Names() []string { return slices.Sorted(maps.Keys(l.sources.recipes())) }

// Has is whether a repository is one of ours, whose images nobody else may write.
func (l *Library) Has(name string) bool {
	_, ok := l.sources.recipes()[name]
	return ok
}

// Tags are those of a repository whose images can be packed, oldest first.
func (l *Library) Tags(name string) []string {
	var tags []string
	for _, r := range l.sources.recipes()[name] {
		if r.missing == nil {
			tags = append(tags, r.tags...)
		}
	}
	return tags
}

// Image packs the image with a tag. The error is ErrUnknown, or says what is not built and the command that builds it.
func (l *Library) Image(name, tag string) (v1.Image, error) {
	for _, r := range l.sources.recipes()[name] {
		if slices.Contains(r.tags, tag) {
			return l.pack(name, r)
		}
	}
	return nil, fmt.Errorf("%w: %s:%s", ErrUnknown, name, tag)
}

// All packs every image of a repository that can be packed.
func (l *Library) All(name string) []v1.Image {
	var all []v1.Image
	for _, r := range l.sources.recipes()[name] {
		if img, err := l.pack(name, r); err == nil {
			all = append(all, img)
		}
	}
	return all
}

func (l *Library) pack(name string, r recipe) (v1.Image, error) {
	if r.missing != nil {
		return nil, fmt.Errorf("%s/%s:%s cannot be packed: %w", Registry, name, r.tags[0], r.missing)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	parts, err := r.layers()
	if err != nil {
		return nil, err
	}
	for _, files := range append([][]file{base()}, parts...) {
		layer, err := l.layers.get(files)
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return nil, err
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", architecture
	cfg.Created = v1.Time{Time: epoch}
	cfg.Config = r.config
	cfg.Config.Labels = map[string]string{
		"org.opencontainers.image.title":   name,
		"org.opencontainers.image.version": r.version,
		"org.opencontainers.image.source":  r.source,
	}
	return mutate.ConfigFile(img, cfg)
}

// caBundle is where Debian keeps the authorities that the world trusts.
const caBundle = "/etc/ssl/certs/ca-certificates.crt"

// The users and groups that all images know.
const (
	basePasswd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
	baseGroup  = "root:x:0:\nnonroot:x:65532:\n"
)

// base is what all images have.
func base() []file {
	files := []file{
		folder("etc", 0o755),
		text("etc/passwd", basePasswd),
		text("etc/group", baseGroup),
		folder("tmp", 0o1777),
	}
	if _, err := os.Stat(caBundle); err == nil {
		bundle := file{path: caBundle[1:], mode: 0o644, source: caBundle}
		files = append(files, folder("etc/ssl", 0o755), folder(filepath.Dir(bundle.path), 0o755), bundle)
	}
	return files
}
