package s3api

import (
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/service/s3"
)

// span is a part of an object.
type span struct{ offset, length int64 }

// byteRange is what a Range header asks for of a size, and whether it asks for a part, which may be all of it. One that is not understood
// asks for nothing (RFC 9110, 14.2).
func byteRange(header string, size int64) (s span, partial bool, err error) {
	whole := span{0, size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return whole, false, nil
	}
	unsatisfiable := minato.Errorf(minato.Invalid, "The requested range is not satisfiable").Because(s3.InvalidRange).With("RangeRequested", header)
	from, understood := position(first)
	to, bounded := position(last)
	switch {
	case first == "" && bounded && to > 0 && size > 0: // the last bytes
		to = min(to, size)
		return span{size - to, to}, true, nil
	case first == "" && bounded:
		return span{}, false, unsatisfiable
	case !understood || last != "" && (!bounded || to < from):
		return whole, false, nil
	case from >= size:
		return span{}, false, unsatisfiable
	case last == "":
		to = size - 1
	}
	return span{from, min(to, size-1) - from + 1}, true, nil
}

// copyRange is what x-amz-copy-source-range asks for of a size. What it does not say exactly is refused: the copy would have other bytes
// than its maker thinks.
func copyRange(header string, size int64) (span, error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, _ := strings.Cut(spec, "-")
	from, understood := position(first)
	to, bounded := position(last)
	if !ok || !understood || !bounded || to < from {
		return span{}, minato.Errorf(minato.Invalid, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "+
			"zero-based offsets of the first and last bytes to copy").Because(s3.InvalidArgument).With("ArgumentName", "x-amz-copy-source-range").With("ArgumentValue", header)
	}
	if to >= size {
		return span{}, minato.Errorf(minato.Invalid, "Range specified is not valid for source object of size: %d", size).Because(s3.InvalidArgument).
			With("ArgumentName", "x-amz-copy-source-range").With("ArgumentValue", header)
	}
	return span{from, to - from + 1}, nil
}

// InvalidPartNumber is the code of a part that an object does not have ("List of error codes", S3 API reference).
const InvalidPartNumber = "InvalidPartNumber"

// wanted is what a request asks for of an object: a part by its number, or a range.
func (r *request) wanted(o *objectstore.Object) (s span, partial bool, err error) {
	header := r.Header.Get("Range")
	if !r.query.Has("partNumber") {
		return byteRange(header, o.Size)
	}
	if header != "" {
		return s, false, minato.Errorf(minato.Invalid, "Cannot specify both Range header and partNumber query parameter").Because(s3.InvalidRequest)
	}
	number, err := r.number("partNumber", 0)
	if err != nil {
		return s, false, err
	}
	if number < 1 || number > s3.MaxParts {
		return s, false, minato.Errorf(minato.Invalid, "Part number must be an integer between 1 and %d, inclusive", s3.MaxParts).Because(s3.InvalidArgument)
	}
	offset, length, ok := o.Part(number)
	if !ok {
		return s, false, minato.Errorf(minato.Invalid, "The requested partnumber is not satisfiable").Because(InvalidPartNumber).With("PartNumberRequested", strconv.Itoa(number)).
			With("ActualPartCount", strconv.Itoa(max(o.Parts, 1)))
	}
	if o.Parts > 0 {
		r.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(o.Parts))
	}
	return span{offset, length}, length > 0, nil // no Content-Range says nothing
}

func position(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}
