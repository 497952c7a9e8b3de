package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
)

// Completion is a request to make an object of parts of an upload, with what the client says of them. The Number of its PartRef means
// nothing.
type Completion struct {
	PartRef
	Parts []CompletedPart
	If    Conditions
	// Algorithm, in lower case, Checksum and its Type are the object's; empty for none.
	Algorithm, Checksum, Type string
	Size                      *int64 // the object's, in bytes; nil for none
}

// CompletedPart is one of its parts.
type CompletedPart struct {
	objectstore.Named
	Checksums map[string]string // by algorithm, in lower case
}

// CompleteUpload makes an object of parts of an upload. Who did not see the answer and asks again is answered the same, as long as the
// object is that one (CompleteMultipartUpload, S3 API reference).
func (s *Service) CompleteUpload(ctx context.Context, c Caller, in Completion) (objectstore.Object, error) {
	b, err := s.open(ctx, c, in.Bucket, question{action: "PutObject", key: in.Key})
	if err != nil {
		return objectstore.Object{}, err
	}
	if len(in.Parts) == 0 || len(in.Parts) > MaxParts {
		return objectstore.Object{}, minato.Errorf(minato.Invalid, "You must specify at least one part, and %d at most", MaxParts).Because("MalformedXML")
	}
	var named []objectstore.Named
	for i, p := range in.Parts {
		if i > 0 && p.Number <= in.Parts[i-1].Number {
			return objectstore.Object{}, invalid(InvalidPartOrder, "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
		named = append(named, p.Named)
	}
	o, err := s.Objects.Complete(b.ID, in.Key, in.UploadID, named, in.finish, func(old *objectstore.Object) error { return in.If.check(old, false) })
	if errors.Is(err, objectstore.ErrNoUpload) {
		if o, err := s.Objects.Head(b.ID, in.Key); err == nil && o.Upload == in.UploadID && o.Parts > 0 {
			return o, in.checkAgain(&o)
		}
	}
	return o, contentError(err)
}

// finish is what is kept of the object, if the parts are what the client says.
func (in *Completion) finish(parts []objectstore.Part, u objectstore.Upload) (objectstore.Meta, error) {
	size := int64(0)
	for i, p := range parts {
		size += p.Extent.Size
		for algorithm, want := range in.Parts[i].Checksums {
			if got := p.Header[checksumHeader(algorithm)]; got != want {
				return objectstore.Meta{}, fmt.Errorf("%w: part %d with the %s %s", objectstore.ErrNoPart, p.Number, strings.ToUpper(algorithm), want)
			}
		}
	}
	meta, err := ofParts(parts, u)
	if err == nil {
		err = in.checkWhole(&meta, size)
	}
	return meta, err
}

// checkAgain is whether a completion that has been before names the same parts, and says the same of the object.
func (in *Completion) checkAgain(o *objectstore.Object) error {
	var parts []objectstore.Part
	for _, p := range in.Parts {
		parts = append(parts, objectstore.Part{Number: p.Number, Meta: objectstore.Meta{ETag: strings.Trim(p.ETag, `"`)}})
	}
	if meta, err := ofParts(parts, objectstore.Upload{}); err != nil || meta.ETag != o.ETag {
		return contentError(fmt.Errorf("%w: the upload has been completed with others", objectstore.ErrNoPart))
	}
	return in.checkWhole(&o.Meta, o.Size)
}

// checkWhole is whether the object is what the client says.
func (in *Completion) checkWhole(m *objectstore.Meta, size int64) error {
	if in.Size != nil && *in.Size != size {
		return invalid(InvalidRequest, "The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.Size, size)
	}
	if of := m.Header[checksumType]; in.Type != "" && in.Type != of {
		return invalid(InvalidRequest, "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", of, in.Type)
	}
	if in.Algorithm == "" {
		return nil
	}
	got, ok := m.Header[checksumHeader(in.Algorithm)]
	if !ok {
		return invalid(InvalidRequest, "Checksum Type mismatch occurred: the upload has not been created with the checksum %s", strings.ToUpper(in.Algorithm))
	}
	ofParts, _, _ := strings.Cut(got, "-")
	if !slices.Contains([]string{got, ofParts}, in.Checksum) {
		return invalid(BadDigest, "The %s you specified did not match the calculated checksum.", in.Algorithm)
	}
	return nil
}
