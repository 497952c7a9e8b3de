package s3

import (
	"context"
	"errors"
	"io"
	"strings"

	"minato.dev/minato/engine/objectstore"
)

// MaxParts is how many parts an upload may have.
const MaxParts = 10_000

// PartRef names a part of an upload.
type PartRef struct {
	Ref
	UploadID string
	Number   int // 1 to MaxParts
}

// CreateUpload begins a multipart upload. The algorithm is that of the checksums of its parts, empty for none, and the type that of the
// object's, empty for the algorithm's own.
func (s *Service) CreateUpload(ctx context.Context, c Caller, r Ref, header map[string]string, algorithm, checksumType string) (objectstore.Upload, error) {
	if err := errors.Join(r.check(), checkHeader(header)); err != nil {
		return objectstore.Upload{}, err
	}
	if algorithm = strings.ToLower(algorithm); algorithm != "" && !IsAlgorithm(algorithm) {
		return objectstore.Upload{}, invalid(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	checksumType, err := typeOf(algorithm, checksumType)
	if err != nil {
		return objectstore.Upload{}, err
	}
	b, err := s.open(ctx, c, r.Bucket, question{action: "PutObject", key: r.Key})
	if err != nil {
		return objectstore.Upload{}, err
	}
	u, err := s.Objects.CreateUpload(b.ID, objectstore.Upload{Key: r.Key, Header: header, Options: map[string]string{"algorithm": algorithm, "type": checksumType}})
	return u, contentError(err)
}

// UploadPart writes a part.
func (s *Service) UploadPart(ctx context.Context, c Caller, r PartRef, body io.Reader, expect Expect) (objectstore.Part, error) {
	if r.Number < 1 || r.Number > MaxParts {
		return objectstore.Part{}, invalid(InvalidArgument, "Part number must be an integer between 1 and %d, inclusive", MaxParts)
	}
	b, err := s.open(ctx, c, r.Bucket, question{action: "PutObject", key: r.Key})
	if err != nil {
		return objectstore.Part{}, err
	}
	u, _, err := s.Objects.Upload(b.ID, r.Key, r.UploadID)
	if err != nil {
		return objectstore.Part{}, contentError(err)
	}
	if of := u.Options["algorithm"]; of != "" {
		if expect.Algorithm != "" && expect.Algorithm != of {
			return objectstore.Part{}, invalid(InvalidRequest, "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", of, expect.Algorithm)
		}
		expect.Algorithm = of
	}
	d, err := newDigest(body, expect, nil)
	if err != nil {
		return objectstore.Part{}, err
	}
	defer d.md5.Stop()
	p, err := s.Objects.PutPart(ctx, b.ID, r.Key, r.UploadID, r.Number, d, d.finish)
	return p, contentError(err)
}

// CopyPart makes a part of another object, or of a range of it.
func (s *Service) CopyPart(ctx context.Context, c Caller, in Copy) (objectstore.Part, error) {
	source, contents, err := s.GetObject(ctx, c, in.Source, in.SourceIf)
	if err != nil {
		return objectstore.Part{}, copyError(err)
	}
	defer contents.Close()
	offset, length := int64(0), source.Size
	if in.Range != nil {
		if offset, length, err = in.Range(source.Size); err != nil {
			return objectstore.Part{}, err
		}
	}
	if length > MaxPut {
		return objectstore.Part{}, invalid(EntityTooLarge, "The part would have %d bytes: want %d at most", length, int64(MaxPut))
	}
	body, stop := pipe(contents, offset, length)
	defer stop()
	return s.UploadPart(ctx, c, PartRef{in.Ref, in.UploadID, in.PartNumber}, body, Expect{})
}

// AbortUpload ends an upload without an object.
func (s *Service) AbortUpload(ctx context.Context, c Caller, r PartRef) error {
	b, err := s.open(ctx, c, r.Bucket, question{action: "AbortMultipartUpload", key: r.Key})
	if err != nil {
		return err
	}
	return contentError(s.Objects.Abort(b.ID, r.Key, r.UploadID))
}

// ListParts are the parts of an upload.
func (s *Service) ListParts(ctx context.Context, c Caller, r PartRef) (objectstore.Upload, []objectstore.Part, error) {
	b, err := s.open(ctx, c, r.Bucket, question{action: "ListMultipartUploadParts", key: r.Key})
	if err != nil {
		return objectstore.Upload{}, nil, err
	}
	u, parts, err := s.Objects.Upload(b.ID, r.Key, r.UploadID)
	return u, parts, contentError(err)
}
