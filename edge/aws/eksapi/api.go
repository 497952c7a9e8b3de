// Package eksapi is the EKS API on the wire: the table of its operations, the conversion between AWS's types and those of
// service/eks, and the exception that each kind of error becomes. It decides nothing.
//
// Of Minato, only packages under edge/ know AWS's generated types. They are imported under the same names everywhere: awseks
// for the inputs and outputs, ekstypes for what these hold; plain eks is our own service.
package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/restjson"
	"minato.dev/minato/service/eks"
)

// New is the EKS API of a service.
func New(service *eks.Service) aws.API {
	return restjson.New(definition(service))
}

func definition(service *eks.Service) restjson.Definition {
	h := &handlers{service: service}
	return restjson.Definition{
		SigningName: "eks",
		Operations:  append(h.operations(), refusals()...),
		Exceptions:  awseks.TypeRegistry,
		ErrorCode:   errorCode,
	}
}

// handlers are the operations that Minato does. Each converts its input, calls the service and converts the result.
type handlers struct {
	service *eks.Service
}

// caller is who makes the request, for the service.
func caller(ctx context.Context) eks.Caller {
	call := aws.CallFrom(ctx)
	return eks.Caller{Credential: call.Credential, Scope: call.Scope, Context: call.ConditionKeys()}
}

// callerOn is caller for a request about one cluster, which the request's event then names.
func callerOn(ctx context.Context, clusterName string) eks.Caller {
	c := caller(ctx)
	cluster := eks.Cluster{Scope: c.Scope, Name: clusterName}
	aws.CallFrom(ctx).Resource = cluster.ARN()
	return c
}

// callerOnARN is caller for a request about the resource that an ARN names; the service says what is wrong with a bad one.
func callerOnARN(ctx context.Context, arn string) eks.Caller {
	aws.CallFrom(ctx).Resource, _ = minato.ParseARN(arn)
	return caller(ctx)
}

// value is what p points to, zero for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// present is a pointer to s, nil for an empty one: so a member is absent on the wire.
func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
