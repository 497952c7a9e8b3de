package s3api

import (
	"encoding/xml"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/service/s3"
)

// completedPart is a part as a client that completes an upload names it.
type completedPart struct {
	PartNumber                                                                     int
	ETag                                                                           string
	ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 string
}

func (p *completedPart) part() s3.CompletedPart {
	out := s3.CompletedPart{Named: objectstore.Named{Number: p.PartNumber, ETag: p.ETag}, Checksums: map[string]string{}}
	for algorithm, value := range map[string]string{
		"crc32": p.ChecksumCRC32, "crc32c": p.ChecksumCRC32C, "crc64nvme": p.ChecksumCRC64NVME, "sha1": p.ChecksumSHA1, "sha256": p.ChecksumSHA256,
	} {
		if value != "" {
			out.Checksums[algorithm] = value
		}
	}
	return out
}

// completion is what a request to complete an upload says.
func (r *request) completion() (in s3.Completion, err error) {
	if in.PartRef, err = r.part(); err != nil {
		return in, err
	}
	in.Type = r.Header.Get("X-Amz-Checksum-Type")
	if in.Algorithm, in.Checksum, err = r.checksum(); err != nil { // of the object, not of this body
		return in, err
	}
	if size := r.Header.Get("X-Amz-Mp-Object-Size"); size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 0 {
			return in, minato.Errorf(minato.Invalid, "x-amz-mp-object-size is %q: want a number of bytes", size).Because(s3.InvalidArgument)
		}
		in.Size = &n
	}
	var document struct {
		Parts []completedPart `xml:"Part"`
	}
	b, err := r.readDocument()
	if err == nil {
		err = parseXML(b, &document)
	}
	if err != nil {
		return in, err
	}
	for _, p := range document.Parts {
		in.Parts = append(in.Parts, p.part())
	}
	in.If = r.conditions("")
	return in, nil
}

func completeUpload(r *request) error {
	in, err := r.completion()
	if err != nil {
		return err
	}
	o, err := r.service.CompleteUpload(r.ctx(), r.caller, in)
	if err != nil {
		return err
	}
	return r.writeXML(struct {
		XMLName   xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Location  string
		Bucket    string
		Key       string
		ETag      string
		Checksums []field
	}{Location: "/" + r.ref.Bucket + "/" + r.ref.Key, Bucket: r.ref.Bucket, Key: r.ref.Key, ETag: `"` + o.ETag + `"`, Checksums: checksumFields(&o.Meta)})
}

// checksumFields are an object's checksums as elements of a document: ChecksumCRC32, ChecksumType.
func checksumFields(m *objectstore.Meta) (list []field) {
	for name, value := range m.Header {
		if algorithm, ok := strings.CutPrefix(name, "x-amz-checksum-"); ok {
			element := checksumElement(algorithm)
			if algorithm == "type" {
				element.Local = "ChecksumType"
			}
			list = append(list, field{element, value})
		}
	}
	return list
}

// checksumElement is the name of a checksum's element.
func checksumElement(algorithm string) xml.Name {
	return xml.Name{Local: "Checksum" + strings.ToUpper(algorithm)}
}
