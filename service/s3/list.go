package s3

import (
	"context"
	"strconv"

	"minato.dev/minato/engine/objectstore"
)

// maxPage is how many keys and common prefixes a page has at most.
const maxPage = 1000

// ListObjects lists a bucket, whose objects are all its account's, for those who may "ListBucket", or "ListBucketVersions" of it.
func (s *Service) ListObjects(ctx context.Context, c Caller, bucket, action string, o objectstore.ListOptions) (owner string, l objectstore.Listing, err error) {
	b, err := s.open(ctx, c, bucket, question{action: action, keys: map[string]string{
		"prefix": o.Prefix, "delimiter": o.Delimiter, "max-keys": strconv.Itoa(o.Limit),
	}})
	if err != nil {
		return "", l, err
	}
	o.Limit = min(o.Limit, maxPage)
	if o.Limit == 0 {
		return b.Account, l, nil
	}
	l, err = s.Objects.List(b.ID, o)
	return b.Account, l, contentError(err)
}
