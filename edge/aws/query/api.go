// Package query is the server side of the two oldest AWS protocols, awsQuery (STS, IAM) and ec2Query (EC2): parameters come
// as a form, results go out as XML. A service's package lists its operations as plain functions,
//
//	query.Op("CreateRole", func(ctx context.Context, in *createRoleInput) (*createRoleOutput, error) { … })
//
// and the package decodes the form into the input struct and encodes the output struct. A member is named by its Go field,
// or by the field's `query:"Name"` tag where the two differ; `query:"-"` leaves a field out. Members may be strings, bools,
// integers, time.Time, []byte (base64), structs, slices, map[string]string and pointers to these; a type of another kind
// panics in Op, which is to say when the server starts.
//
// In an input, what was not sent is left zero; use a pointer to tell it from what was sent empty. In an output, empty
// strings, zero times, nil pointers, nil slices and nil maps are left out, and everything else is written, false and 0 too.
package query

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
)

// Dialect is which of the two protocols a service speaks.
type Dialect int

// The dialects.
const (
	AWSQuery Dialect = iota // lists as Name.member.N, results wrapped in <OpResult>
	EC2Query                // lists as Name.N, results straight in <OpResponse>
)

// listElement is what the dialect calls an element of a list in XML.
func (d Dialect) listElement() string {
	if d == EC2Query {
		return "item"
	}
	return "member"
}

// Definition is a service: what it is called and what it can do.
type Definition struct {
	SigningName string // in the credential scope and before the colon of an IAM action: "sts"
	Version     string // the API version that clients send: "2011-06-15"
	Namespace   string // the xmlns of responses: "https://sts.amazonaws.com/doc/2011-06-15/"
	Dialect     Dialect
	Operations  []Operation
	// Refused are operations that AWS has and this service does not do: they answer an error of kind Unsupported that says
	// so, where any other name answers InvalidAction.
	Refused []string
	// Unsigned are operations that need no signature, because they bring a proof of their own.
	Unsigned []string
	// ErrorCode names an error in the service's own codes and gives its HTTP status; see Codes. Errors of the listener
	// (authentication, throttling, size) never reach it.
	ErrorCode func(error) (code string, status int)
}

// Operation is one action of a service. Make it with Op.
type Operation struct {
	Name string
	call func(ctx context.Context, params *node) (any, error)
}

// Op makes an operation from a function. An Out without fields stands for an operation without a result; fn may return nil
// for it.
func Op[In, Out any](name string, fn func(context.Context, *In) (*Out, error)) Operation {
	check(reflect.TypeFor[In]())
	check(reflect.TypeFor[Out]())
	return Operation{Name: name, call: func(ctx context.Context, params *node) (any, error) {
		in := new(In)
		if err := decode(params, in); err != nil {
			return nil, err
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = new(Out)
		}
		return out, nil
	}}
}

// API serves a Definition. It is an aws.API.
type API struct {
	def        Definition
	operations map[string]Operation
	refused    map[string]bool
}

var _ aws.API = (*API)(nil)

// New makes the service; it panics if a name is listed twice.
func New(def Definition) *API {
	a := &API{def: def, operations: map[string]Operation{}, refused: map[string]bool{}}
	for _, name := range def.Refused {
		a.refused[name] = true
	}
	for _, op := range def.Operations {
		if _, twice := a.operations[op.Name]; twice || a.refused[op.Name] {
			panic(fmt.Sprintf("query: %s:%s is listed twice", def.SigningName, op.Name))
		}
		a.operations[op.Name] = op
	}
	return a
}

// SigningName is the service's name in a credential scope.
func (a *API) SigningName() string { return a.def.SigningName }

// ServeHTTP decodes the form, runs the operation that its Action names and writes the result, or the error in the
// service's codes. The action is noted in the request's Call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, err := parse(r)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	op, err := a.find(params.text("Action"), params.text("Version"))
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	aws.CallFrom(r.Context()).Action = a.def.SigningName + ":" + op.Name
	out, err := op.call(r.Context(), params)
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	a.writeResult(w, r, op.Name, out)
}

// OperationNames are the names of the operations that the service does, sorted.
func (a *API) OperationNames() []string { return slices.Sorted(maps.Keys(a.operations)) }

// TakesUnsigned is whether a request is for an operation that needs no signature; see aws.Unsigned.
func (a *API) TakesUnsigned(r *http.Request, body []byte) bool {
	encoded := r.URL.RawQuery
	if r.Method == http.MethodPost {
		encoded += "&" + string(body)
	}
	for pair := range strings.SplitSeq(encoded, "&") {
		if action, ok := strings.CutPrefix(pair, "Action="); ok {
			return slices.Contains(a.def.Unsigned, action)
		}
	}
	return false
}

func (a *API) find(action, version string) (Operation, error) {
	if action == "" {
		return Operation{}, minato.Errorf(minato.Invalid,
			"the request must contain the parameter Action").Because("MissingAction")
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	op, ok := a.operations[action]
	switch {
	case version != a.def.Version, !ok && !a.refused[action]:
		return Operation{}, minato.Errorf(minato.Invalid,
			"Could not find operation %s for version %s", action, version).Because("InvalidAction")
	case !ok:
		return Operation{}, minato.Errorf(minato.Unsupported, "Minato does not support %s:%s", a.def.SigningName, action)
	}
	return op, nil
}
