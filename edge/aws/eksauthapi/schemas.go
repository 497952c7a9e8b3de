package eksauthapi

import (
	"time"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// The types and schemas of EKS Auth's one operation, as its model of 2023-11-26 has them.

type assumeRoleForPodIdentityInput struct {
	ClusterName *string
	Token       *string
	// Where the agent says that it runs. Nothing depends on it.
	EksNodeName, InstanceId, Zone *string
}

type assumeRoleForPodIdentityOutput struct {
	Subject                *subject
	Audience               *string
	PodIdentityAssociation *podIdentityAssociation
	AssumedRoleUser        *assumedRoleUser
	Credentials            *credentials
}

type subject struct{ Namespace, ServiceAccount *string }

type podIdentityAssociation struct{ AssociationArn, AssociationId *string }

type assumedRoleUser struct{ Arn, AssumeRoleId *string }

type credentials struct {
	SessionToken, SecretAccessKey, AccessKeyId *string
	Expiration                                 *time.Time
}

// exception is any of the service's modelled errors: all have a message and nothing else.
type exception struct{ Message *string }

func shape(name string, kind smithy.ShapeType, ts ...smithy.Trait) *smithy.Schema {
	return smithy.NewSchema(smithy.ShapeID{Namespace: "com.amazonaws.eksauth", Name: name}, kind, 0, ts...)
}

var (
	text      = shape("String", smithy.ShapeTypeString)
	timestamp = shape("Timestamp", smithy.ShapeTypeTimestamp)

	operation = shape("AssumeRoleForPodIdentity", smithy.ShapeTypeOperation,
		&traits.HTTP{Method: "POST", URI: "/clusters/{clusterName}/assume-role-for-pod-identity", Code: 200})

	input = func() *smithy.Schema {
		s := structure("AssumeRoleForPodIdentityRequest", "token", "eksNodeName", "instanceId", "zone")
		s.AddMember("clusterName", text, &traits.HTTPLabel{})
		return s
	}()

	output = func() *smithy.Schema {
		s := structure("AssumeRoleForPodIdentityResponse", "audience")
		s.AddMember("subject", structure("Subject", "namespace", "serviceAccount"))
		s.AddMember("podIdentityAssociation", structure("PodIdentityAssociation", "associationArn", "associationId"))
		s.AddMember("assumedRoleUser", structure("AssumedRoleUser", "arn", "assumeRoleId"))
		keys := structure("Credentials", "sessionToken", "secretAccessKey", "accessKeyId")
		keys.AddMember("expiration", timestamp)
		s.AddMember("credentials", keys)
		return s
	}()
)

// structure is a structure of strings.
func structure(name string, members ...string) *smithy.Schema {
	s := shape(name, smithy.ShapeTypeStructure)
	for _, m := range members {
		s.AddMember(m, text)
	}
	return s
}

// statuses are the HTTP statuses of the exceptions. AccessDeniedException has 400 here, unlike elsewhere.
var statuses = map[string]int{
	"AccessDeniedException":       400,
	"ExpiredTokenException":       400,
	"InternalServerException":     500,
	"InvalidParameterException":   400,
	"InvalidRequestException":     400,
	"InvalidTokenException":       400,
	"ResourceNotFoundException":   404,
	"ServiceUnavailableException": 503,
	"ThrottlingException":         429,
}

// exceptions are the service's modelled errors, for the codec.
func exceptions() *smithy.TypeRegistry {
	registry := &smithy.TypeRegistry{Entries: map[string]*smithy.TypeRegistryEntry{}}
	for name, status := range statuses {
		s := shape(name, smithy.ShapeTypeStructure, &traits.HTTPError{Code: status})
		s.AddMember("message", text)
		registry.Entries[s.ID().String()] = &smithy.TypeRegistryEntry{Schema: s, New: func() any { return &exception{} }}
	}
	return registry
}
