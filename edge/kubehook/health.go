package kubehook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"minato.dev/minato/engine/store"
)

// appliedWait is how long one question for a revision is held before the answer is "not yet".
const appliedWait = 10 * time.Second

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.cfg.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// applied answers GET /applied?revision=N with 200 once decisions are made by that revision or a later one, and with 504 when
// that takes too long. It is for Minato itself, which must not report a change of access before it holds.
func (s *Server) applied(w http.ResponseWriter, r *http.Request) {
	rev, err := strconv.ParseInt(r.URL.Query().Get("revision"), 10, 64)
	if err != nil || rev < 0 {
		http.Error(w, "revision must be a number such as 42", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), appliedWait)
	defer cancel()
	if err := s.cfg.WaitFor(ctx, store.Revision(rev)); err != nil {
		http.Error(w, "not yet: "+err.Error(), http.StatusGatewayTimeout)
		return
	}
	fmt.Fprintln(w, "ok")
}

// awsAuth answers GET /clusters/{id}/aws-auth with what decisions are made by of a cluster's aws-auth ConfigMap, and with 404 as long as
// it has not been read. It is for Minato itself, which explains decisions.
func (s *Server) awsAuth(w http.ResponseWriter, r *http.Request) {
	in, ok := s.cfg.AWSAuth(r.PathValue("id"))
	if !ok {
		http.Error(w, "the cluster's aws-auth ConfigMap has not been read yet", http.StatusNotFound)
		return
	}
	writeJSON(w, in)
}

// forRoot is a handler that only Minato itself may ask.
func (s *Server) forRoot(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name := commonName(r); name == "" || name != s.cfg.Root {
			http.Error(w, "only Minato itself may ask", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}
