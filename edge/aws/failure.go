package aws

import (
	"errors"
	"net/http"

	"minato.dev/minato"
)

// Protocol is one of the ways in which AWS services spell the errors that they have in common.
type Protocol int

// The protocols.
const (
	JSON Protocol = iota
	Query
	EC2Query
)

// Reasons of the errors that the listener answers itself, before a service sees the request. FailureCode spells them as a
// protocol does.
const (
	MissingToken        = "MissingAuthenticationToken" // the request is not signed
	IncompleteSignature = "IncompleteSignature"        // it is, in a way that cannot be understood
	SignatureMismatch   = "SignatureDoesNotMatch"      // the signature is wrong, too old, or for somewhere else
	RequestExpired      = "RequestExpired"             // a presigned request came too late
	UnknownKey          = "InvalidClientTokenId"       // no such access key
	InvalidToken        = "InvalidToken"               // the session token is not one of ours, or another key's
	ExpiredToken        = "ExpiredToken"               // the session is over
	TooLarge            = "RequestEntityTooLarge"      // the body is over the bound
	Throttling          = "Throttling"                 // too many requests by this principal
)

type failure struct {
	status int
	codes  [3]string // by Protocol
}

// failures is how AWS answers. EC2 spells authentication its own way (EC2 API reference, "Error codes for the Amazon EC2 API").
var failures = map[string]failure{
	MissingToken:        {403, [3]string{"MissingAuthenticationTokenException", "MissingAuthenticationToken", "AuthFailure"}},
	IncompleteSignature: {403, [3]string{"IncompleteSignatureException", "IncompleteSignature", "AuthFailure"}},
	SignatureMismatch:   {403, [3]string{"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"}},
	RequestExpired:      {403, [3]string{"RequestExpired", "RequestExpired", "RequestExpired"}},
	UnknownKey:          {403, [3]string{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"}},
	InvalidToken:        {403, [3]string{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"}},
	ExpiredToken:        {403, [3]string{"ExpiredTokenException", "ExpiredToken", "RequestExpired"}},
	TooLarge:            {413, [3]string{"RequestEntityTooLargeException", "RequestEntityTooLarge", "RequestEntityTooLarge"}},
	Throttling:          {429, [3]string{"ThrottlingException", "Throttling", "RequestLimitExceeded"}},
}

// FailureCode is the code and the HTTP status of an error that the listener made; ok is false for any other error. A
// service's WriteError asks here first.
func FailureCode(err error, p Protocol) (code string, status int, ok bool) {
	e, isOurs := errors.AsType[*minato.Error](err)
	if !isOurs {
		return "", 0, false
	}
	f, ok := failures[e.Reason]
	if !ok {
		return "", 0, false
	}
	if p == EC2Query && f.codes[p] == "AuthFailure" {
		return f.codes[p], http.StatusUnauthorized, true
	}
	return f.codes[p], f.status, true
}
