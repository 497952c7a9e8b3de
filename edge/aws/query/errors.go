package query

import (
	"errors"
	"fmt"
	"net/http"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
)

// Code is an error code of a service and the HTTP status that it travels with.
type Code struct {
	Name   string
	Status int
}

// Codes are a service's error codes by the kind of error. Its method ErrorCode is a Definition's ErrorCode.
type Codes map[minato.Kind]Code

// common are the codes of kinds that a service's table leaves out, as AWS lists them under "Common Errors".
var common = Codes{
	minato.Invalid:          {"ValidationError", http.StatusBadRequest},
	minato.NotFound:         {"ResourceNotFound", http.StatusNotFound},
	minato.AlreadyExists:    {"AlreadyExists", http.StatusConflict},
	minato.InUse:            {"ResourceInUse", http.StatusConflict},
	minato.WrongState:       {"IncorrectState", http.StatusBadRequest},
	minato.PreconditionFail: {"PreconditionFailed", http.StatusBadRequest},
	minato.LimitExceeded:    {"LimitExceeded", http.StatusConflict},
	minato.Denied:           {"AccessDenied", http.StatusForbidden},
	minato.Unauthenticated:  {"MissingAuthenticationToken", http.StatusForbidden},
	minato.Throttled:        {"Throttling", http.StatusBadRequest},
	minato.Unsupported:      {"UnsupportedOperation", http.StatusBadRequest},
	minato.Unavailable:      {"ServiceUnavailable", http.StatusServiceUnavailable},
	minato.Conflict:         {"ConcurrentModification", http.StatusConflict},
	minato.Internal:         {"InternalFailure", http.StatusInternalServerError},
}

// ErrorCode is the code and status of an error: those of its kind, in c or among AWS's common ones, with its reason, where
// it has one, for the code.
func (c Codes) ErrorCode(err error) (code string, status int) {
	kind := minato.KindOf(err)
	entry, ok := c[kind]
	if !ok {
		entry, ok = common[kind]
	}
	if !ok {
		entry = common[minato.Internal]
	}
	if e, ok := errors.AsType[*minato.Error](err); ok && e.Reason != "" {
		entry.Name = e.Reason
	}
	return entry.Name, entry.Status
}

// WriteError answers with an error, in JSON if the client asked for that. What went wrong inside of us is kept for the log.
func (a *API) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	protocol := aws.Query
	if a.def.Dialect == EC2Query {
		protocol = aws.EC2Query
	}
	code, status, ok := aws.FailureCode(err, protocol)
	if !ok {
		code, status = a.def.ErrorCode(err)
	}
	call := aws.CallFrom(r.Context())
	call.ErrorCode, call.Err = code, err
	message := err.Error()
	fault := "Sender"
	if status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	if minato.Is(err, minato.Internal) {
		message = fmt.Sprintf("An internal error has occurred. The server's log has the details under request %s.", call.RequestID)
	}
	if a.wantsJSON(r) {
		writeJSON(w, status, map[string]any{
			"Error":     map[string]string{"Type": fault, "Code": code, "Message": message},
			"RequestId": call.RequestID,
		})
		return
	}
	x := &xmlWriter{dialect: a.def.Dialect}
	if a.def.Dialect == EC2Query {
		x.element("Response", func() {
			x.element("Errors", func() {
				x.element("Error", func() {
					x.text("Code", code)
					x.text("Message", message)
				})
			})
			x.text("RequestID", call.RequestID)
		})
	} else {
		fmt.Fprintf(x, `<ErrorResponse xmlns="%s">`, a.def.Namespace)
		x.element("Error", func() {
			x.text("Type", fault)
			x.text("Code", code)
			x.text("Message", message)
		})
		x.text("RequestId", call.RequestID)
		x.WriteString(`</ErrorResponse>`)
	}
	writeXML(w, status, x.Bytes())
}
