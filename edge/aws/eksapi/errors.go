package eksapi

import (
	"errors"

	"minato.dev/minato"
)

// exceptions are the modelled errors by kind. One that an operation's model does not list is still decoded by every client:
// it knows all exceptions of the service.
var exceptions = map[minato.Kind]string{
	minato.Invalid:          "InvalidParameterException",
	minato.NotFound:         "ResourceNotFoundException",
	minato.AlreadyExists:    "ResourceInUseException",
	minato.InUse:            "ResourceInUseException",
	minato.Conflict:         "ResourceInUseException",
	minato.WrongState:       "InvalidRequestException",
	minato.PreconditionFail: "InvalidStateException",
	minato.LimitExceeded:    "ResourceLimitExceededException",
	minato.Denied:           "AccessDeniedException",
	minato.Unauthenticated:  "AccessDeniedException",
	minato.Throttled:        "ThrottlingException",
	minato.Unsupported:      "InvalidRequestException",
	minato.Unavailable:      "ServiceUnavailableException",
}

// tagExceptions are those of the three operations on tags, which have their own.
var tagExceptions = map[minato.Kind]string{
	minato.Invalid:  "BadRequestException",
	minato.NotFound: "NotFoundException",
}

// errorCode names the exception that an operation answers an error with.
func errorCode(operation string, err error) string {
	kind := minato.KindOf(err)
	if e, ok := errors.AsType[*minato.Error](err); ok && kind == minato.Unsupported && e.Reason != "" {
		return e.Reason // a refused operation names the exception that its model has
	}
	switch operation {
	case "TagResource", "UntagResource", "ListTagsForResource":
		if code, ok := tagExceptions[kind]; ok {
			return code
		}
	}
	if code, ok := exceptions[kind]; ok {
		return code
	}
	return "ServerException"
}
