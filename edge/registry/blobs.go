package registry

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/imagestore"
)

func (q *request) getBlob() error {
	d, err := imagestore.ParseDigest(q.ref)
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Docker-Content-Digest", string(d))
	h.Set("Content-Type", "application/octet-stream")
	h.Set("ETag", strconv.Quote(string(d)))
	if q.cfg.Builtin.Has(q.name) {
		return q.builtinBlob(d)
	}
	if q.r.Method == http.MethodHead { // a client that looks whether it must upload this
		size, err := q.cfg.Images.Touch(d)
		if err != nil {
			return err
		}
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		h.Set("Accept-Ranges", "bytes")
		q.w.WriteHeader(http.StatusOK)
		return nil
	}
	f, _, err := q.cfg.Images.Blob(d)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	http.ServeContent(q.w, q.r, "", time.Time{}, f)
	return nil
}

func (q *request) beginUpload() error {
	query := q.r.URL.Query()
	if mount := query.Get("mount"); mount != "" {
		if done, err := q.mount(mount); done || err != nil {
			return err
		}
	}
	id, err := q.cfg.Images.Begin(q.name, q.account())
	if err != nil {
		return err
	}
	q.ref = id
	if query.Get("digest") != "" { // all in one request
		return q.finishUpload()
	}
	return q.uploading(http.StatusAccepted, 0)
}

// mount is done when the blob is here already, whichever repository it came to.
func (q *request) mount(digest string) (done bool, err error) {
	d, err := imagestore.ParseDigest(digest)
	if err != nil {
		return false, err
	}
	if _, err := q.cfg.Images.Touch(d); err != nil {
		if minato.Is(err, minato.NotFound) {
			return false, nil
		}
		return false, err
	}
	q.created("/v2/"+q.name+"/blobs/"+string(d), d)
	return true, nil
}

func (q *request) uploadStatus() error {
	if err := q.mayWrite(); err != nil {
		return err
	}
	size, err := q.cfg.Images.Uploaded(q.ref, q.name, q.account())
	if err != nil {
		return err
	}
	return q.uploading(http.StatusNoContent, size)
}

func (q *request) continueUpload() error {
	from, err := q.offset()
	if err != nil {
		return err
	}
	size, err := q.cfg.Images.Append(q.ref, q.name, q.account(), from, q.r.Body)
	if err != nil {
		if minato.Is(err, minato.WrongState) {
			q.w.Header().Set("Range", uploadRange(size))
			q.w.Header().Set("Location", q.uploadPath())
		}
		return err
	}
	return q.uploading(http.StatusAccepted, size)
}

func (q *request) finishUpload() error {
	d, err := imagestore.ParseDigest(q.r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	from, err := q.offset()
	if err != nil {
		return err
	}
	if _, err := q.cfg.Images.Append(q.ref, q.name, q.account(), from, q.r.Body); err != nil {
		return err
	}
	if err := q.cfg.Images.Finish(q.ref, q.name, q.account(), d); err != nil {
		return err
	}
	q.created("/v2/"+q.name+"/blobs/"+string(d), d)
	return nil
}

func (q *request) cancelUpload() error {
	if err := q.cfg.Images.Cancel(q.ref, q.name, q.account()); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// uploading tells a client where to go on.
func (q *request) uploading(status int, size int64) error {
	q.w.Header().Set("Location", q.uploadPath())
	q.w.Header().Set("Docker-Upload-Uuid", q.ref)
	q.w.Header().Set("Range", uploadRange(size))
	q.w.WriteHeader(status)
	return nil
}

func (q *request) uploadPath() string { return "/v2/" + q.name + "/blobs/uploads/" + q.ref }

// uploadRange is the offsets of the first and last byte; the protocol has no way to say "none".
func uploadRange(size int64) string { return "0-" + strconv.FormatInt(max(0, size-1), 10) }

// offset is where the content of a request begins, by its Content-Range ("0-1023"), -1 when it does not say.
func (q *request) offset() (int64, error) {
	header := q.r.Header.Get("Content-Range")
	if header == "" {
		return -1, nil
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(header, "bytes "), "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, minato.Errorf(minato.Invalid, "Content-Range %q: want FIRST-LAST", header).Because("BLOB_UPLOAD_INVALID")
	}
	return from, nil
}
