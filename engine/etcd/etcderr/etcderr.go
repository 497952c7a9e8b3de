// Package etcderr turns the errors of an etcd client into Minato's: what may pass by itself is minato.Unavailable.
package etcderr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"minato.dev/minato"
)

// Wrap says what was being done when err came. An etcd that is away, slow, without a leader or full gives an error of kind
// Unavailable whose message is fit to be shown; a cancellation stays one for errors.Is; all else keeps kind Internal.
func Wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	cause := fmt.Errorf("%s: %w", doing, err)
	message := ""
	switch code := Code(err); {
	case errors.Is(err, context.Canceled):
		return cause
	case errors.Is(err, rpctypes.ErrNoSpace):
		message = "the state store (etcd) is full and takes no writes until it has been made smaller; see minato status"
	case errors.Is(err, context.DeadlineExceeded), code == codes.DeadlineExceeded:
		message = "the state store (etcd) did not answer in time; try again"
	case code == codes.Unavailable, errors.Is(err, rpctypes.ErrTooManyRequests):
		message = "the state store (etcd) is not available; try again"
	default:
		return cause
	}
	return &minato.Error{Kind: minato.Unavailable, Message: message, Err: cause}
}

// Code is the gRPC code of an error that an etcd client answered with.
func Code(err error) codes.Code {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return e.Code()
	}
	for _, refusal := range watchRefusals {
		if err != nil && err.Error() == refusal.Error() {
			return status.Code(refusal)
		}
	}
	return status.Code(err)
}

// watchRefusals are errors that etcd sends as a text when it refuses a watch; the client does not take them apart.
var watchRefusals = []error{
	rpctypes.ErrGRPCPermissionDenied,
	rpctypes.ErrGRPCUserEmpty,
	rpctypes.ErrGRPCInvalidAuthToken,
	rpctypes.ErrGRPCAuthOldRevision,
}

// Permanent is whether err comes from the request itself, so that asking again cannot help.
func Permanent(err error) bool {
	switch Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
		return !strings.Contains(err.Error(), rpctypes.ErrAuthOldRevision.Error()) // users or roles changed in between
	}
	return false
}
