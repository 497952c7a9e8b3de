// Package ec2api is EC2 as it is spoken: the operations' parameters and answers, in ec2Query of version 2016-11-15, and
// their conversion from and to service/ec2.
package ec2api

import (
	"context"
	"net/http"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

// New serves EC2.
func New(service *ec2.Service) *query.API {
	h := handlers{service}
	return query.New(query.Definition{
		SigningName: "ec2",
		Version:     "2016-11-15",
		Namespace:   "http://ec2.amazonaws.com/doc/2016-11-15/",
		Dialect:     query.EC2Query,
		Operations:  h.operations(),
		Refused:     refused,
		ErrorCode:   codes.ErrorCode,
	})
}

func (h handlers) operations() []query.Operation {
	return slices.Concat(
		h.fixed(), h.vpcs(), h.subnets(), h.routeTables(), h.gateways(), h.securityGroups(), h.networkInterfaces(), h.tags(),
		h.launchTemplates(), h.instances(), h.instanceTypes(),
	)
}

// codes are EC2's error codes (EC2 API reference, "Error codes"); most errors bring a finer one as their reason.
var codes = query.Codes{
	minato.Invalid:          {Name: "InvalidParameterValue", Status: http.StatusBadRequest},
	minato.NotFound:         {Name: "InvalidParameterValue", Status: http.StatusBadRequest},
	minato.AlreadyExists:    {Name: "InvalidParameterValue", Status: http.StatusBadRequest},
	minato.InUse:            {Name: "DependencyViolation", Status: http.StatusBadRequest},
	minato.WrongState:       {Name: "IncorrectState", Status: http.StatusBadRequest},
	minato.LimitExceeded:    {Name: "ResourceCountExceeded", Status: http.StatusBadRequest},
	minato.Conflict:         {Name: "OperationNotPermitted", Status: http.StatusBadRequest},
	minato.Denied:           {Name: "UnauthorizedOperation", Status: http.StatusForbidden},
	minato.PreconditionFail: {Name: "DryRunOperation", Status: http.StatusPreconditionFailed},
	minato.Unavailable:      {Name: "Unavailable", Status: http.StatusServiceUnavailable},
	minato.Internal:         {Name: "InternalError", Status: http.StatusInternalServerError},
}

type handlers struct{ service *ec2.Service }

// caller is who makes the request, as the service wants to know it.
func caller(ctx context.Context) ec2.Caller {
	call := aws.CallFrom(ctx)
	return ec2.Caller{Credential: call.Credential, Scope: call.Scope, Context: call.ConditionKeys()}
}

// dryRun is what all operations but those of Describe take.
type dryRun struct{ DryRun bool }

func (in dryRun) caller(ctx context.Context) ec2.Caller {
	c := caller(ctx)
	c.DryRun = in.DryRun
	return c
}

func missing(parameter string) error {
	return minato.Errorf(minato.Invalid, "The request must contain the parameter %s", parameter).Because("MissingParameter")
}

// describeInput is what all Describe operations take.
type describeInput struct {
	Filter     []filter
	MaxResults *int32
	NextToken  string
	DryRun     bool
}

type filter struct {
	Name  string
	Value []string
}

func (in describeInput) asked(ids []string) ec2.Describe {
	d := ec2.Describe{IDs: ids, MaxResults: in.MaxResults, NextToken: in.NextToken, DryRun: in.DryRun}
	for _, f := range in.Filter {
		d.Filters = append(d.Filters, ec2.Filter{Name: f.Name, Values: f.Value})
	}
	return d
}

type tag struct {
	Key   string  `query:"key"`
	Value *string `query:"value"` // written even if empty
}
