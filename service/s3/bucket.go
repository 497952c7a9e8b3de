package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
)

// BucketsPrefix is where buckets lie. Names are one for all accounts, as on AWS.
const BucketsPrefix = "/minato/s3/buckets/"

// Bucket is one bucket.
type Bucket struct {
	Name    string
	ID      string // of its contents: another for a bucket that is made again
	Account string
	Region  minato.Region
	Created time.Time
	Tags    minato.Tags
	Policy  string `json:",omitempty"`
	// PolicyIDs are the unique ids of the principals that the policy names.
	PolicyIDs map[string]string `json:",omitempty"`
}

// ARN is the bucket's ARN, which has neither region nor account.
func (b *Bucket) ARN() minato.ARN { return minato.NewARN("s3", "", "", b.Name) }

// policy is the bucket's policy to be evaluated, nil for none.
func (b *Bucket) policy() (*policy.Named, error) {
	if b.Policy == "" {
		return nil, nil
	}
	p, err := policy.Parse(b.Policy, policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("reading the policy of bucket %s: %w", b.Name, err)
	}
	return &policy.Named{Name: "policy of bucket " + b.Name, Policy: p.Bind(b.PolicyIDs)}, nil
}

func (s *Service) buckets() *store.Collection[Bucket] {
	return store.NewCollection[Bucket](s.Store, BucketsPrefix)
}

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// checkBucketName holds a name to the rules for general purpose buckets.
func checkBucketName(name string) error {
	_, err := netip.ParseAddr(name)
	if err != nil && bucketForm.MatchString(name) && !strings.Contains(name, "..") && !strings.HasPrefix(name, "xn--") && !strings.HasSuffix(name, "-s3alias") {
		return nil
	}
	return invalid(InvalidBucketName, "The specified bucket is not valid: want 3 to 63 lower-case letters, digits, dots and hyphens that are no IP address").With("BucketName", name)
}

// firstRegion is where who makes a bucket of theirs again is not told that it is there (CreateBucket, S3 API reference).
const firstRegion minato.Region = "us-east-1"

// CreateBucket makes a bucket in the caller's account. A location is the region, or empty.
func (s *Service) CreateBucket(ctx context.Context, c Caller, name, location string) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	if err := checkBucketName(name); err != nil {
		return err
	}
	b := Bucket{Name: name, ID: newID(), Account: c.Scope.Account, Region: c.Scope.Region, Created: s.Now().UTC()}
	if location != "" && location != string(b.Region) {
		return invalid(IllegalLocation, "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", location)
	}
	if err := s.may(ctx, c, &b, question{action: "CreateBucket"}); err != nil {
		return err
	}
	// Contents first: a bucket without a place for them would take no object.
	if err := s.Objects.CreateBucket(b.ID); err != nil {
		return contentError(err)
	}
	_, err := s.buckets().Create(ctx, name, b)
	if err == nil {
		return nil
	}
	if !errors.Is(err, store.ErrExists) {
		return fmt.Errorf("writing the record of bucket %s: %w", name, err)
	}
	if err := s.Objects.DeleteBucket(b.ID); err != nil {
		return contentError(err)
	}
	taken, err := s.buckets().Get(ctx, name)
	if err == nil && taken.Value.Account == c.Scope.Account {
		// One whose deletion was cut short is whole again.
		if err := s.Objects.CreateBucket(taken.Value.ID); err != nil {
			return contentError(err)
		}
		if taken.Value.Region == firstRegion {
			return nil
		}
		return minato.Errorf(minato.AlreadyExists, "Your previous request to create the named bucket succeeded and you already own it.").Because(BucketOwned).With("BucketName", name)
	}
	return minato.Errorf(minato.AlreadyExists, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "+
		"Please select a different name and try again.").Because(BucketExists).With("BucketName", name)
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// DeleteBucket deletes a bucket that has no objects.
func (s *Service) DeleteBucket(ctx context.Context, c Caller, name string) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	b, err := s.open(ctx, c, name, question{action: "DeleteBucket"})
	if err != nil {
		return err
	}
	err = s.Objects.DeleteBucket(b.ID)
	if errors.Is(err, objectstore.ErrNotEmpty) {
		return minato.Errorf(minato.InUse, "The bucket you tried to delete is not empty").Because(BucketNotEmpty).With("BucketName", name)
	}
	if err != nil {
		return contentError(err)
	}
	for {
		item, err := s.buckets().Get(ctx, name)
		if err == nil && item.Value.ID == b.ID {
			err = s.buckets().Delete(ctx, name, item.Revision)
		}
		switch {
		case errors.Is(err, store.ErrConflict) && ctx.Err() == nil: // its policy or its tags have changed meanwhile
		case err == nil || errors.Is(err, store.ErrNotFound):
			return nil
		default:
			return fmt.Errorf("deleting the record of bucket %s: %w", name, err)
		}
	}
}

// Bucket is a bucket, if the caller may do something with it: "ListBucket", "GetBucketLocation".
func (s *Service) Bucket(ctx context.Context, c Caller, name, action string) (Bucket, error) {
	return s.open(ctx, c, name, question{action: action})
}

// CheckOwner holds a bucket to an account. It needs no permission: who names the account learns no more than whether it is that one.
func (s *Service) CheckOwner(ctx context.Context, name, account string) error {
	item, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if item.Value.Account != account {
		return minato.Errorf(minato.Denied, "The bucket %s is not in the account %s", name, account).Because(AccessDenied)
	}
	return nil
}

// ListBuckets are the caller's account's buckets, by name.
func (s *Service) ListBuckets(ctx context.Context, c Caller) (list []Bucket, err error) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	d, err := s.Decide(ctx, iam.Access{Credential: c.Credential, Action: "s3:ListAllMyBuckets", Resource: minato.NewARN("s3", "", "", "*"), Context: c.Context}, nil, c.Scope.Account)
	if err != nil {
		return nil, err
	}
	if !d.Allowed {
		return nil, minato.Errorf(minato.Denied, "User: %s is not authorized to perform: s3:ListAllMyBuckets%s",
			c.Credential.Principal.ARN, d.Reason("s3:ListAllMyBuckets")).Because(AccessDenied)
	}
	page, err := s.buckets().List(ctx, "", "", 0)
	if err != nil {
		return nil, fmt.Errorf("listing buckets: %w", err)
	}
	for _, item := range page.Items {
		if item.Value.Account == c.Scope.Account {
			list = append(list, item.Value)
		}
	}
	return list, nil
}

// EnsureContents makes a place for the contents of each bucket that has none: those of a backup, which has no objects.
func (s *Service) EnsureContents(ctx context.Context) (buckets int, err error) {
	page, err := s.buckets().List(ctx, "", "", 0)
	if err != nil {
		return 0, fmt.Errorf("listing buckets: %w", err)
	}
	for _, item := range page.Items {
		if err := s.Objects.CreateBucket(item.Value.ID); err != nil {
			return 0, contentError(err)
		}
	}
	return len(page.Items), nil
}

// change writes a bucket's record anew.
func (s *Service) change(ctx context.Context, c Caller, name, action string, edit func(b *Bucket) error) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	_, err := s.buckets().Modify(ctx, name, func(b *Bucket) error {
		if err := s.may(ctx, c, b, question{action: action}); err != nil {
			return err
		}
		return edit(b)
	})
	if errors.Is(err, store.ErrNotFound) {
		return noSuchBucket(name)
	}
	return err
}

func noSuchBucket(name string) error {
	return notFound(NoSuchBucket, "The specified bucket does not exist").With("BucketName", name)
}
