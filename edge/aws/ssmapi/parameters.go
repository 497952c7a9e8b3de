package ssmapi

import (
	"context"

	"minato.dev/minato/service/ssm"
)

type parameter struct {
	Name, Type, Value, ARN, DataType string
	Version                          int
	LastModifiedDate                 *seconds `json:",omitempty"`
}

func parameterOut(p ssm.Parameter) parameter {
	out := parameter{Name: p.Name, Type: "String", Value: p.Value, ARN: p.ARN.String(), DataType: "text", Version: 1}
	if !p.ModifiedAt.IsZero() {
		out.LastModifiedDate = (*seconds)(&p.ModifiedAt)
	}
	return out
}

func parametersOut(list []ssm.Parameter) []parameter {
	out := make([]parameter, len(list))
	for i, p := range list {
		out[i] = parameterOut(p)
	}
	return out
}

// WithDecryption has nothing to decrypt: all parameters are of type String.
type getParameterInput struct {
	Name           string
	WithDecryption bool
}

type getParameterOutput struct{ Parameter parameter }

func (a *API) getParameter(ctx context.Context, in *getParameterInput) (*getParameterOutput, error) {
	p, err := a.service.Parameter(ctx, caller(ctx), in.Name)
	if err != nil {
		return nil, err
	}
	return &getParameterOutput{parameterOut(p)}, nil
}

type getParametersInput struct {
	Names          []string
	WithDecryption bool
}

type getParametersOutput struct {
	Parameters        []parameter
	InvalidParameters []string
}

func (a *API) getParameters(ctx context.Context, in *getParametersInput) (*getParametersOutput, error) {
	found, missing, err := a.service.Parameters(ctx, caller(ctx), in.Names)
	if err != nil {
		return nil, err
	}
	return &getParametersOutput{parametersOut(found), append([]string{}, missing...)}, nil
}

type getParametersByPathInput struct {
	Path                      string
	Recursive, WithDecryption bool
	MaxResults                int
	NextToken                 string
}

type getParametersByPathOutput struct {
	Parameters []parameter
	NextToken  string `json:",omitempty"`
}

func (a *API) getParametersByPath(ctx context.Context, in *getParametersByPathInput) (*getParametersByPathOutput, error) {
	page, next, err := a.service.ParametersByPath(ctx, caller(ctx), ssm.ByPath{
		Path: in.Path, Recursive: in.Recursive, Max: in.MaxResults, Token: in.NextToken,
	})
	if err != nil {
		return nil, err
	}
	return &getParametersByPathOutput{parametersOut(page), next}, nil
}
