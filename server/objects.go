package server

import (
	"context"
	"fmt"

	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/service/s3"
)

// openObjects opens the contents of buckets, which this process alone has open.
func (s *Server) openObjects(ctx context.Context) (string, error) {
	objects, err := objectstore.Open(s.dir.Path("s3"), s.clock.Now)
	if err != nil {
		return "", err
	}
	s.onStop(func() {
		if err := objects.Close(); err != nil {
			s.log.Error("closing the objects failed", "error", err)
		}
	})
	s.s3 = &s3.Service{Store: s.store, Objects: objects, Now: s.clock.Now, Decide: s.iam.DecideOn, BindPrincipals: s.iam.BindPrincipals}
	n, err := s.s3.EnsureContents(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d buckets", n), nil
}
