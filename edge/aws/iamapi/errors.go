package iamapi

import (
	"net/http"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/query"
)

// codes are IAM's error codes (IAM API reference, "Errors" of each operation, and "Common Errors"); most errors bring a finer
// one as their reason.
var codes = query.Codes{
	minato.Invalid:         {Name: "ValidationError", Status: http.StatusBadRequest},
	minato.NotFound:        {Name: "NoSuchEntity", Status: http.StatusNotFound},
	minato.AlreadyExists:   {Name: "EntityAlreadyExists", Status: http.StatusConflict},
	minato.InUse:           {Name: "DeleteConflict", Status: http.StatusConflict},
	minato.LimitExceeded:   {Name: "LimitExceeded", Status: http.StatusConflict},
	minato.Denied:          {Name: "AccessDenied", Status: http.StatusForbidden},
	minato.Unauthenticated: {Name: "InvalidClientTokenId", Status: http.StatusForbidden},
	minato.Internal:        {Name: "ServiceFailure", Status: http.StatusInternalServerError},
}
