package s3api

import (
	"net/http"
	"testing"

	"minato.dev/minato"
)

// TestEveryKindHasACode is that no error of a kind is answered with the status 0.
func TestEveryKindHasACode(t *testing.T) {
	t.Parallel()
	for _, kind := range []minato.Kind{
		minato.Internal, minato.Invalid, minato.NotFound, minato.AlreadyExists, minato.InUse, minato.WrongState, minato.PreconditionFail, minato.LimitExceeded,
		minato.Denied, minato.Unauthenticated, minato.Throttled, minato.Unsupported, minato.Unavailable, minato.Conflict, "one to come",
	} {
		if code, status, _, _ := describe(minato.Errorf(kind, "x")); code == "" || http.StatusText(status) == "" {
			t.Errorf("%s: %q, %d", kind, code, status)
		}
	}
}
