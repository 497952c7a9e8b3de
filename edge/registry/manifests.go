package registry

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/imagestore"
)

func (q *request) getManifest() error {
	m, err := q.manifest()
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", m.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(m.Body)))
	h.Set("Docker-Content-Digest", string(m.Digest))
	h.Set("ETag", strconv.Quote(string(m.Digest)))
	q.w.WriteHeader(http.StatusOK)
	if q.r.Method == http.MethodGet {
		_, err = q.w.Write(m.Body)
	}
	return err
}

func (q *request) manifest() (imagestore.Manifest, error) {
	if q.cfg.Builtin.Has(q.name) {
		return q.builtinManifest()
	}
	return q.cfg.Images.Manifest(q.name, q.ref)
}

func (q *request) putManifest() error {
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, imagestore.MaxManifest))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return minato.Errorf(minato.Invalid, "the manifest is larger than %d bytes", tooLarge.Limit).Because("MANIFEST_INVALID")
	}
	if err != nil {
		return err
	}
	tag := q.ref
	if strings.Contains(q.ref, ":") {
		d, err := imagestore.ParseDigest(q.ref)
		if err != nil {
			return err
		}
		if got := imagestore.DigestOf(body); got != d {
			return minato.Errorf(minato.Invalid, "the manifest has the digest %s, not %s", got, d).Because("DIGEST_INVALID")
		}
		tag = ""
	} else if err := imagestore.CheckTag(tag); err != nil {
		return err
	}
	d, err := q.cfg.Images.PutManifest(q.name, q.account(), tag, q.r.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	q.created("/v2/"+q.name+"/manifests/"+string(d), d)
	return nil
}

// created answers that something is there now.
func (q *request) created(location string, d imagestore.Digest) {
	q.w.Header().Set("Location", location)
	q.w.Header().Set("Docker-Content-Digest", string(d))
	q.w.WriteHeader(http.StatusCreated)
}

func (q *request) deleteManifest() error {
	if err := q.cfg.Images.Delete(q.name, q.account(), q.ref); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}
