package iam

import (
	"minato.dev/minato"
)

// Reasons of the errors of this service, spelled as IAM's error codes. ValidationError is AWS's word for a parameter that
// breaks a constraint of the API's model, InvalidInput for one that is wrong beyond it.
const (
	NoSuchEntity            = "NoSuchEntity"
	EntityAlreadyExists     = "EntityAlreadyExists"
	DeleteConflict          = "DeleteConflict"
	LimitExceeded           = "LimitExceeded"
	ValidationError         = "ValidationError"
	InvalidInput            = "InvalidInput"
	MalformedPolicyDocument = "MalformedPolicyDocument"
	AccessDenied            = "AccessDenied"
)

// Reasons of errors about credentials.
const (
	InvalidClientTokenID = "InvalidClientTokenId"
	InvalidToken         = "InvalidToken"
	ExpiredToken         = "ExpiredToken"
)

func notFound(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.NotFound, format, args...).Because(NoSuchEntity)
}

func alreadyExists(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.AlreadyExists, format, args...).Because(EntityAlreadyExists)
}

func deleteConflict(message string) *minato.Error {
	return minato.Errorf(minato.InUse, "%s", message).Because(DeleteConflict)
}

func limitExceeded(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.LimitExceeded, format, args...).Because(LimitExceeded)
}

func invalid(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(ValidationError)
}

func invalidInput(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(InvalidInput)
}

// malformed is a policy document that cannot be read: err says where.
func malformed(err error) *minato.Error {
	return minato.Errorf(minato.Invalid, "%s", err).Because(MalformedPolicyDocument)
}

func unknownKey() *minato.Error {
	return minato.Errorf(minato.Unauthenticated, "The security token included in the request is invalid.").
		Because(InvalidClientTokenID)
}

func unknownToken() *minato.Error {
	return minato.Errorf(minato.Unauthenticated, "The security token included in the request is invalid").Because(InvalidToken)
}

func expiredToken() *minato.Error {
	return minato.Errorf(minato.Unauthenticated, "The security token included in the request is expired").Because(ExpiredToken)
}
