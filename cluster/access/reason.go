package access

import "minato.dev/minato"

// Reasons why a token is not accepted, in the Reason of errors of kind Unauthenticated: for logs and metrics. Beside these
// there are the reasons of internal/sigv4 (SignatureDoesNotMatch, RequestExpired, IncompleteSignature) and of iam.Credentials
// (InvalidClientTokenId, ExpiredToken, InvalidToken).
const (
	NotOurToken       = "NotOurToken"       // it does not begin with Prefix: perhaps another authenticator's
	TokenTooLong      = "TokenTooLong"      // it is longer than MaxTokenBytes
	MalformedToken    = "MalformedToken"    // it is no base64url of a URL
	UntrustedHost     = "UntrustedHost"     // its URL is neither ours nor that of an STS of AWS
	BadParameters     = "BadParameters"     // its query is not that of one signed GetCallerIdentity
	UnknownCluster    = "UnknownCluster"    // there is no such cluster
	UnmappedPrincipal = "UnmappedPrincipal" // the principal is who it says, and nobody on this cluster
)

// accessKeyField is where errors carry the id of the key that a token names.
const accessKeyField = "accessKeyId"

// AccessKeyID is the id of the access key that the token behind err names, empty if it did not get that far. It is not
// secret, and not proven unless the reason is UnmappedPrincipal.
func AccessKeyID(err error) string {
	e, ok := asError(err)
	if !ok {
		return ""
	}
	return e.Fields[accessKeyField]
}

func refuse(reason, format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Unauthenticated, format, args...).Because(reason)
}
