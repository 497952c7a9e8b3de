package s3

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"minato.dev/minato/engine/objectstore"
)

// UploadsOptions narrow a list of uploads.
type UploadsOptions struct {
	Prefix, Delimiter string // as in objectstore.ListOptions
	// AfterKey is where a page begins: behind all of that key, and of a common prefix, or, if there is AfterID, behind that upload of it.
	AfterKey, AfterID string
	Limit             int
}

// Uploads is a page of uploads under way, by key and, for one key, by when they began.
type Uploads struct {
	Owner           string // the account whose they all are
	List            []objectstore.Upload
	Prefixes        []string
	More            bool
	LastKey, LastID string // AfterKey and AfterID of the next page
}

// ListUploads are the uploads under way in a bucket.
func (s *Service) ListUploads(ctx context.Context, c Caller, bucket string, o UploadsOptions) (Uploads, error) {
	b, err := s.open(ctx, c, bucket, question{action: "ListBucketMultipartUploads", keys: map[string]string{"prefix": o.Prefix, "delimiter": o.Delimiter}})
	if err != nil {
		return Uploads{}, err
	}
	all, err := s.Objects.Uploads(b.ID, o.Prefix)
	if err != nil {
		return Uploads{}, contentError(err)
	}
	slices.SortFunc(all, func(x, y objectstore.Upload) int {
		return cmp.Or(strings.Compare(x.Key, y.Key), strings.Compare(x.ID, y.ID))
	})
	page := o.page(all)
	page.Owner = b.Account
	return page, nil
}

// page picks a page of all uploads, which are sorted.
func (o *UploadsOptions) page(all []objectstore.Upload) (p Uploads) {
	limit := min(o.Limit, maxPage)
	of := objectstore.ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter}
	for _, u := range all {
		common := of.CommonPrefix(u.Key)
		switch {
		case o.passed(&u, common), common != "" && slices.Contains(p.Prefixes, common):
			continue
		case len(p.List)+len(p.Prefixes) == limit:
			p.More = limit > 0
			return p
		case common != "":
			p.Prefixes, p.LastKey, p.LastID = append(p.Prefixes, common), common, ""
		default:
			p.List, p.LastKey, p.LastID = append(p.List, u), u.Key, u.ID
		}
	}
	return p
}

// passed is whether an upload, or its common prefix, was on a page before.
func (o *UploadsOptions) passed(u *objectstore.Upload, common string) bool {
	switch {
	case o.AfterKey == "":
		return false
	case common != "":
		return common <= o.AfterKey
	case u.Key == o.AfterKey:
		return o.AfterID == "" || u.ID <= o.AfterID
	}
	return u.Key < o.AfterKey
}
