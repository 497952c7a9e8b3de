package s3

import (
	"context"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// maxPolicy is the largest policy of a bucket, in bytes (S3 User Guide, bucket policies).
const maxPolicy = 20 << 10

// PutBucketPolicy sets a bucket's policy. One that lets in everybody is refused: public access is blocked.
func (s *Service) PutBucketPolicy(ctx context.Context, c Caller, bucket, document string) error {
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
	return s.change(ctx, c, bucket, "PutBucketPolicy", func(b *Bucket) {
		b.Policy, b.PolicyIDs = document, ids
	})
}

// BucketPolicy is a bucket's policy.
func (s *Service) BucketPolicy(ctx context.Context, c Caller, bucket string) (string, error) {
	b, err := s.open(ctx, c, bucket, question{action: "GetBucketPolicy"})
	if err == nil && b.Policy == "" {
		err = notFound(NoSuchBucketPolicy, "The bucket policy does not exist").With("BucketName", bucket)
	}
	return b.Policy, err
}

// DeleteBucketPolicy takes a bucket's policy away.
func (s *Service) DeleteBucketPolicy(ctx context.Context, c Caller, bucket string) error {
	return s.change(ctx, c, bucket, "DeleteBucketPolicy", func(b *Bucket) {
		b.Policy, b.PolicyIDs = "", nil
	})
}

// PutBucketTagging sets all tags of a bucket.
func (s *Service) PutBucketTagging(ctx context.Context, c Caller, bucket string, tags minato.Tags) error {
	if len(tags) > maxTags {
		return invalid(InvalidArgument, "The bucket would have %d tags: want %d at most", len(tags), maxTags)
	}
	return s.change(ctx, c, bucket, "PutBucketTagging", func(b *Bucket) {
		b.Tags = tags
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
