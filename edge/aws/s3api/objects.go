package s3api

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/service/s3"
)

// kept are the headers that an object is given back with, beside x-amz-meta-….
var kept = []string{"Content-Type", "Content-Language", "Content-Disposition", "Cache-Control", "Expires"}

// header is what of a request's headers is kept with an object, by lower-case names.
func (r *request) header() map[string]string {
	h := map[string]string{}
	for _, name := range kept {
		if value := r.Header.Get(name); value != "" {
			h[strings.ToLower(name)] = value
		}
	}
	var encodings []string
	for encoding := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
		if encoding = strings.TrimSpace(encoding); encoding != "" && encoding != "aws-chunked" {
			encodings = append(encodings, encoding)
		}
	}
	if len(encodings) > 0 {
		h["content-encoding"] = strings.Join(encodings, ",")
	}
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-meta-") {
			h[name] = strings.Join(values, ",")
		}
	}
	return h
}

// expect is what the client says of its body.
func (r *request) expect() (s3.Expect, error) {
	e := s3.Expect{MD5: r.Header.Get("Content-Md5")}
	algorithm, value, err := r.checksum()
	if err != nil {
		return e, err
	}
	if algorithm != "" {
		e.Algorithm, e.Checksum = algorithm, func() string { return value }
		return e, nil
	}
	if algorithm, ok := strings.CutPrefix(strings.ToLower(r.Header.Get("X-Amz-Trailer")), "x-amz-checksum-"); ok {
		e.Algorithm, e.Checksum = algorithm, func() string { return r.Trailer.Get("X-Amz-Checksum-" + algorithm) }
		return e, nil
	}
	e.Algorithm = strings.ToLower(r.Header.Get("X-Amz-Sdk-Checksum-Algorithm"))
	return e, nil
}

// checksum is the one that the request's headers name, both empty for none.
func (r *request) checksum() (algorithm, value string, err error) {
	for name, values := range r.Header {
		a, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-checksum-")
		if !ok || !s3.IsAlgorithm(a) {
			continue
		}
		if algorithm != "" || len(values) > 1 {
			return "", "", minato.Errorf(minato.Invalid, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.").Because(s3.InvalidRequest)
		}
		if algorithm, value = a, values[0]; value == "" {
			return "", "", minato.Errorf(minato.Invalid, "Value for %s header is invalid: it is empty.", strings.ToLower(name)).Because(s3.InvalidRequest)
		}
	}
	return algorithm, value, nil
}

// conditions are the request's, from headers with a prefix.
func (r *request) conditions(prefix string) s3.Conditions {
	at := func(name string) time.Time {
		t, _ := http.ParseTime(r.Header.Get(prefix + name)) // one that is no time is none (RFC 9110)
		return t
	}
	return s3.Conditions{
		Match: r.Header.Get(prefix + "If-Match"), NoneMatch: r.Header.Get(prefix + "If-None-Match"),
		ModifiedSince: at("If-Modified-Since"), Unmodified: at("If-Unmodified-Since"),
	}
}

func putObject(r *request) error {
	if r.ContentLength < 0 {
		return minato.Errorf(minato.Invalid, "You must provide the Content-Length HTTP header.").Because("MissingContentLength")
	}
	expect, err := r.expect()
	if err != nil {
		return err
	}
	o, err := r.service.PutObject(r.ctx(), r.caller, s3.Put{
		Ref: r.ref, Body: r.Body, Header: r.header(), Expect: expect, If: r.conditions(""),
	})
	if err != nil {
		return err
	}
	r.tag(&o.Meta)
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// tag writes the headers of what was written: the ETag, quoted, and checksums.
func (r *request) tag(m *objectstore.Meta) {
	r.w.Header().Set("Etag", `"`+m.ETag+`"`)
	r.checksums(m)
}

func (r *request) checksums(m *objectstore.Meta) {
	for name, value := range m.Header {
		if strings.HasPrefix(name, "x-amz-checksum-") {
			r.w.Header().Set(name, value)
		}
	}
}

func getObject(r *request) error {
	o, contents, err := r.service.GetObject(r.ctx(), r.caller, r.ref, r.conditions(""))
	if err != nil {
		return r.unchanged(&o, err)
	}
	defer contents.Close()
	offset, length, err := r.describe(&o)
	if err != nil {
		return err
	}
	if err := contents.WriteRange(aws.Moving(r.w), offset, length); err != nil {
		// The head is out: the connection must break, so that the client sees that something is missing.
		aws.CallFrom(r.ctx()).Err = err
		panic(http.ErrAbortHandler)
	}
	return nil
}

func headObject(r *request) error {
	o, err := r.service.HeadObject(r.ctx(), r.caller, r.ref, r.conditions(""))
	if err != nil {
		return r.unchanged(&o, err)
	}
	_, _, err = r.describe(&o)
	return err
}

// unchanged says of an object that is not sent, because the client has it, which one that is (RFC 9110, 15.4.5).
func (r *request) unchanged(o *objectstore.Object, err error) error {
	if codeOf(err) == s3.NotModified {
		r.w.Header().Set("Etag", `"`+o.ETag+`"`)
		r.w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	}
	return err
}

// describe writes the head of an answer with an object, or with a range of it.
func (r *request) describe(o *objectstore.Object) (offset, length int64, err error) {
	h := r.w.Header()
	span, partial, err := r.wanted(o)
	if err != nil {
		if codeOf(err) == s3.InvalidRange {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.Size))
		}
		return 0, 0, err
	}
	h.Set("Content-Type", "binary/octet-stream")
	for name, value := range o.Header {
		switch {
		case strings.HasPrefix(name, "x-amz-meta-"):
			h[name] = []string{value} // in lower case, as it was: SDKs give the names of metadata to their users
		case !strings.HasPrefix(name, "x-amz-"):
			h.Set(name, value)
		}
	}
	for _, name := range append(kept, "Content-Encoding") {
		if value := r.query.Get("response-" + strings.ToLower(name)); value != "" {
			h.Set(name, value)
		}
	}
	h.Set("Etag", `"`+o.ETag+`"`)
	h.Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(span.length, 10))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", span.offset, span.offset+span.length-1, o.Size))
	}
	if span.length == o.Size && strings.EqualFold(r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		r.checksums(&o.Meta)
	}
	r.w.WriteHeader(status)
	return span.offset, span.length, nil
}

func deleteObject(r *request) error {
	return r.noContent(r.service.DeleteObject(r.ctx(), r.caller, r.ref, r.conditions("")))
}

// source is the object that a copy is of.
func (r *request) source() (s3.Ref, error) {
	raw := r.Header.Get("X-Amz-Copy-Source")
	path, version, _ := strings.Cut(raw, "?versionId=")
	if err := checkVersion(version); err != nil {
		return s3.Ref{}, err
	}
	path, err := url.PathUnescape(path)
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err != nil || !ok || bucket == "" || key == "" {
		return s3.Ref{}, minato.Errorf(minato.Invalid, "x-amz-copy-source is %q: want BUCKET/KEY, URL-encoded", raw).Because(s3.InvalidArgument)
	}
	return s3.Ref{Bucket: bucket, Key: key}, nil
}

// copied is the answer of a copy.
type copied struct {
	XMLName      xml.Name
	LastModified string
	ETag         string
	Checksums    []field
}

func copyObject(r *request) error {
	source, err := r.source()
	if err != nil {
		return err
	}
	in := s3.Copy{Ref: r.ref, Source: source, If: r.conditions(""), SourceIf: r.conditions("X-Amz-Copy-Source-"),
		Algorithm: strings.ToLower(r.Header.Get("X-Amz-Checksum-Algorithm"))}
	if strings.EqualFold(r.Header.Get("X-Amz-Metadata-Directive"), "REPLACE") {
		in.Header = r.header()
	}
	o, err := r.service.CopyObject(r.ctx(), r.caller, in)
	if err != nil {
		return err
	}
	return r.writeXML(copied{xml.Name{Space: namespace, Local: "CopyObjectResult"}, o.Modified.Format(timeForm), `"` + o.ETag + `"`, checksumFields(&o.Meta)})
}

// maxDeletes is how many objects one request may delete.
const maxDeletes = 1000

func deleteObjects(r *request) error {
	var in struct {
		Quiet   bool
		Objects []struct {
			Key, ETag string
			VersionID string `xml:"VersionId"`
		} `xml:"Object"`
	}
	if err := r.readXML(&in); err != nil {
		return err
	}
	if len(in.Objects) == 0 || len(in.Objects) > maxDeletes {
		return minato.Errorf(minato.Invalid, "The request names %d objects: want 1 to %d", len(in.Objects), maxDeletes).Because("MalformedXML")
	}
	type deleted struct{ Key string }
	type failed struct{ Key, Code, Message string }
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []deleted
		Error   []failed
	}{}
	for _, o := range in.Objects {
		err := checkVersion(o.VersionID)
		if err == nil {
			err = r.service.DeleteObject(r.ctx(), r.caller, s3.Ref{Bucket: r.ref.Bucket, Key: o.Key}, s3.Conditions{Match: o.ETag})
		}
		if err != nil {
			code, _, message, _ := describe(err)
			out.Error = append(out.Error, failed{o.Key, code, message})
		} else if !in.Quiet {
			out.Deleted = append(out.Deleted, deleted{o.Key})
		}
	}
	return r.writeXML(out)
}
