package s3api

import (
	"encoding/xml"
	"strings"

	"minato.dev/minato/service/s3"
)

// uploads is a page of ListMultipartUploads.
type uploads struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket             string
	KeyMarker          string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	EncodingType       string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []upload
	CommonPrefixes     []commonPrefix
}

type upload struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiated         string
	Owner             owner
	StorageClass      string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func listUploads(r *request) error {
	limit, err := r.number("max-uploads", 1000)
	if err != nil {
		return err
	}
	encode, err := r.encoder()
	if err != nil {
		return err
	}
	o := s3.UploadsOptions{
		Prefix: r.query.Get("prefix"), Delimiter: r.query.Get("delimiter"),
		AfterKey: r.query.Get("key-marker"), AfterID: r.query.Get("upload-id-marker"), Limit: limit,
	}
	page, err := r.service.ListUploads(r.ctx(), r.caller, r.ref.Bucket, o)
	if err != nil {
		return err
	}
	out := uploads{
		Bucket: r.ref.Bucket, KeyMarker: encode(o.AfterKey), UploadIDMarker: o.AfterID, Prefix: encode(o.Prefix), Delimiter: encode(o.Delimiter),
		EncodingType: r.query.Get("encoding-type"), MaxUploads: limit, IsTruncated: page.More,
	}
	if page.More {
		out.NextKeyMarker, out.NextUploadIDMarker = encode(page.LastKey), page.LastID
	}
	for _, u := range page.List {
		out.Upload = append(out.Upload, upload{
			Key: encode(u.Key), UploadID: u.ID, Initiated: u.Begun.Format(timeForm), Owner: owner{ID: page.Owner}, StorageClass: "STANDARD",
			ChecksumAlgorithm: strings.ToUpper(u.Options["algorithm"]), ChecksumType: u.Options["type"],
		})
	}
	for _, prefix := range page.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(prefix)})
	}
	return r.writeXML(out)
}
