package aws

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/sigv4"
)

// Streaming is an API whose bodies are streams: S3. The listener verifies the head of a request before the API sees it, and the
// body while the API reads it: a body that is not what was signed ends in an error instead of io.EOF. Content-Length is that of
// the content, and Trailer is filled when all of it has been read. A body may take as long as it goes on moving.
type Streaming interface {
	API
	// MaxBody is the largest body, in bytes.
	MaxBody() int64
	// ResourcePath is a request's path as it came, behind the bucket that its host may name: what Signature Version 2 signs.
	ResourcePath(r *http.Request) string
}

// stall is how long a stream may stand still.
const stall = 30 * time.Second

// overhead is how much longer than its content a chunked body may be: SDKs' smallest chunks, of 8 KiB, have about 90 bytes each.
func overhead(content int64) int64 { return content/64 + 64<<10 }

// openStream verifies the head of a request, and makes its body a stream of its content.
func openStream(w http.ResponseWriter, r *http.Request, signed *sigv4.Signed, secret string, most int64) error {
	if err := signed.VerifyHead(secret, time.Now()); err != nil {
		return err
	}
	length := r.ContentLength
	if signed.Chunked() {
		decoded := r.Header.Get("X-Amz-Decoded-Content-Length")
		n, err := strconv.ParseInt(decoded, 10, 64)
		if err != nil || n < 0 {
			return minato.Errorf(minato.Invalid, "x-amz-decoded-content-length is %q: want the length of the content", decoded).Because(IncompleteSignature)
		}
		length = n
	}
	if length > most {
		w.Header().Set("Connection", "close")
		return minato.Errorf(minato.Invalid, "Your proposed upload has %d bytes, which exceeds the maximum allowed object size of %d", length, most).Because(TooLarge)
	}
	body := &moving{r: r.Body, rc: http.NewResponseController(w)}
	if r.ContentLength == 0 {
		if err := body.deadline(time.Time{}); err != nil {
			return err
		}
	}
	wire := io.Reader(body)
	if signed.Chunked() {
		wire = io.LimitReader(wire, length+overhead(length))
	}
	trailer := http.Header{}
	content := signed.Body(secret, wire, trailer)
	r.Body = stream{&exactly{r: content, left: length, unknown: length < 0, most: most}, r.Body}
	r.ContentLength, r.Trailer = length, trailer
	return nil
}

// stream is a content that is closed with its body.
type stream struct {
	io.Reader
	io.Closer
}

// moving puts off the end of the connection's time whenever something of a body comes. When all of it is there, nothing is waited for
// any more: net/http goes on reading, to see the client leave, and a deadline that passes then would end the request's context.
type moving struct {
	r  io.Reader
	rc *http.ResponseController
}

func (m *moving) Read(p []byte) (int, error) {
	if err := m.deadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	if errors.Is(err, io.EOF) {
		if err := m.deadline(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}

func (m *moving) deadline(t time.Time) error {
	if err := m.rc.SetReadDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// exactly holds a content to its length.
type exactly struct {
	r       io.Reader
	left    int64
	unknown bool // the length is not known, and most at most
	most    int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	switch {
	case e.unknown && -e.left-1 > e.most:
		return 0, minato.Errorf(minato.Invalid, "Your proposed upload exceeds the maximum allowed object size of %d", e.most).Because(TooLarge)
	case !e.unknown && e.left < 0:
		return 0, minato.Errorf(minato.Invalid, "the content is longer than its length says").Because(IncompleteSignature)
	case !e.unknown && errors.Is(err, io.EOF) && e.left > 0:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Moving writes an answer of any length: its time ends when it stands still.
func Moving(w http.ResponseWriter) io.Writer {
	return movingWriter{w, http.NewResponseController(w)}
}

type movingWriter struct {
	w  io.Writer
	rc *http.ResponseController
}

// Write gives each piece its own time: a client that takes little at a time does not stand still.
func (m movingWriter) Write(p []byte) (written int, err error) {
	for piece := range slices.Chunk(p, pieceBytes) {
		if err := m.rc.SetWriteDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return written, err
		}
		n, err := m.w.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// pieceBytes is how much a client must take within stall.
const pieceBytes = 64 << 10
