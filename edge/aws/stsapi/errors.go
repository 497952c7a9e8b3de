package stsapi

import (
	"net/http"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/query"
)

// codes are STS's error codes (STS API reference, "Errors" of each operation, and "Common Errors"); most errors bring a finer
// one as their reason.
var codes = query.Codes{
	minato.Invalid:         {Name: "ValidationError", Status: http.StatusBadRequest},
	minato.Denied:          {Name: "AccessDenied", Status: http.StatusForbidden},
	minato.Unauthenticated: {Name: "InvalidClientTokenId", Status: http.StatusForbidden},
	minato.Internal:        {Name: "InternalFailure", Status: http.StatusInternalServerError},
}
