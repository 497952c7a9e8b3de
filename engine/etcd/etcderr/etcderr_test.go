package etcderr_test

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	if err := etcderr.Wrap("reading", nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	for name, c := range map[string]struct {
		err       error
		kind      minato.Kind
		permanent bool
	}{
		"no leader":              {rpctypes.ErrNoLeader, minato.Unavailable, false},
		"full":                   {rpctypes.ErrNoSpace, minato.Unavailable, false},
		"busy":                   {rpctypes.ErrTooManyRequests, minato.Unavailable, false},
		"timeout of etcd":        {rpctypes.ErrTimeout, minato.Unavailable, false},
		"connection lost":        {status.Error(codes.Unavailable, "EOF"), minato.Unavailable, false},
		"deadline":               {context.DeadlineExceeded, minato.Unavailable, false},
		"deadline of gRPC":       {status.Error(codes.DeadlineExceeded, "x"), minato.Unavailable, false},
		"cancelled":              {context.Canceled, minato.Internal, false},
		"users changed":          {rpctypes.ErrAuthOldRevision, minato.Internal, false},
		"users changed, watch":   {errors.New(rpctypes.ErrGRPCAuthOldRevision.Error()), minato.Internal, false},
		"forbidden":              {rpctypes.ErrPermissionDenied, minato.Internal, true},
		"forbidden, watch":       {errors.New(rpctypes.ErrGRPCPermissionDenied.Error()), minato.Internal, true},
		"too large":              {rpctypes.ErrRequestTooLarge, minato.Internal, true},
		"too large for gRPC":     {status.Error(codes.ResourceExhausted, "trying to send message larger than max"), minato.Internal, false},
		"compacted":              {rpctypes.ErrCompacted, minato.Internal, true},
		"nothing etcd would say": {errors.New("x"), minato.Internal, false},
	} {
		err := etcderr.Wrap("reading", c.err)
		if minato.KindOf(err) != c.kind || !errors.Is(err, c.err) {
			t.Errorf("%s: %v of kind %q, want %q and the cause kept", name, err, minato.KindOf(err), c.kind)
		}
		if got := etcderr.Permanent(c.err); got != c.permanent {
			t.Errorf("%s: permanent %v", name, got)
		}
	}
}
