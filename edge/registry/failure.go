package registry

import (
	"encoding/json"
	"errors"
	"net/http"

	"minato.dev/minato"
)

// statuses of the kinds of errors. The code of an error is its reason.
var statuses = map[minato.Kind]int{
	minato.Invalid:         http.StatusBadRequest,
	minato.Unauthenticated: http.StatusUnauthorized,
	minato.Denied:          http.StatusForbidden,
	minato.NotFound:        http.StatusNotFound,
	minato.Unsupported:     http.StatusMethodNotAllowed,
	minato.WrongState:      http.StatusRequestedRangeNotSatisfiable,
	minato.Throttled:       http.StatusTooManyRequests,
	minato.LimitExceeded:   http.StatusInsufficientStorage,
	minato.Unavailable:     http.StatusServiceUnavailable,
}

// codes of the kinds whose errors come from somebody who does not know this protocol.
var codes = map[minato.Kind]string{
	minato.Denied:      "DENIED",
	minato.Unavailable: "UNAVAILABLE",
}

type failure struct {
	Errors []failureEntry `json:"errors"`
}

type failureEntry struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail answers with an error, unless an answer was begun.
func (q *request) fail(err error) {
	if answer, ok := q.w.(*recorder); ok && answer.status != 0 {
		return
	}
	kind := minato.KindOf(err)
	status, known := statuses[kind]
	entry := failureEntry{Code: "UNKNOWN", Message: "something went wrong here; the registry's log says what"}
	if e, ok := errors.AsType[*minato.Error](err); ok && known {
		entry = failureEntry{Code: e.Reason, Message: e.Message}
		if code, ok := codes[kind]; ok {
			entry.Code = code
		}
	} else {
		status = http.StatusInternalServerError
	}
	if status == http.StatusUnauthorized {
		q.w.Header().Set("WWW-Authenticate", `Basic realm="minato"`)
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	_ = json.NewEncoder(q.w).Encode(failure{Errors: []failureEntry{entry}})
}
