// Package ssmapi is the part of Systems Manager that nodes need, as it is spoken: awsJson1_1, with the operation in X-Amz-Target.
// `aws ssm create-activation` and `aws ssm get-parameter` work as they are.
package ssmapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/ssm"
)

const (
	targetPrefix = "AmazonSSM."
	contentType  = "application/x-amz-json-1.1"
)

// API serves Systems Manager.
type API struct {
	service    *ssm.Service
	operations map[string]func(ctx context.Context, body []byte) (any, error)
}

// New serves Systems Manager.
func New(service *ssm.Service) *API {
	a := &API{service: service}
	a.operations = map[string]func(context.Context, []byte) (any, error){
		"CreateActivation":            operation(a.createActivation),
		"DeleteActivation":            operation(a.deleteActivation),
		"DeregisterManagedInstance":   operation(a.deregister),
		"DescribeActivations":         operation(a.describeActivations),
		"DescribeInstanceInformation": operation(a.describeInstances),
		"GetParameter":                operation(a.getParameter),
		"GetParameters":               operation(a.getParameters),
		"GetParametersByPath":         operation(a.getParametersByPath),
	}
	return a
}

// OperationNames are all operations by name, for the documentation.
func (a *API) OperationNames() []string {
	var names []string
	for name := range a.operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// operation decodes a body strictly: a member that is not known would be one without an effect.
func operation[In, Out any](do func(context.Context, *In) (*Out, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(in); err != nil {
			return nil, minato.Errorf(minato.Invalid, "the request cannot be read: %v", err).Because("ValidationException")
		}
		return do(ctx, in)
	}
}

// SigningName is the service's name in a credential scope.
func (a *API) SigningName() string { return "ssm" }

// ServeHTTP answers an authenticated request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	do := a.operations[name]
	if !ok || do == nil {
		a.WriteError(w, r, minato.Errorf(minato.Unsupported, "Minato does not have the operation %q of Systems Manager: see docs/operations.md", name))
		return
	}
	aws.CallFrom(r.Context()).Action = "ssm:" + name
	body, err := io.ReadAll(r.Body)
	if err == nil {
		var out any
		if out, err = do(r.Context(), body); err == nil {
			write(w, http.StatusOK, out)
			return
		}
	}
	a.WriteError(w, r, err)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

// codes are the error codes of kinds that have no reason of their own.
var codes = map[minato.Kind]string{
	minato.Invalid: "ValidationException", minato.Denied: "AccessDeniedException", minato.Unsupported: "UnknownOperationException",
	minato.Throttled: "ThrottlingException", minato.Unauthenticated: "UnrecognizedClientException",
}

// WriteError renders an error.
func (a *API) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	code, status, message := "InternalServerError", http.StatusInternalServerError, "An error occurred on the server side."
	if e, ok := errors.AsType[*minato.Error](err); ok && e.Kind != minato.Internal {
		status, message = http.StatusBadRequest, e.Message
		if code = e.Reason; code == "" || e.Kind == minato.Denied {
			code = codes[e.Kind]
		}
		if code == "" {
			code = "ValidationException"
		}
	}
	if call := aws.CallFrom(r.Context()); call != nil {
		call.ErrorCode, call.Err = code, err
	}
	write(w, status, map[string]string{"__type": code, "message": message})
}

func caller(ctx context.Context) ssm.Caller {
	call := aws.CallFrom(ctx)
	return ssm.Caller{Credential: call.Credential, Scope: call.Scope, Context: call.ConditionKeys()}
}
