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

// ObjectSetting finds an object for those who may do something with it, "GetObjectTagging", and answers whose it is.
func (s *Service) ObjectSetting(ctx context.Context, c Caller, r Ref, action string) (owner string, err error) {
	b, err := s.open(ctx, c, r.Bucket, question{action: action, key: r.Key})
	if err != nil {
		return "", err
	}
	if _, err := s.Objects.Head(b.ID, r.Key); err != nil {
		return "", s.missing(ctx, c, &b, r.Key, err)
	}
	return b.Account, nil
}
