package registry

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"minato.dev/minato"
	"minato.dev/minato/engine/imagestore"
)

// builtinManifest packs the image that is asked for by tag or digest.
func (q *request) builtinManifest() (m imagestore.Manifest, err error) {
	img, err := q.builtinImage()
	if err != nil {
		return m, err
	}
	mediaType, err := img.MediaType()
	if err != nil {
		return m, err
	}
	body, err := img.RawManifest()
	return imagestore.Manifest{MediaType: string(mediaType), Digest: imagestore.DigestOf(body), Body: body}, err
}

func (q *request) builtinImage() (v1.Image, error) {
	if !strings.Contains(q.ref, ":") {
		img, err := q.cfg.Builtin.Image(q.name, q.ref)
		if err != nil {
			return nil, minato.Errorf(minato.NotFound, "%w", err).Because("MANIFEST_UNKNOWN")
		}
		return img, nil
	}
	for _, img := range q.cfg.Builtin.All(q.name) {
		if d, err := img.Digest(); err == nil && d.String() == q.ref {
			return img, nil
		}
	}
	return nil, minato.Errorf(minato.NotFound, "repository %s has no manifest %s", q.name, q.ref).Because("MANIFEST_UNKNOWN")
}

// builtinBlob streams a config or a layer.
func (q *request) builtinBlob(d imagestore.Digest) error {
	size, open, err := q.findBuiltin(d)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	q.w.WriteHeader(http.StatusOK)
	if q.r.Method == http.MethodHead {
		return nil
	}
	content, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	_, err = io.CopyN(q.w, content, size)
	return err
}

func (q *request) findBuiltin(d imagestore.Digest) (size int64, open func() (io.ReadCloser, error), err error) {
	for _, img := range q.cfg.Builtin.All(q.name) {
		if config, err := img.RawConfigFile(); err == nil && imagestore.DigestOf(config) == d {
			return int64(len(config)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(config))), nil }, nil
		}
		layers, err := img.Layers()
		if err != nil {
			return 0, nil, err
		}
		for _, layer := range layers {
			if digest, err := layer.Digest(); err == nil && digest.String() == string(d) {
				size, err := layer.Size()
				return size, layer.Compressed, err
			}
		}
	}
	return 0, nil, minato.Errorf(minato.NotFound, "blob %s is not here", d).Because("BLOB_UNKNOWN")
}
