// Package eksauthapi is EKS Auth on the wire: its one operation, AssumeRoleForPodIdentity, which the Pod Identity agents call. Its
// schemas are written by hand, because the module github.com/aws/aws-sdk-go-v2/service/eksauth is not served everywhere; all else is
// restjson's.
package eksauthapi

import (
	"context"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/restjson"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
)

// New serves EKS Auth.
func New(service *eksauth.Service) aws.API {
	h := handlers{service}
	return restjson.New(restjson.Definition{
		SigningName: "eks-auth",
		Operations:  []restjson.Operation{restjson.Op(operation, input, output, h.assumeRoleForPodIdentity)},
		Exceptions:  exceptions(),
		ErrorCode:   errorCode,
	})
}

type handlers struct{ service *eksauth.Service }

func (h handlers) assumeRoleForPodIdentity(ctx context.Context, in *assumeRoleForPodIdentityInput) (*assumeRoleForPodIdentityOutput, error) {
	call := aws.CallFrom(ctx)
	cluster := eks.Cluster{Scope: call.Scope, Name: value(in.ClusterName)}
	call.Resource = cluster.ARN()
	caller := eksauth.Caller{Credential: call.Credential, Scope: call.Scope, Context: call.ConditionKeys()}
	got, err := h.service.AssumeRoleForPodIdentity(ctx, caller, cluster.Name, value(in.Token))
	if err != nil {
		return nil, err
	}
	a, role := &got.Association, &got.Role
	return &assumeRoleForPodIdentityOutput{
		Subject:                &subject{&a.Namespace, &a.ServiceAccount},
		Audience:               new(eksauth.Audience),
		PodIdentityAssociation: &podIdentityAssociation{new(a.ARN().String()), &a.ID},
		AssumedRoleUser:        &assumedRoleUser{new(role.ARN.String()), &role.ID},
		Credentials:            &credentials{&role.SessionToken, &role.SecretAccessKey, &role.AccessKeyID, &role.Told},
	}, nil
}

func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// codes are the exceptions by kind of error.
var codes = map[minato.Kind]string{
	minato.Invalid:         "InvalidParameterException",
	minato.NotFound:        "ResourceNotFoundException",
	minato.Denied:          "AccessDeniedException",
	minato.Unauthenticated: "AccessDeniedException",
	minato.Throttled:       "ThrottlingException",
	minato.Unsupported:     "InvalidRequestException",
	minato.WrongState:      "InvalidRequestException",
	minato.Unavailable:     "ServiceUnavailableException",
}

func errorCode(_ string, err error) string {
	e, ok := errors.AsType[*minato.Error](err)
	if !ok {
		return "InternalServerException"
	}
	if e.Reason == eksauth.InvalidToken || e.Reason == eksauth.ExpiredToken {
		return e.Reason
	}
	if code, ok := codes[e.Kind]; ok {
		return code
	}
	return "InternalServerException"
}
