package restjson

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
)

// protocolErrors are the errors of this codec, by reason. They are no shape of any service's model: AWS answers them too,
// before an operation sees the request.
var protocolErrors = map[string]int{
	serialization:    http.StatusBadRequest,
	unknownOperation: http.StatusNotFound,
}

const (
	serialization    = "SerializationException"
	unknownOperation = "UnknownOperationException"
)

// WriteError answers with an error: its code in the header x-amzn-ErrorType, and a body with the message and the other
// members of the exception, null where the error does not fill them. What went wrong inside of us is kept for the log.
func (a *API) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	call := aws.CallFrom(r.Context())
	code, status, body := a.render(a.operation(r), call.RequestID, err)
	call.ErrorCode, call.Err = code, err
	w.Header().Set("x-amzn-ErrorType", code)
	write(w, status, body)
}

func (a *API) render(operation, requestID string, err error) (code string, status int, body []byte) {
	e, ok := errors.AsType[*minato.Error](err)
	if !ok || e.Kind == minato.Internal {
		e = minato.Errorf(minato.Internal, "An internal error has occurred. The server's log has the details under request %s.", requestID)
	}
	if code, status, ok := aws.FailureCode(err, aws.JSON); ok {
		return code, status, plain(e.Message)
	}
	if status, ok := protocolErrors[e.Reason]; ok {
		return e.Reason, status, plain(e.Message)
	}
	code = a.def.ErrorCode(operation, err)
	entry, ok := a.def.Exceptions.LookupEntry(code)
	if !ok {
		panic(fmt.Sprintf("restjson: %s answers with an exception that it does not have: %q", a.def.SigningName, code))
	}
	exception := entry.New()
	fillException(entry.Schema, reflect.ValueOf(exception).Elem(), e)
	status, body = encodeException(entry.Schema, exception)
	return code, status, body
}

// fillException puts the message and those of the error's fields that the exception has into it. A field for a list of
// strings is separated by commas.
func fillException(s *smithy.Schema, v reflect.Value, e *minato.Error) {
	for name := range s.Members() {
		text, ok := e.Fields[name]
		if name == "message" {
			text, ok = e.Message, true
		}
		if !ok {
			continue
		}
		switch field := v.FieldByName(fieldName(name)); field.Type() {
		case reflect.TypeFor[*string]():
			field.Set(reflect.ValueOf(&text))
		case reflect.TypeFor[[]string]():
			field.Set(reflect.ValueOf(strings.Split(text, ",")))
		}
	}
}

func encodeException(s *smithy.Schema, exception any) (status int, body []byte) {
	status = http.StatusBadRequest
	if t, ok := smithy.SchemaTrait[*traits.HTTPError](s); ok {
		status = t.Code
	}
	return status, encode(nil, s, reflect.ValueOf(exception), true)
}

// plain is the body of an error that has a message only.
func plain(message string) []byte {
	return append(appendString([]byte(`{"message":`), message), '}')
}
