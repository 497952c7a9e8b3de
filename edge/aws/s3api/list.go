package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/service/s3"
)

// listing is a page of a bucket's objects, in the form of either version.
type listing struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string
	Prefix                string
	Delimiter             string  `xml:",omitempty"`
	Marker                *string // of the first version
	NextMarker            string  `xml:",omitempty"`
	StartAfter            string  `xml:",omitempty"`
	ContinuationToken     string  `xml:",omitempty"`
	NextContinuationToken string  `xml:",omitempty"`
	KeyCount              *int    // of the second
	MaxKeys               int
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []entry
	CommonPrefixes        []commonPrefix
}

type entry struct {
	Key, LastModified, ETag string
	Size                    int64
	Owner                   *owner
	StorageClass            string
}

type commonPrefix struct{ Prefix string }

// page asks for a page after a key, and makes what both versions have of it. The objects have their owner if that is wanted.
func (r *request) page(encode func(string) string, after string, owners bool) (*listing, objectstore.Listing, error) {
	limit, err := r.number("max-keys", 1000)
	if err != nil {
		return nil, objectstore.Listing{}, err
	}
	o := objectstore.ListOptions{Prefix: r.query.Get("prefix"), Delimiter: r.query.Get("delimiter"), After: after, Limit: limit}
	account, l, err := r.service.ListObjects(r.ctx(), r.caller, r.ref.Bucket, "ListBucket", o)
	if err != nil {
		return nil, l, err
	}
	out := &listing{
		Name: r.ref.Bucket, Prefix: encode(o.Prefix), Delimiter: encode(o.Delimiter), MaxKeys: limit,
		EncodingType: r.query.Get("encoding-type"), IsTruncated: l.More,
	}
	var by *owner
	if owners {
		by = &owner{ID: account}
	}
	for _, object := range l.Objects {
		out.Contents = append(out.Contents, entry{
			Key: encode(object.Key), LastModified: object.Modified.Format(timeForm), ETag: `"` + object.ETag + `"`, Size: object.Size, Owner: by, StorageClass: "STANDARD",
		})
	}
	for _, prefix := range l.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(prefix)})
	}
	return out, l, nil
}

// encoder writes keys as the request wants them: they may hold what XML cannot.
func (r *request) encoder() (func(string) string, error) {
	switch encoding := r.query.Get("encoding-type"); encoding {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return func(s string) string {
			return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(s))
		}, nil
	default:
		return nil, minato.Errorf(minato.Invalid, "Invalid Encoding Method specified in Request: %q, want url", encoding).Because(s3.InvalidArgument)
	}
}

// number is a parameter that counts.
func (r *request) number(name string, otherwise int) (int, error) {
	value := r.query.Get(name)
	if value == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 {
		return 0, minato.Errorf(minato.Invalid, "Provided %s %q not an integer or within integer range", name, value).Because(s3.InvalidArgument)
	}
	return int(n), nil
}

func listObjectsV2(r *request) error {
	after := r.query.Get("start-after")
	if token := r.query.Get("continuation-token"); token != "" {
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(b) == 0 {
			return minato.Errorf(minato.Invalid, "The continuation token provided is incorrect").Because(s3.InvalidArgument)
		}
		after = string(b)
	}
	encode, err := r.encoder()
	if err != nil {
		return err
	}
	out, l, err := r.page(encode, after, r.query.Get("fetch-owner") == "true")
	if err != nil {
		return err
	}
	out.StartAfter, out.ContinuationToken = encode(r.query.Get("start-after")), r.query.Get("continuation-token")
	out.KeyCount = new(len(l.Objects) + len(l.Prefixes))
	if l.More {
		out.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(l.Last))
	}
	return r.writeXML(out)
}

func listObjects(r *request) error {
	marker := r.query.Get("marker")
	encode, err := r.encoder()
	if err != nil {
		return err
	}
	out, l, err := r.page(encode, marker, true)
	if err != nil {
		return err
	}
	out.Marker = new(encode(marker))
	if l.More {
		out.NextMarker = encode(l.Last)
	}
	return r.writeXML(out)
}
