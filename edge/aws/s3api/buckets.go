package s3api

import (
	"encoding/xml"
	"io"
	"net/http"

	"minato.dev/minato"
)

// timeForm is how S3's documents write times.
const timeForm = "2006-01-02T15:04:05.000Z"

// owner is an account as S3's documents have it. There is no canonical user id: the account stands for it.
type owner struct{ ID, DisplayName string }

func listBuckets(r *request) error {
	list, err := r.service.ListBuckets(r.ctx(), r.caller)
	if err != nil {
		return err
	}
	type bucket struct{ Name, CreationDate, BucketRegion string }
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner   owner
		Buckets []bucket `xml:"Buckets>Bucket"`
	}{Owner: owner{ID: r.caller.Scope.Account}}
	for _, b := range list {
		out.Buckets = append(out.Buckets, bucket{b.Name, b.Created.Format(timeForm), string(b.Region)})
	}
	return r.writeXML(out)
}

func createBucket(r *request) error {
	var in struct {
		LocationConstraint string
	}
	if r.ContentLength != 0 {
		if err := r.readXML(&in); err != nil {
			return err
		}
	}
	if err := r.service.CreateBucket(r.ctx(), r.caller, r.ref.Bucket, in.LocationConstraint); err != nil {
		return err
	}
	r.w.Header().Set("Location", "/"+r.ref.Bucket)
	r.w.WriteHeader(http.StatusOK)
	return nil
}

func deleteBucket(r *request) error {
	return r.noContent(r.service.DeleteBucket(r.ctx(), r.caller, r.ref.Bucket))
}

// noContent is the answer of what has nothing to say.
func (r *request) noContent(err error) error {
	if err == nil {
		r.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func headBucket(r *request) error {
	b, err := r.service.Bucket(r.ctx(), r.caller, r.ref.Bucket, "ListBucket")
	if err != nil {
		return err
	}
	r.w.Header().Set("X-Amz-Bucket-Region", string(b.Region))
	r.w.Header().Set("X-Amz-Access-Point-Alias", "false")
	r.w.WriteHeader(http.StatusOK)
	return nil
}

func getBucketLocation(r *request) error {
	b, err := r.service.Bucket(r.ctx(), r.caller, r.ref.Bucket, "GetBucketLocation")
	if err != nil {
		return err
	}
	location := string(b.Region)
	if location == "us-east-1" { // the region that buckets had before there were others
		location = ""
	}
	return r.writeXML(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: location})
}

func getBucketPolicy(r *request) error {
	document, err := r.service.BucketPolicy(r.ctx(), r.caller, r.ref.Bucket)
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(r.w, document) // the client is gone
	return nil
}

func putBucketPolicy(r *request) error {
	b, err := r.checkedDocument()
	if err != nil {
		return err
	}
	return r.noContent(r.service.PutBucketPolicy(r.ctx(), r.caller, r.ref.Bucket, string(b)))
}

func deleteBucketPolicy(r *request) error {
	return r.noContent(r.service.DeleteBucketPolicy(r.ctx(), r.caller, r.ref.Bucket))
}

// tagging is a set of tags as S3's documents have it.
type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

type tag struct{ Key, Value string }

func getBucketTagging(r *request) error {
	tags, err := r.service.BucketTagging(r.ctx(), r.caller, r.ref.Bucket)
	if err != nil {
		return err
	}
	var out tagging
	for key, value := range tags {
		out.Tags = append(out.Tags, tag{key, value})
	}
	return r.writeXML(out)
}

func putBucketTagging(r *request) error {
	var in tagging
	if err := r.readXML(&in); err != nil {
		return err
	}
	tags := minato.Tags{}
	for _, t := range in.Tags {
		if _, twice := tags[t.Key]; twice || t.Key == "" {
			return minato.Errorf(minato.Invalid, "The tag key %q is empty or there twice", t.Key).Because("InvalidTag")
		}
		tags[t.Key] = t.Value
	}
	return r.noContent(r.service.PutBucketTagging(r.ctx(), r.caller, r.ref.Bucket, tags))
}

func deleteBucketTagging(r *request) error {
	return r.noContent(r.service.PutBucketTagging(r.ctx(), r.caller, r.ref.Bucket, nil))
}

func getBucketACL(r *request) error {
	b, err := r.service.Bucket(r.ctx(), r.caller, r.ref.Bucket, "GetBucketAcl")
	if err != nil {
		return err
	}
	return r.writeACL(b.Account)
}

// writeACL answers with the ACL that everything here has: all is its owner's.
func (r *request) writeACL(account string) error {
	type grantee struct {
		Space string `xml:"xmlns:xsi,attr"`
		Type  string `xml:"xsi:type,attr"`
		ID    string
	}
	type grant struct {
		Grantee    grantee
		Permission string
	}
	return r.writeXML(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
		Owner   owner
		Grants  []grant `xml:"AccessControlList>Grant"`
	}{Owner: owner{ID: account}, Grants: []grant{{grantee{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser", account}, "FULL_CONTROL"}}})
}

// setting answers with what holds for every bucket here.
func setting(action, element, content string) func(r *request) error {
	return func(r *request) error {
		if _, err := r.service.Bucket(r.ctx(), r.caller, r.ref.Bucket, action); err != nil {
			return err
		}
		return r.writeXML(struct {
			XMLName xml.Name
			Content string `xml:",innerxml"`
		}{xml.Name{Space: namespace, Local: element}, content})
	}
}

// none answers that a bucket does not have something, because none here can.
func none(action, code, message string) func(r *request) error {
	return func(r *request) error {
		if _, err := r.service.Bucket(r.ctx(), r.caller, r.ref.Bucket, action); err != nil {
			return err
		}
		return minato.Errorf(minato.NotFound, "%s", message).Because(code).With("BucketName", r.ref.Bucket)
	}
}
