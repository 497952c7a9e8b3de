package registry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/imagestore"
	"minato.dev/minato/service/iam"
)

// request is one under way.
type request struct {
	*Server
	w    http.ResponseWriter
	r    *http.Request
	name string         // of the repository
	what string         // "manifests", "blobs", "uploads" or "tags"
	ref  string         // what follows it in the path: a tag, a digest, an upload's id
	who  iam.Credential // zero for a client that gave none
}

// ctx is the request's.
func (q *request) ctx() context.Context { return q.r.Context() }

// account is whose client this is.
func (q *request) account() string { return q.who.Principal.Account }

// serve answers one request and tells of it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	answer := &recorder{ResponseWriter: w, control: http.NewResponseController(w)}
	q := &request{Server: s, w: answer, r: r}
	r.Body = &patient{ReadCloser: r.Body, control: answer.control}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	err := q.authenticate()
	if err == nil {
		err = q.route()
	}
	cut := false
	if err != nil {
		cut = answer.status != 0
		q.fail(err)
	}
	level := slog.LevelInfo
	if answer.status >= 500 {
		level = slog.LevelError
	}
	s.cfg.Log.LogAttrs(r.Context(), level, "request", slog.String("method", r.Method), slog.String("repository", q.name),
		slog.String("resource", q.what), slog.String("reference", q.ref), slog.String("principal", q.who.Principal.ARN.String()),
		slog.Int("status", answer.status), slog.Int64("bytes", answer.bytes), slog.Duration("latency", time.Since(begun)), errorAttr(err))
	if cut {
		panic(http.ErrAbortHandler) // ends the connection, so that the client sees that it did not get all
	}
}

func errorAttr(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	if cause := errors.Unwrap(err); cause != nil {
		return slog.String("error", err.Error()+": "+cause.Error())
	}
	return slog.String("error", err.Error())
}

// route finds what is asked for. The names of repositories have slashes in them, so the path is read from its end.
func (q *request) route() error {
	rest := strings.TrimPrefix(q.r.URL.Path, "/v2/")
	switch rest {
	case "":
		return q.ping()
	case "_catalog":
		return q.catalog()
	}
	if !q.parse(rest) {
		return minato.Errorf(minato.NotFound, "there is nothing at %s", q.r.URL.Path).Because("NAME_UNKNOWN")
	}
	if err := imagestore.CheckName(q.name); err != nil {
		return err
	}
	switch handle := q.handler(); {
	case handle == nil:
		return minato.Errorf(minato.Unsupported, "%s is not something that this registry does here", q.r.Method).Because("UNSUPPORTED")
	case q.r.Method != http.MethodGet && q.r.Method != http.MethodHead:
		if err := q.mayWrite(); err != nil {
			return err
		}
		return handle()
	default:
		return handle()
	}
}

// parse takes apart NAME/manifests/REF, NAME/blobs/DIGEST, NAME/blobs/uploads/ID and NAME/tags/list.
// NAME/referrers/DIGEST is nothing: at that answer clients look for tags instead.
func (q *request) parse(path string) bool {
	for _, kind := range []struct{ infix, what string }{
		{"/blobs/uploads/", "uploads"}, {"/blobs/", "blobs"}, {"/manifests/", "manifests"}, {"/tags/", "tags"},
	} {
		at := strings.LastIndex(path, kind.infix)
		if at <= 0 {
			continue
		}
		q.name, q.what, q.ref = path[:at], kind.what, path[at+len(kind.infix):]
		return !strings.Contains(q.ref, "/") && (q.ref != "" || q.what == "uploads") && (q.what != "tags" || q.ref == "list")
	}
	name, ok := strings.CutSuffix(path, "/blobs/uploads")
	q.name, q.what = name, "uploads"
	return ok
}

// handler is what answers this method here, nil when nothing does.
func (q *request) handler() func() error {
	method := q.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if q.what == "uploads" && (q.ref == "") != (method == http.MethodPost) {
		return nil
	}
	return map[string]func() error{
		"GET manifests":    q.getManifest,
		"PUT manifests":    q.putManifest,
		"DELETE manifests": q.deleteManifest,
		"GET blobs":        q.getBlob,
		"POST uploads":     q.beginUpload,
		"GET uploads":      q.uploadStatus,
		"PATCH uploads":    q.continueUpload,
		"PUT uploads":      q.finishUpload,
		"DELETE uploads":   q.cancelUpload,
		"GET tags":         q.tags,
	}[method+" "+q.what]
}

// recorder remembers what was answered, and gives up on a client that does not read.
type recorder struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	bytes   int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = w.control.SetWriteDeadline(time.Now().Add(idle))
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// patient gives up on a client that does not write.
type patient struct {
	io.ReadCloser
	control *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(idle))
	n, err := p.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = minato.Errorf(minato.Invalid, "the content was cut short: %w", err).Because("SIZE_INVALID")
	}
	return n, err
}
