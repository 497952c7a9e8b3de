package s3api

import (
	"encoding/xml"
	"net/http"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/s3"
)

// part is the part that a request names.
func (r *request) part() (s3.PartRef, error) {
	number, err := r.number("partNumber", 0)
	return s3.PartRef{Ref: r.ref, UploadID: r.query.Get("uploadId"), Number: number}, err
}

func createUpload(r *request) error {
	u, err := r.service.CreateUpload(r.ctx(), r.caller, r.ref, r.header(), r.Header.Get("X-Amz-Checksum-Algorithm"), r.Header.Get("X-Amz-Checksum-Type"))
	if err != nil {
		return err
	}
	if algorithm := u.Options["algorithm"]; algorithm != "" {
		r.w.Header().Set("X-Amz-Checksum-Algorithm", strings.ToUpper(algorithm))
		r.w.Header().Set("X-Amz-Checksum-Type", u.Options["type"])
	}
	return r.writeXML(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{Bucket: r.ref.Bucket, Key: r.ref.Key, UploadID: u.ID})
}

func uploadPart(r *request) error {
	if r.ContentLength < 0 {
		return minato.Errorf(minato.Invalid, "You must provide the Content-Length HTTP header.").Because("MissingContentLength")
	}
	ref, err := r.part()
	if err != nil {
		return err
	}
	expect, err := r.expect()
	if err != nil {
		return err
	}
	p, err := r.service.UploadPart(r.ctx(), r.caller, ref, r.Body, expect)
	if err != nil {
		return err
	}
	r.tag(&p.Meta)
	r.w.WriteHeader(http.StatusOK)
	return nil
}

func uploadPartCopy(r *request) error {
	ref, err := r.part()
	if err != nil {
		return err
	}
	source, err := r.source()
	if err != nil {
		return err
	}
	in := s3.Copy{Ref: r.ref, Source: source, SourceIf: r.conditions("X-Amz-Copy-Source-"), UploadID: ref.UploadID, PartNumber: ref.Number}
	if header := r.Header.Get("X-Amz-Copy-Source-Range"); header != "" {
		in.Range = func(size int64) (int64, int64, error) {
			part, err := copyRange(header, size)
			return part.offset, part.length, err
		}
	}
	p, err := r.service.CopyPart(r.ctx(), r.caller, in)
	if err != nil {
		return err
	}
	return r.writeXML(copied{xml.Name{Space: namespace, Local: "CopyPartResult"}, p.Modified.Format(timeForm), `"` + p.ETag + `"`, checksumFields(&p.Meta)})
}

func abortUpload(r *request) error {
	ref, err := r.part()
	if err != nil {
		return err
	}
	return r.noContent(r.service.AbortUpload(r.ctx(), r.caller, ref))
}

func listParts(r *request) error {
	ref, err := r.part()
	if err != nil {
		return err
	}
	marker, err := r.number("part-number-marker", 0)
	if err != nil {
		return err
	}
	limit, err := r.number("max-parts", 1000)
	if err != nil {
		return err
	}
	u, parts, err := r.service.ListParts(r.ctx(), r.caller, ref)
	if err != nil {
		return err
	}
	type part struct {
		PartNumber         int
		LastModified, ETag string
		Size               int64
		Checksums          []field
	}
	out := struct {
		XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
		Bucket, Key          string
		UploadID             string `xml:"UploadId"`
		PartNumberMarker     int
		NextPartNumberMarker int `xml:",omitempty"`
		MaxParts             int
		IsTruncated          bool
		StorageClass         string
		ChecksumAlgorithm    string `xml:",omitempty"`
		ChecksumType         string `xml:",omitempty"`
		Part                 []part
	}{Bucket: r.ref.Bucket, Key: r.ref.Key, UploadID: ref.UploadID, PartNumberMarker: marker, MaxParts: limit, StorageClass: "STANDARD",
		ChecksumAlgorithm: strings.ToUpper(u.Options["algorithm"]), ChecksumType: u.Options["type"]}
	for _, p := range parts {
		if p.Number <= marker {
			continue
		}
		if len(out.Part) >= min(limit, 1000) {
			out.IsTruncated = true
			break
		}
		out.Part = append(out.Part, part{p.Number, p.Modified.Format(timeForm), `"` + p.ETag + `"`, p.Extent.Size, checksumFields(&p.Meta)})
		out.NextPartNumberMarker = p.Number
	}
	return r.writeXML(out)
}
