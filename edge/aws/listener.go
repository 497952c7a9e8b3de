package aws

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"minato.dev/minato"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/sigv4"
	"minato.dev/minato/service/iam"
)

// Config is what a Listener is made of.
type Config struct {
	Region      minato.Region
	Credentials iam.Credentials
	APIs        []API
	// ClockAhead is how far the server's clock is ahead of the machine's, which every answer tells; nil where it cannot be moved.
	ClockAhead func() time.Duration
	// Ready answers /readyz: nil when requests can be served.
	Ready    func(context.Context) error
	Registry *prometheus.Registry // takes the listener's metrics; /metrics shows everything in it
	Log      *slog.Logger

	// Limit and Burst bound the requests of one principal: so many a second, so many at once. Zero is DefaultLimit and
	// DefaultBurst.
	Limit rate.Limit
	Burst int
}

// Bounds of what one principal may ask, well above those of AWS, so that only a loop gone wild meets them.
const (
	DefaultLimit rate.Limit = 200
	DefaultBurst int        = 400
)

// Bounds of what one principal may ask of a Streaming API: those of S3 for one prefix ("Best practices design patterns", S3 User Guide).
const (
	streamLimit rate.Limit = 5500
	streamBurst int        = 5500
)

// Listener is the http.Handler of every AWS API, of the health and metrics paths, and of what Handle adds.
type Listener struct {
	cfg      Config
	apis     map[string]API // by signing name
	open     *http.ServeMux
	throttle *throttle
	streams  *throttle // for Streaming APIs
	metrics  *metrics
}

// New makes a Listener.
func New(cfg Config) *Listener {
	if cfg.Limit == 0 {
		cfg.Limit = DefaultLimit
	}
	if cfg.Burst == 0 {
		cfg.Burst = DefaultBurst
	}
	l := &Listener{
		cfg: cfg, apis: map[string]API{}, open: http.NewServeMux(),
		throttle: newThrottle(cfg.Limit, cfg.Burst), streams: newThrottle(streamLimit, streamBurst),
		metrics: newMetrics(cfg.Registry),
	}
	for _, api := range cfg.APIs {
		l.apis[api.SigningName()] = api
	}
	l.handleHealth()
	return l
}

// Handle serves a pattern of http.ServeMux without authentication, in place of any API. Call it before serving.
func (l *Listener) Handle(pattern string, h http.Handler) { l.open.Handle(pattern, h) }

// ServeHTTP serves an open path, or authenticates a request, hands it to its service's API, and tells of it.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ahead := l.cfg.ClockAhead; ahead != nil {
		w.Header().Set(clock.AheadHeader, strconv.FormatInt(int64(ahead()/time.Second), 10))
	}
	if l.isOpen(r) {
		l.open.ServeHTTP(w, r)
		return
	}
	start := time.Now()
	call := &Call{RequestID: newRequestID(), SourceIP: remoteHost(r), UserAgent: r.UserAgent(),
		TLS: r.TLS != nil, Hold: holdFor(r.UserAgent())}
	r = r.WithContext(WithCall(r.Context(), call))
	rec := &recorder{ResponseWriter: w}
	rec.Header().Set("X-Amzn-Requestid", call.RequestID)
	l.answer(rec, r, call)
	took := time.Since(start)
	l.metrics.observe(call, rec.status, took)
	l.logRequest(r, call, rec.status, took)
	if rec.status == broken {
		panic(http.ErrAbortHandler) // closes the connection, so that half an answer is not taken for a whole one
	}
}

// isOpen is whether a request is for an open path. One that is signed for S3 is not: its path is the name of a bucket, and a bucket may
// be called metrics.
func (l *Listener) isOpen(r *http.Request) bool {
	if _, pattern := l.open.Handler(r); pattern == "" {
		return false
	}
	signed, err := sigv4.Parse(r, sigv4.Rules{})
	if err != nil {
		return true
	}
	_, streams := l.apis[signed.Scope.Service].(Streaming)
	return !streams
}

// answer writes the one response of a request, also when its service panics.
func (l *Listener) answer(w *recorder, r *http.Request, call *Call) {
	var api API
	writeError := func(err error) {
		if api == nil {
			writeUnrouted(w, r, call, err)
		} else {
			api.WriteError(w, r, err)
		}
	}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		if w.status != 0 { // too late for another answer
			call.Err, w.status = err, broken
			return
		}
		writeError(err)
	}()
	untimed := r.Context()
	timed, cancel := context.WithTimeout(untimed, requestTimeout)
	defer cancel()
	r = r.WithContext(timed)
	api, err := l.unsigned(w, r, call)
	if api == nil && err == nil {
		if api, err = l.route(r, call); err == nil {
			err = l.admit(w, r, call, api)
		}
	}
	if err != nil {
		writeError(err)
		return
	}
	if _, streams := api.(Streaming); streams { // takes as long as it is long
		r = r.WithContext(untimed)
		w.untimed = true
	}
	api.ServeHTTP(w, r)
}

// recorder notes the status of a response.
type recorder struct {
	http.ResponseWriter
	status  int  // 0 until the header is written
	untimed bool // the time of the answer begins with the answer, not with the request
}

// broken as a status is an answer that its service panicked in the middle of.
const broken = -1

// WriteHeader notes the status that counts, the first.
func (w *recorder) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) begin(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.untimed {
		// A connection that has no deadlines needs none put off.
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTimeout))
	}
}

// Write is WriteHeader with 200 where there has been none.
func (w *recorder) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// newRequestID is a random UUID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// How long an answer is held back for a client that waits. Waiters come again 30 s after an answer; before that, their connections are
// given up without one: after 60 s by botocore, which the AWS CLI is made of, after 30 s by the SDK for Java.
const (
	longHold = 50 * time.Second
	hold     = 20 * time.Second
)

// holdFor is how long the answer to a user agent may be held back, zero unless a waiter polls.
func holdFor(userAgent string) time.Duration {
	switch {
	case !isWaiter(userAgent):
		return 0
	case strings.Contains(userAgent, "md/Botocore#"):
		return longHold
	}
	return hold
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// isWaiter is whether a user agent says that an SDK's waiter is polling: AWS SDKs list the features that a request uses as
// letters in a word such as "m/D,b,N,B", where B is the waiter.
func isWaiter(userAgent string) bool {
	for word := range strings.FieldsSeq(userAgent) {
		if features, ok := strings.CutPrefix(word, "m/"); ok && slices.Contains(strings.Split(features, ","), "B") {
			return true
		}
	}
	return false
}
