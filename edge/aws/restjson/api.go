package restjson

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"

	"minato.dev/minato/edge/aws"
)

// Definition is a service: what it is called, what it can do, how it says no.
type Definition struct {
	SigningName string // in the credential scope and before the colon of an IAM action: "eks"
	Operations  []Operation
	// Exceptions are the service's modelled errors, as the SDK registers them.
	Exceptions *smithy.TypeRegistry
	// ErrorCode names the exception of Exceptions that an operation answers an error with. The operation is empty when the
	// request was refused before one was found. Errors of the listener and of this codec never reach it.
	ErrorCode func(operation string, err error) string
}

// Operation is one row of a service's table. Make it with Op.
type Operation struct {
	// Name is the operation's name: "CreateCluster".
	Name          string
	schema        *smithy.Schema
	input, output *smithy.Schema
	newInput      func() any
	newOutput     func() any
	handle        func(ctx context.Context, input any) (any, error)
}

// Op makes an operation from a handler, which gets a decoded input and answers an output of the SDK's types, or an error.
func Op[In, Out any](schema, input, output *smithy.Schema, handle func(context.Context, *In) (*Out, error)) Operation {
	return Operation{
		Name: schema.ID().Name, schema: schema, input: input, output: output,
		newInput:  func() any { return new(In) },
		newOutput: func() any { return new(Out) },
		handle: func(ctx context.Context, in any) (any, error) {
			return handle(ctx, in.(*In))
		},
	}
}

// API serves a Definition. It is an aws.API.
type API struct {
	def    Definition
	routes []route
}

var _ aws.API = (*API)(nil)

// New makes the service. It panics when the table cannot be served: an operation that stands twice or is not bound to HTTP,
// a member or an exception that has no field. All of these are programming errors.
func New(def Definition) *API {
	a := &API{def: def}
	seen := map[string]bool{}
	for i := range def.Operations {
		op := &def.Operations[i]
		if seen[op.Name] {
			panic(fmt.Sprintf("restjson: %s:%s stands twice", def.SigningName, op.Name))
		}
		seen[op.Name] = true
		binding, ok := smithy.SchemaTrait[*traits.HTTP](op.schema)
		if !ok {
			panic(fmt.Sprintf("restjson: %s:%s has no HTTP binding", def.SigningName, op.Name))
		}
		must(check(op.input, reflect.TypeOf(op.newInput())))
		must(check(op.output, reflect.TypeOf(op.newOutput())))
		a.routes = append(a.routes, newRoute(op, binding.Method, binding.URI))
	}
	for _, e := range def.Exceptions.Entries {
		must(check(e.Schema, reflect.TypeOf(e.New())))
	}
	slices.SortFunc(a.routes, bySpecificity)
	return a
}

func must(err error) {
	if err != nil {
		panic("restjson: " + err.Error())
	}
}

// SigningName is the service's name in a credential scope.
func (a *API) SigningName() string { return a.def.SigningName }

// ServeHTTP finds the operation, decodes the request, runs the handler and writes its output or its error. The action is
// noted in the request's Call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, labels, err := find(a.routes, r.Method, r.URL)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	aws.CallFrom(r.Context()).Action = a.def.SigningName + ":" + op.Name
	input, err := decodeRequest(op, labels, r)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	output, err := op.handle(r.Context(), input)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	write(w, http.StatusOK, encodeOutput(op, output))
}

// encodeOutput is the body of a success: none at all where the output has no members, as AWS does it.
func encodeOutput(op *Operation, output any) []byte {
	if len(op.output.Members()) == 0 {
		return nil
	}
	return Marshal(op.output, output)
}

// operation is the name of the operation that a request was found to be for, empty before that.
func (a *API) operation(r *http.Request) string {
	name, _ := strings.CutPrefix(aws.CallFrom(r.Context()).Action, a.def.SigningName+":")
	return name
}

func write(w http.ResponseWriter, status int, body []byte) {
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away is no error of ours
}

// Answering is the operation with another handler, for tests of the codec that want to see the decoded input and to choose
// the output.
func (op Operation) Answering(handle func(ctx context.Context, input any) (output any, err error)) Operation {
	op.handle = handle
	return op
}
