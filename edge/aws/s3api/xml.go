package s3api

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/s3"
)

// namespace is that of S3's documents.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// maxXML bounds a document that is sent to us: 10,000 parts, or 1,000 keys of 1 KiB, have about 2 MiB.
const maxXML = 4 << 20

// readXML reads a document from the body, and holds it to what the request's headers say of it.
func (r *request) readXML(into any) error {
	b, err := r.checkedDocument()
	if err != nil {
		return err
	}
	return parseXML(b, into)
}

// checkedDocument is all of the body, if it is what the request's headers say.
func (r *request) checkedDocument() ([]byte, error) {
	b, err := r.readDocument()
	if err != nil {
		return nil, err
	}
	expect, err := r.expect()
	if err != nil {
		return nil, err
	}
	return b, s3.Check(b, expect)
}

// readDocument reads all of the body, whose signature is checked at its end.
func (r *request) readDocument() ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxXML+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if len(b) > maxXML {
		return nil, minato.Errorf(minato.Invalid, "The document you provided has more than %d bytes", maxXML).Because("MalformedXML")
	}
	return b, nil
}

func parseXML(b []byte, into any) error {
	if err := xml.Unmarshal(b, into); err != nil {
		return minato.Errorf(minato.Invalid, "The XML you provided was not well-formed or did not validate against our published schema: %v", err).Because("MalformedXML")
	}
	return nil
}

// bodyError is the error of a body that breaks off.
func bodyError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return minato.Errorf(minato.Invalid, "You did not provide the number of bytes specified by the Content-Length HTTP header.").Because("IncompleteBody")
	}
	return err
}

func (r *request) writeXML(v any) error {
	b, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/xml")
	r.w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(r.w, xml.Header) // the client is gone
	_, _ = r.w.Write(b)
	return nil
}

// statuses are those of reasons that their kinds do not tell.
var statuses = map[string]int{
	s3.NotModified: http.StatusNotModified, s3.PreconditionFailed: http.StatusPreconditionFailed, s3.InvalidRange: http.StatusRequestedRangeNotSatisfiable,
	s3.MethodNotAllowed: http.StatusMethodNotAllowed, InvalidPartNumber: http.StatusRequestedRangeNotSatisfiable,
}

// kinds are code and status of errors by their kind, the code where there is no reason.
var kinds = map[minato.Kind]struct {
	code   string
	status int
}{
	minato.Invalid:          {"InvalidArgument", http.StatusBadRequest},
	minato.NotFound:         {s3.NoSuchKey, http.StatusNotFound},
	minato.AlreadyExists:    {s3.BucketExists, http.StatusConflict},
	minato.InUse:            {s3.BucketNotEmpty, http.StatusConflict},
	minato.Conflict:         {"OperationAborted", http.StatusConflict},
	minato.WrongState:       {"InvalidRequest", http.StatusConflict},
	minato.LimitExceeded:    {"InvalidRequest", http.StatusBadRequest},
	minato.PreconditionFail: {s3.PreconditionFailed, http.StatusPreconditionFailed},
	minato.Denied:           {s3.AccessDenied, http.StatusForbidden},
	minato.Unauthenticated:  {s3.AccessDenied, http.StatusForbidden},
	minato.Unsupported:      {"NotImplemented", http.StatusNotImplemented},
	minato.Unavailable:      {"ServiceUnavailable", http.StatusServiceUnavailable},
	minato.Throttled:        {"SlowDown", http.StatusServiceUnavailable},
}

// describe is what a client is told of an error.
func describe(err error) (code string, status int, message string, fields map[string]string) {
	e, ok := errors.AsType[*minato.Error](err)
	if _, known := kinds[minato.KindOf(err)]; !ok || !known {
		return "InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again.", nil
	}
	if code, status, ok = aws.FailureCode(err, aws.S3); ok {
		return code, status, e.Message, e.Fields
	}
	by := kinds[e.Kind]
	code, status = by.code, by.status
	if e.Reason != "" {
		code = e.Reason
	}
	if s, ok := statuses[e.Reason]; ok {
		status = s
	}
	return code, status, e.Message, e.Fields
}

func codeOf(err error) string {
	code, _, _, _ := describe(err)
	return code
}

// WriteError renders an error.
func (a *API) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	code, status, message, fields := describe(err)
	requestID := ""
	if call := aws.CallFrom(r.Context()); call != nil {
		call.ErrorCode, call.Err, requestID = code, err, call.RequestID
	}
	if region := fields["Region"]; region != "" {
		w.Header().Set("X-Amz-Bucket-Region", region) // an answer to HEAD has no body
	}
	if status == http.StatusNotModified || r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	document := struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		Fields    []field
		RequestID string `xml:"RequestId"`
	}{Code: code, Message: message, Resource: r.URL.Path, RequestID: requestID}
	for name, value := range fields {
		document.Fields = append(document.Fields, field{xml.Name{Local: name}, value})
	}
	b, _ := xml.Marshal(document) // strings always marshal
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), b...)) // the client is gone
}

// field is an extra element of an error.
type field struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}
