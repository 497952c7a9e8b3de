package etcd

import (
	"context"

	"google.golang.org/grpc"
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
	return handler(srv, endingStream{stream, ctx})
}

type endingStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context is the stream's, and ends with etcd.
func (s endingStream) Context() context.Context { return s.ctx }
