package s3

import (
	"context"

	"minato.dev/minato/engine/objectstore"
)

// ObjectAttributes is an object without its contents, for those who may know its attributes as well as read it (GetObjectAttributes, S3 API
// reference).
func (s *Service) ObjectAttributes(ctx context.Context, c Caller, r Ref) (objectstore.Object, error) {
	if _, err := s.open(ctx, c, r.Bucket, question{action: "GetObjectAttributes", key: r.Key}); err != nil {
		return objectstore.Object{}, err
	}
	return s.HeadObject(ctx, c, r, Conditions{})
}
