package aws

import (
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/internal/sigv4"
)

// Protocol is one of the ways in which AWS services spell the errors that they have in common.
type Protocol int

// The protocols.
const (
	JSON Protocol = iota
	Query
	EC2Query
	S3 // S3's XML
)

// Reasons of the errors that the listener answers itself, before a service sees the request. FailureCode spells them as a
// protocol does.
const (
	MissingToken        = sigv4.Missing           // the request is not signed
	IncompleteSignature = sigv4.Incomplete        // it is, in a way that cannot be understood
	SignatureMismatch   = sigv4.Mismatch          // the signature is wrong, too old, or for somewhere else
	RequestExpired      = sigv4.Expired           // a presigned request came too late
	SkewedSignature     = sigv4.Skewed            // S3's: the clock of who signed it is off
	MissingContentHash  = sigv4.Unhashed          // S3's: nothing says how the body is signed
	OutdatedSignature   = sigv4.Outdated          // the signature is of Version 2
	UnknownKey          = "InvalidClientTokenId"  // no such access key
	InvalidToken        = "InvalidToken"          // the session token is not one of ours, or another key's
	ExpiredToken        = "ExpiredToken"          // the session is over
	TooLarge            = "RequestEntityTooLarge" // the body is over the bound
	Throttling          = "Throttling"            // too many requests by this principal
	UnknownService      = "UnknownService"        // no service here signs by that name
)

type code struct {
	name   string
	status int
}

// failures is how AWS answers, by reason and protocol. Sources: "Common errors" in the API references of EKS (JSON) and IAM
// (Query), "Error codes for the Amazon EC2 API" (EC2Query), "Error responses" in the API reference of S3 (S3).
var failures = map[string][4]code{
	MissingToken:        {{"MissingAuthenticationTokenException", 403}, {"MissingAuthenticationToken", 403}, {"AuthFailure", 401}, {"AccessDenied", 403}},
	IncompleteSignature: {{"IncompleteSignatureException", 403}, {"IncompleteSignature", 400}, {"AuthFailure", 401}, {"AuthorizationHeaderMalformed", 400}},
	SignatureMismatch:   {{"InvalidSignatureException", 403}, {"SignatureDoesNotMatch", 403}, {"AuthFailure", 401}, {"SignatureDoesNotMatch", 403}},
	RequestExpired:      {{"RequestExpired", 403}, {"RequestExpired", 400}, {"RequestExpired", 400}, {"AccessDenied", 403}},
	SkewedSignature:     {{"InvalidSignatureException", 403}, {"SignatureDoesNotMatch", 403}, {"AuthFailure", 401}, {"RequestTimeTooSkewed", 403}},
	MissingContentHash:  {{"InvalidRequest", 400}, {"InvalidRequest", 400}, {"InvalidRequest", 400}, {"InvalidRequest", 400}},
	OutdatedSignature:   {{"InvalidRequest", 400}, {"InvalidRequest", 400}, {"InvalidRequest", 400}, {"InvalidRequest", 400}},
	UnknownKey:          {{"UnrecognizedClientException", 403}, {"InvalidClientTokenId", 403}, {"AuthFailure", 401}, {"InvalidAccessKeyId", 403}},
	InvalidToken:        {{"UnrecognizedClientException", 403}, {"InvalidClientTokenId", 403}, {"AuthFailure", 401}, {"InvalidToken", 400}},
	ExpiredToken:        {{"ExpiredTokenException", 403}, {"ExpiredToken", 403}, {"RequestExpired", 400}, {"ExpiredToken", 400}},
	TooLarge:            {{"RequestEntityTooLargeException", 413}, {"RequestEntityTooLarge", 413}, {"RequestEntityTooLarge", 413}, {"EntityTooLarge", 400}},
	Throttling:          {{"ThrottlingException", 429}, {"Throttling", 400}, {"RequestLimitExceeded", 503}, {"SlowDown", 503}},
	UnknownService:      {{"UnknownServiceException", 400}, {"UnknownService", 400}, {"UnknownService", 400}, {"InvalidRequest", 400}},
}

// FailureCode is the code and the HTTP status of an error that the listener made; ok is false for any other error. A
// service's WriteError asks here first.
func FailureCode(err error, p Protocol) (name string, status int, ok bool) {
	e, ok := errors.AsType[*minato.Error](err)
	if !ok {
		return "", 0, false
	}
	byProtocol, ok := failures[e.Reason]
	return byProtocol[p].name, byProtocol[p].status, ok
}
