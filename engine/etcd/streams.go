package etcd

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams ends every stream that is still open when etcd stops. etcd's own graceful stop waits seconds for the watches, and
// watches do not end.
type streams struct {
	ctx context.Context
	end context.CancelFunc
}

func newStreams() *streams {
	ctx, end := context.WithCancel(context.Background())
	return &streams{ctx, end}
}

func (s *streams) intercept(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := handler(srv, endingStream{stream, ctx})
	if s.ctx.Err() != nil {
		// Of this code clients know that they may go on where they were, once etcd is back.
		return status.Error(codes.Unavailable, "etcd is stopping")
	}
	return err
}

type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is the stream's, and ends with etcd.
func (s endingStream) Context() context.Context { return s.ctx }
