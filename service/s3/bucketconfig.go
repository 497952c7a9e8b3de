package s3

import (
	"context"
	"errors"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// maxPolicy is the largest policy of a bucket, in bytes (S3 User Guide, bucket policies).
const maxPolicy = 20 << 10

// PutBucketPolicy sets a bucket's policy. One that lets in everybody is refused: public access is blocked.
func (s *Service) PutBucketPolicy(ctx context.Context, c Caller, bucket, document string) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	if len(document) > maxPolicy {
		return invalid(MalformedPolicy, "Policy has %d bytes: want %d at most", len(document), maxPolicy)
	}
	p, err := policy.Parse(document, policy.Resource)
	if malformed, ok := errors.AsType[*policy.Malformed](err); ok {
		return invalid(MalformedPolicy, "%s", malformed.Error())
	}
	if err != nil {
		return err
	}
	for _, resource := range p.Resources() {
		if !isOf(bucket, resource) {
			return invalid(MalformedPolicy, "Policy has invalid resource: %q is not arn:aws:s3:::%s or in it", resource, bucket)
		}
	}
	if p.Public() {
		return minato.Errorf(minato.Denied, "User: %s is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::%s\" "+
			"because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.", c.Credential.Principal.ARN, bucket).Because(AccessDenied)
	}
	ids, err := s.BindPrincipals(ctx, p)
	if minato.Is(err, minato.Invalid) {
		return invalid(MalformedPolicy, "%v", err)
	}
	if err != nil {
		return err
	}
	return s.changePolicy(ctx, c, bucket, "PutBucketPolicy", document, ids)
}

// isOf is whether a resource of a policy is a bucket, or something in it.
func isOf(bucket, resource string) bool {
	rest, ok := strings.CutPrefix(resource, "arn:aws:s3:::"+bucket)
	return ok && (rest == "" || strings.ContainsRune("/*", rune(rest[0])))
}

// changePolicy is for the bucket's own account: no policy of the bucket hands it on.
func (s *Service) changePolicy(ctx context.Context, c Caller, bucket, action, document string, ids map[string]string) error {
	return s.change(ctx, c, bucket, action, func(b *Bucket) error {
		if err := ownersOnly(c, b); err != nil {
			return err
		}
		b.Policy, b.PolicyIDs = document, ids
		return nil
	})
}

// ownersOnly refuses who may do something with a bucket's policy, and is of another account (PutBucketPolicy, S3 API reference).
func ownersOnly(c Caller, b *Bucket) error {
	if b.Account == c.Scope.Account {
		return nil
	}
	return invalid(MethodNotAllowed, "The specified method is not allowed against this resource: only the account of the bucket %s has to do with its policy", b.Name)
}

// BucketPolicy is a bucket's policy.
func (s *Service) BucketPolicy(ctx context.Context, c Caller, bucket string) (string, error) {
	b, err := s.open(ctx, c, bucket, question{action: "GetBucketPolicy"})
	if err == nil {
		err = ownersOnly(c, &b)
	}
	if err != nil {
		return "", err
	}
	if b.Policy == "" {
		err = notFound(NoSuchBucketPolicy, "The bucket policy does not exist").With("BucketName", bucket)
	}
	return b.Policy, err
}

// DeleteBucketPolicy takes a bucket's policy away.
func (s *Service) DeleteBucketPolicy(ctx context.Context, c Caller, bucket string) error {
	return s.changePolicy(ctx, c, bucket, "DeleteBucketPolicy", "", nil)
}

// PutBucketTagging sets all tags of a bucket.
func (s *Service) PutBucketTagging(ctx context.Context, c Caller, bucket string, tags minato.Tags) error {
	if len(tags) > maxTags {
		return invalid(InvalidArgument, "The bucket would have %d tags: want %d at most", len(tags), maxTags)
	}
	return s.change(ctx, c, bucket, "PutBucketTagging", func(b *Bucket) error {
		b.Tags = tags
		return nil
	})
}

// maxTags is how many tags a bucket may have.
const maxTags = 50

// BucketTagging are a bucket's tags.
func (s *Service) BucketTagging(ctx context.Context, c Caller, bucket string) (minato.Tags, error) {
	b, err := s.open(ctx, c, bucket, question{action: "GetBucketTagging"})
	if err == nil && len(b.Tags) == 0 {
		err = notFound(NoSuchTagSet, "The TagSet does not exist").With("BucketName", bucket)
	}
	return b.Tags, err
}
