package s3api

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/service/s3"
)

// objectAttributes are what GetObjectAttributes can be asked for.
var objectAttributes = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

// attributes is the answer of GetObjectAttributes.
type attributes struct {
	XMLName      xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
	ETag         string         `xml:",omitempty"` // without quotes, other than everywhere else
	Checksum     *checksumGroup `xml:",omitempty"`
	ObjectParts  *objectParts   `xml:",omitempty"`
	StorageClass string         `xml:",omitempty"`
	ObjectSize   *int64         `xml:",omitempty"`
}

type checksumGroup struct{ Checksums []field }

// objectParts are the parts of an object. They are listed where they have checksums, and counted always.
type objectParts struct {
	PartsCount           int
	PartNumberMarker     *int         `xml:",omitempty"`
	NextPartNumberMarker *int         `xml:",omitempty"`
	MaxParts             *int         `xml:",omitempty"`
	IsTruncated          *bool        `xml:",omitempty"`
	Part                 []objectPart `xml:",omitempty"`
}

type objectPart struct {
	PartNumber int
	Size       int64
	Checksum   field
}

func getObjectAttributes(r *request) error {
	wanted, err := r.wantedAttributes()
	if err != nil {
		return err
	}
	o, err := r.service.ObjectAttributes(r.ctx(), r.caller, r.ref)
	if err != nil {
		return err
	}
	var out attributes
	if wanted["ETag"] {
		out.ETag = o.ETag
	}
	if sums := checksumFields(&o.Meta); wanted["Checksum"] && len(sums) > 0 {
		out.Checksum = &checksumGroup{sums}
	}
	if wanted["ObjectParts"] && o.Parts > 0 {
		if out.ObjectParts, err = r.objectParts(&o); err != nil {
			return err
		}
	}
	if wanted["StorageClass"] {
		out.StorageClass = "STANDARD"
	}
	if wanted["ObjectSize"] {
		out.ObjectSize = &o.Size
	}
	r.w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	return r.writeXML(out)
}

func getObjectACL(r *request) error {
	account, err := r.service.ObjectSetting(r.ctx(), r.caller, r.ref, "GetObjectAcl")
	if err != nil {
		return err
	}
	return r.writeACL(account)
}

// getObjectTagging answers that an object has no tags, as none here can.
func getObjectTagging(r *request) error {
	if _, err := r.service.ObjectSetting(r.ctx(), r.caller, r.ref, "GetObjectTagging"); err != nil {
		return err
	}
	return r.writeXML(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
		TagSet  string
	}{})
}

// wantedAttributes are those that the request's header names, in one line or in many.
func (r *request) wantedAttributes() (map[string]bool, error) {
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(strings.Join(r.Header.Values("X-Amz-Object-Attributes"), ","), ",") {
		if name = strings.TrimSpace(name); !slices.Contains(objectAttributes, name) {
			return nil, minato.Errorf(minato.Invalid, "Invalid attribute name specified: %q in x-amz-object-attributes, want one or more of %s",
				name, strings.Join(objectAttributes, ", ")).Because(s3.InvalidArgument)
		}
		wanted[name] = true
	}
	return wanted, nil
}

// objectParts is the page of an object's parts that the request's headers ask for.
func (r *request) objectParts(o *objectstore.Object) (*objectParts, error) {
	out := &objectParts{PartsCount: o.Parts}
	if len(o.PartChecksums) != o.Parts {
		return out, nil
	}
	limit, err := r.headerNumber("X-Amz-Max-Parts", 1000)
	if err != nil {
		return nil, err
	}
	marker, err := r.headerNumber("X-Amz-Part-Number-Marker", 0)
	if err != nil {
		return nil, err
	}
	limit = min(limit, 1000)
	last := marker
	for number := marker + 1; number <= o.Parts && len(out.Part) < limit; number++ {
		_, size, _ := o.Part(number)
		out.Part = append(out.Part, objectPart{number, size, field{checksumElement(s3.ChecksumAlgorithm(&o.Meta)), o.PartChecksums[number-1]}})
		last = number
	}
	out.PartNumberMarker, out.NextPartNumberMarker, out.MaxParts, out.IsTruncated = &marker, &last, &limit, new(last < o.Parts)
	return out, nil
}

// headerNumber is a header that counts.
func (r *request) headerNumber(name string, otherwise int) (int, error) {
	value := r.Header.Get(name)
	if value == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 {
		return 0, minato.Errorf(minato.Invalid, "%s is %q: want a number from 0 on", strings.ToLower(name), value).Because(s3.InvalidArgument)
	}
	return int(n), nil
}
