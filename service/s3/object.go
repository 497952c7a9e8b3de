package s3

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
)

// Bounds of S3 ("Amazon S3 multipart upload limits", "Object key and metadata").
const (
	MaxPut      = 5 << 30 // bytes of one PutObject or part
	maxKey      = 1024    // bytes
	maxMetadata = 2 << 10 // bytes of x-amz-meta- names and values
)

// Ref names an object.
type Ref struct{ Bucket, Key string }

func (r Ref) check() error {
	if r.Key == "" || !utf8.ValidString(r.Key) {
		return invalid(InvalidArgument, "The key %q is not valid: want 1 to %d bytes of UTF-8", r.Key, maxKey)
	}
	if len(r.Key) > maxKey {
		return minato.Errorf(minato.Invalid, "Your key is too long: it has %d bytes, want %d at most", len(r.Key), maxKey).Because(KeyTooLong)
	}
	return nil
}

// Conditions are those of a request, as HTTP has them; empty for none.
type Conditions struct {
	Match, NoneMatch          string
	ModifiedSince, Unmodified time.Time
}

// check is whether an object, nil for none, may be read or replaced.
func (c *Conditions) check(o *objectstore.Object, reading bool) error {
	failed := func(name string) error {
		return minato.Errorf(minato.PreconditionFail, "At least one of the pre-conditions you specified did not hold").Because(PreconditionFailed).With("Condition", name)
	}
	if c.Match != "" {
		if o == nil {
			return notFound(NoSuchKey, "The specified key does not exist.")
		}
		if !matches(c.Match, o.ETag) {
			return failed("If-Match")
		}
	} else if o != nil && !c.Unmodified.IsZero() && o.Modified.Truncate(time.Second).After(c.Unmodified) {
		return failed("If-Unmodified-Since")
	}
	notModified := false
	if c.NoneMatch != "" {
		notModified = o != nil && matches(c.NoneMatch, o.ETag)
	} else if o != nil && !c.ModifiedSince.IsZero() {
		notModified = !o.Modified.Truncate(time.Second).After(c.ModifiedSince)
	}
	switch {
	case notModified && reading:
		return minato.Errorf(minato.PreconditionFail, "Not Modified").Because(NotModified)
	case notModified:
		return failed("If-None-Match")
	}
	return nil
}

// matches is whether an ETag is in a list of them.
func matches(list, etag string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(one string) bool {
		one = strings.TrimSpace(one)
		return one == "*" || strings.Trim(one, `"`) == etag
	})
}

// Put is a request to write an object.
type Put struct {
	Ref
	Body   io.Reader
	Header map[string]string // to be given back: content-type, x-amz-meta-…
	Expect Expect
	If     Conditions
}

// checkHeader bounds what is kept beside an object.
func checkHeader(header map[string]string) error {
	size := 0
	for name, value := range header {
		if meta, ok := strings.CutPrefix(name, "x-amz-meta-"); ok {
			size += len(meta) + len(value)
		}
	}
	if size > maxMetadata {
		return invalid("MetadataTooLarge", "Your metadata headers have %d bytes: want %d at most", size, maxMetadata)
	}
	return nil
}

// PutObject writes an object.
func (s *Service) PutObject(ctx context.Context, c Caller, in Put) (objectstore.Object, error) {
	if err := errors.Join(in.check(), checkHeader(in.Header)); err != nil {
		return objectstore.Object{}, err
	}
	b, err := s.open(ctx, c, in.Bucket, question{action: "PutObject", key: in.Key})
	if err != nil {
		return objectstore.Object{}, err
	}
	d, err := newDigest(in.Body, in.Expect, in.Header)
	if err != nil {
		return objectstore.Object{}, err
	}
	defer d.md5.Stop()
	o, err := s.Objects.Put(ctx, b.ID, in.Key, d, d.finish, func(old *objectstore.Object) error { return in.If.check(old, false) })
	return o, contentError(err)
}

// GetObject opens an object, whose contents the caller closes.
func (s *Service) GetObject(ctx context.Context, c Caller, r Ref, conditions Conditions) (objectstore.Object, *objectstore.Contents, error) {
	b, err := s.open(ctx, c, r.Bucket, question{action: "GetObject", key: r.Key})
	if err != nil {
		return objectstore.Object{}, nil, err
	}
	o, contents, err := s.Objects.Get(b.ID, r.Key)
	if err != nil {
		return o, nil, s.missing(ctx, c, &b, r.Key, err)
	}
	if err := conditions.check(&o, true); err != nil {
		contents.Close()
		return o, nil, err
	}
	return o, contents, nil
}

// HeadObject is an object without its contents.
func (s *Service) HeadObject(ctx context.Context, c Caller, r Ref, conditions Conditions) (objectstore.Object, error) {
	b, err := s.open(ctx, c, r.Bucket, question{action: "GetObject", key: r.Key})
	if err != nil {
		return objectstore.Object{}, err
	}
	o, err := s.Objects.Head(b.ID, r.Key)
	if err != nil {
		return o, s.missing(ctx, c, &b, r.Key, err)
	}
	return o, conditions.check(&o, true)
}

// missing is the error for an object that is not there: only who may list the bucket learns that (GetObject, S3 API reference).
func (s *Service) missing(ctx context.Context, c Caller, b *Bucket, key string, err error) error {
	if !errors.Is(err, objectstore.ErrNoObject) {
		return contentError(err)
	}
	if err := s.may(ctx, c, b, question{action: "ListBucket"}); err != nil {
		return err
	}
	return notFound(NoSuchKey, "The specified key does not exist.").With("Key", key)
}

// DeleteObject deletes an object, if there is one.
func (s *Service) DeleteObject(ctx context.Context, c Caller, r Ref, conditions Conditions) error {
	b, err := s.open(ctx, c, r.Bucket, question{action: "DeleteObject", key: r.Key})
	if err != nil {
		return err
	}
	return contentError(s.Objects.Delete(b.ID, r.Key, func(old *objectstore.Object) error {
		if old == nil && conditions == (Conditions{}) {
			return nil
		}
		return conditions.check(old, false)
	}))
}

// Copy is a request to write an object with the contents of another.
type Copy struct {
	Ref
	Source Ref
	// Header replaces the source's where it is not nil.
	Header     map[string]string
	If         Conditions
	SourceIf   Conditions
	Algorithm  string // of the copy's checksum, in lower case; empty for the source's
	PartNumber int    // of the upload UploadID, where the copy becomes a part
	UploadID   string
	Range      func(size int64) (offset, length int64, err error) // of the source, nil for all
}

// CopyObject copies an object, which the caller must be allowed to read.
func (s *Service) CopyObject(ctx context.Context, c Caller, in Copy) (objectstore.Object, error) {
	source, contents, err := s.GetObject(ctx, c, in.Source, in.SourceIf)
	if err != nil {
		return objectstore.Object{}, copyError(err)
	}
	defer contents.Close()
	if in.Ref == in.Source && in.Header == nil {
		return objectstore.Object{}, invalid(InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the "+
			"object's metadata, storage class, website redirect location or encryption attributes.")
	}
	header, expect := map[string]string{}, Expect{Algorithm: in.Algorithm}
	for name, value := range source.Header {
		algorithm, isChecksum := strings.CutPrefix(name, checksumHeader(""))
		switch {
		case !isChecksum:
			header[name] = value
		case in.Algorithm == "" && IsAlgorithm(algorithm):
			expect.Algorithm = algorithm
		}
	}
	if in.Header != nil {
		header = in.Header
	}
	body, stop := pipe(contents, 0, source.Size)
	defer stop()
	return s.PutObject(ctx, c, Put{Ref: in.Ref, Body: body, Header: header, Expect: expect, If: in.If})
}

// copyError is the error of reading a copy's source: a condition there is never "not modified".
func copyError(err error) error {
	if e, ok := errors.AsType[*minato.Error](err); ok && e.Reason == NotModified {
		return minato.Errorf(minato.PreconditionFail, "At least one of the pre-conditions you specified did not hold").Because(PreconditionFailed)
	}
	return err
}

// pipe reads contents as a stream. stop ends it.
func pipe(contents *objectstore.Contents, offset, length int64) (body io.Reader, stop func()) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(contents.WriteRange(w, offset, length))
	}()
	return r, func() {
		_ = r.Close()
		<-done
	}
}

// contentError turns what the object store answers into S3's words.
func contentError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, objectstore.ErrNoBucket):
		return notFound(NoSuchBucket, "The specified bucket does not exist")
	case errors.Is(err, objectstore.ErrNoUpload):
		return notFound(NoSuchUpload, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	case errors.Is(err, objectstore.ErrNoPart):
		return invalid(InvalidPart, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag: %v", err)
	case errors.Is(err, objectstore.ErrPartTooSmall):
		return invalid(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed object size: %v", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return minato.Errorf(minato.Unavailable, "The disk that holds the objects is full: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
	}
	return err
}
