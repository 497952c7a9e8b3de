package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/home"
)

const (
	// maxQuestion bounds the body of a request.
	maxQuestion = 64 << 10
	// askTimeout is how long most answers may take.
	askTimeout = 10 * time.Second
)

// answering serves questions of up to limit bytes, in JSON: with an answer, in JSON, or a message with status 400 where there is none.
func answering[Q, A any](limit int64, answer func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&q); err != nil {
			http.Error(w, "the question is not understood: "+err.Error(), http.StatusBadRequest)
			return
		}
		a, err := answer(r.Context(), q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a)
	}
}

// ask puts a question to the running server, which has so long to answer it.
func ask[A any](ctx context.Context, timeout time.Duration, dir home.Dir, path string, question any) (answer A, err error) {
	q, err := json.Marshal(question)
	if err != nil {
		return answer, err
	}
	status, body, err := exchange(ctx, timeout, dir, http.MethodPost, path, q)
	if err != nil {
		return answer, err
	}
	if status != http.StatusOK {
		return answer, minato.Errorf(minato.Invalid, "%s", body)
	}
	return answer, json.Unmarshal(body, &answer)
}
