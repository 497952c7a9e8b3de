// Package s3 is what S3's API means, as far as local use needs it: buckets with policies, objects, multipart uploads. Versioning is
// off, ACLs are disabled and public access is blocked, as in a new bucket of AWS. Contents are engine/objectstore's.
package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

// Service is S3 over a store of records and one of objects. All fields are needed.
type Service struct {
	Store   store.Store
	Objects *objectstore.Store
	Now     func() time.Time
	// Decide evaluates the policies of a principal, and that of a bucket in an account, nil for none.
	Decide func(ctx context.Context, a iam.Access, bucket *policy.Named, account string) (policy.Decision, error)
	// BindPrincipals finds the unique ids of the principals that a bucket's policy names.
	BindPrincipals func(ctx context.Context, p *policy.Policy) (map[string]string, error)
}

// Caller is who asks, and from where.
type Caller struct {
	Credential iam.Credential
	Scope      minato.Scope
	Context    map[string][]string // condition keys that the request brings
}

// Reasons of errors, spelled as S3's codes. Source: "Error responses", S3 API reference.
const (
	AccessDenied         = "AccessDenied"
	BadDigest            = "BadDigest"
	BucketExists         = "BucketAlreadyExists"
	BucketOwned          = "BucketAlreadyOwnedByYou"
	BucketNotEmpty       = "BucketNotEmpty"
	EntityTooLarge       = "EntityTooLarge"
	EntityTooSmall       = "EntityTooSmall"
	IllegalLocation      = "IllegalLocationConstraintException"
	InvalidArgument      = "InvalidArgument"
	InvalidBucketName    = "InvalidBucketName"
	InvalidDigest        = "InvalidDigest"
	InvalidPart          = "InvalidPart"
	InvalidPartOrder     = "InvalidPartOrder"
	InvalidRange         = "InvalidRange"
	InvalidRequest       = "InvalidRequest"
	KeyTooLong           = "KeyTooLongError"
	MalformedPolicy      = "MalformedPolicy"
	MalformedTrailer     = "MalformedTrailerError"
	MethodNotAllowed     = "MethodNotAllowed"
	NoSuchBucket         = "NoSuchBucket"
	NoSuchBucketPolicy   = "NoSuchBucketPolicy"
	NoSuchKey            = "NoSuchKey"
	NoSuchTagSet         = "NoSuchTagSet"
	NoSuchUpload         = "NoSuchUpload"
	PreconditionFailed   = "PreconditionFailed"
	RequestTimeout       = "RequestTimeout"
	NotModified          = "NotModified"
	ContentSHA256Differs = "XAmzContentSHA256Mismatch"
)

func invalid(reason, format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(reason)
}

func notFound(reason, format string, args ...any) *minato.Error {
	return minato.Errorf(minato.NotFound, format, args...).Because(reason)
}

// question is what is asked of policies.
type question struct {
	action string // "GetObject"
	key    string // of an object, empty for the bucket
	keys   map[string]string
}

// recordTime is how long a request waits for records and decisions at most; only contents take as long as they are long.
const recordTime = 30 * time.Second

// find reads a bucket's record.
func (s *Service) find(ctx context.Context, name string) (store.Item[Bucket], error) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	item, err := s.buckets().Get(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return item, noSuchBucket(name)
	}
	if err != nil {
		return item, fmt.Errorf("reading the record of bucket %s: %w", name, err)
	}
	return item, nil
}

// open finds a bucket and asks whether the caller may do something in it.
func (s *Service) open(ctx context.Context, c Caller, bucket string, q question) (Bucket, error) {
	item, err := s.find(ctx, bucket)
	if err != nil {
		return Bucket{}, err
	}
	return item.Value, s.may(ctx, c, &item.Value, q)
}

// may asks the policies of the caller and of the bucket.
func (s *Service) may(ctx context.Context, c Caller, b *Bucket, q question) error {
	access := iam.Access{Credential: c.Credential, Action: "s3:" + q.action, Resource: b.ARN(), Context: maps.Clone(c.Context)}
	if q.key != "" {
		access.Resource.Resource += "/" + q.key
	}
	if access.Context == nil {
		access.Context = map[string][]string{}
	}
	for name, value := range q.keys {
		access.Context["s3:"+name] = []string{value}
	}
	access.Context["s3:resourceaccount"], access.Context["aws:resourceaccount"] = []string{b.Account}, []string{b.Account}
	named, err := b.policy()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	d, err := s.Decide(ctx, access, named, b.Account)
	if err != nil || d.Allowed {
		return err
	}
	return minato.Errorf(minato.Denied, "User: %s is not authorized to perform: %s on resource: %q%s",
		c.Credential.Principal.ARN, access.Action, access.Resource, d.Reason(access.Action)).Because(AccessDenied)
}
