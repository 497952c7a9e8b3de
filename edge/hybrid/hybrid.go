// Package hybrid is how machines outside EC2 register and get credentials: two requests over TLS, in JSON. On AWS that is the
// business of the SSM agent, whose protocol is not public.
package hybrid

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/ssm"
)

// maxBody bounds a request.
const maxBody = 16 << 10

// Failure is the answer to a request that was refused.
type Failure struct {
	Message string `json:"message"`
}

// Service is what lies behind.
type Service interface {
	Register(ctx context.Context, r ssm.Registration) (ssm.Registered, error)
	Credentials(ctx context.Context, p ssm.Proof, realNow time.Time) (iam.Temporary, error)
}

// Handler answers both requests. Who asks is not known before the body is read, so all together may ask 50 times a second.
func Handler(s Service, log *slog.Logger) http.Handler {
	h := handler{log: log, limit: rate.NewLimiter(50, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ssm.RegisterPath, serve(h, s.Register))
	mux.HandleFunc("POST "+ssm.CredentialsPath, serve(h, func(ctx context.Context, p ssm.Proof) (ssm.Credentials, error) {
		t, err := s.Credentials(ctx, p, time.Now())
		return ssm.Credentials{AccessKeyID: t.AccessKeyID, SecretAccessKey: t.SecretAccessKey, SessionToken: t.SessionToken, Expires: t.Told}, err
	}))
	return mux
}

type handler struct {
	log   *slog.Logger
	limit *rate.Limiter
}

func serve[In, Out any](h handler, do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			h.fail(w, r, minato.Errorf(minato.Denied, "this is answered over TLS only: there are secrets in it"))
			return
		}
		if !h.limit.Allow() {
			h.fail(w, r, minato.Errorf(minato.Throttled, "too many requests: try again in a second"))
			return
		}
		var in In
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
			h.fail(w, r, minato.Errorf(minato.Invalid, "the request cannot be read: %v", err))
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		write(w, http.StatusOK, out)
	}
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

var statuses = map[minato.Kind]int{
	minato.Invalid: http.StatusBadRequest, minato.NotFound: http.StatusNotFound, minato.AlreadyExists: http.StatusConflict,
	minato.LimitExceeded: http.StatusForbidden, minato.Denied: http.StatusForbidden, minato.Unauthenticated: http.StatusUnauthorized,
	minato.Throttled: http.StatusTooManyRequests, minato.Unavailable: http.StatusServiceUnavailable,
}

func (h handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.log.WarnContext(r.Context(), "a machine was refused", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
	status, message := http.StatusInternalServerError, "the server failed; its log says why"
	if e, ok := errors.AsType[*minato.Error](err); ok {
		if s, known := statuses[e.Kind]; known {
			status, message = s, e.Message
		}
	}
	write(w, status, Failure{message})
}
