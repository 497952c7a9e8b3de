package s3api

import (
	"encoding/xml"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
)

// nullVersion is the id of the only version that objects have where versioning is off, as in all buckets here.
const nullVersion = "null"

// NoSuchVersion is the code of another version than that ("List of error codes", S3 API reference).
const NoSuchVersion = "NoSuchVersion"

// checkVersion refuses any other version.
func checkVersion(id string) error {
	if id == "" || id == nullVersion {
		return nil
	}
	return minato.Errorf(minato.NotFound, "The specified version does not exist.").Because(NoSuchVersion).With("VersionId", id)
}

// versions is a page of ListObjectVersions.
type versions struct {
	XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name                string
	Prefix              string
	KeyMarker           string
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int
	Delimiter           string `xml:",omitempty"`
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	Version             []version
	CommonPrefixes      []commonPrefix
}

type version struct {
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string
	Size         int64
	StorageClass string
	Owner        owner
}

func listObjectVersions(r *request) error {
	limit, err := r.number("max-keys", 1000)
	if err != nil {
		return err
	}
	encode, err := r.encoder()
	if err != nil {
		return err
	}
	o := objectstore.ListOptions{Prefix: r.query.Get("prefix"), Delimiter: r.query.Get("delimiter"), After: r.query.Get("key-marker"), Limit: limit}
	account, l, err := r.service.ListObjects(r.ctx(), r.caller, r.ref.Bucket, "ListBucketVersions", o)
	if err != nil {
		return err
	}
	out := versions{
		Name: r.ref.Bucket, Prefix: encode(o.Prefix), KeyMarker: encode(o.After), VersionIDMarker: r.query.Get("version-id-marker"), MaxKeys: limit,
		Delimiter: encode(o.Delimiter), EncodingType: r.query.Get("encoding-type"), IsTruncated: l.More,
	}
	if l.More {
		out.NextKeyMarker, out.NextVersionIDMarker = encode(l.Last), nullVersion
	}
	for _, object := range l.Objects {
		out.Version = append(out.Version, version{
			Key: encode(object.Key), VersionID: nullVersion, IsLatest: true, LastModified: object.Modified.Format(timeForm),
			ETag: `"` + object.ETag + `"`, Size: object.Size, StorageClass: "STANDARD", Owner: owner{ID: account},
		})
	}
	for _, prefix := range l.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(prefix)})
	}
	return r.writeXML(out)
}
