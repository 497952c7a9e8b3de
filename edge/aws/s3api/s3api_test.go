package s3api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/s3api"
	"minato.dev/minato/engine/objectstore"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/iam"
	service "minato.dev/minato/service/s3"
)

const (
	account = "111122223333"
	other   = "444455556666"
)

// world is S3 behind a listener, with real accounts, for the SDK to talk to.
type world struct {
	url string
	iam *iam.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	mem := memstore.New()
	w := &world{iam: iam.New(mem, sealer, &clock.Clock{})}
	objects, err := objectstore.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	handler := aws.New(aws.Config{
		Region: "us-east-1", Credentials: w.iam.Credentials, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		APIs: []aws.API{s3api.New(&service.Service{
			Store: mem, Objects: objects, Now: time.Now, Decide: w.iam.DecideOn, BindPrincipals: w.iam.BindPrincipals,
		})},
	})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// admin is the client of an account's administrator.
func (w *world) admin(t *testing.T, account string) *s3.Client {
	t.Helper()
	key, err := w.iam.EnsureAccount(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return w.client(key)
}

func (w *world) client(key iam.NewAccessKey) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &w.url, UsePathStyle: true,
		Credentials: sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
			return sdk.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.SecretAccessKey}, nil
		}),
	})
}

// refused is that an operation fails with a code, and with a word of what is wrong.
func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func put(t *testing.T, c *s3.Client, key, body string) *s3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: sdk.String("data"), Key: &key, Body: strings.NewReader(body)})
	return must(t, out, err)
}

func get(t *testing.T, c *s3.Client, in *s3.GetObjectInput) (string, *s3.GetObjectOutput) {
	t.Helper()
	in.Bucket = sdk.String("data")
	o, err := c.GetObject(t.Context(), in)
	out := must(t, o, err)
	b, err := io.ReadAll(out.Body)
	return string(must(t, b, err)), out
}

func withBucket(t *testing.T) (*world, *s3.Client) {
	t.Helper()
	w := newWorld(t)
	c := w.admin(t, account)
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdk.String("data")})
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

// TestRegion is that who signs for another region is told which it is.
func TestRegion(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	options := c.Options()
	options.Region = "eu-west-1"
	_, err := s3.New(options).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: sdk.String("data")})
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); !ok || e.HTTPStatusCode() != http.StatusBadRequest || e.Response.Header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("HeadBucket: %v", err)
	}
	_, err = s3.New(options).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: sdk.String("data")})
	refused(t, err, "AuthorizationHeaderMalformed", "the region 'eu-west-1' is wrong; expecting 'us-east-1'")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/data", nil)
	must(t, 0, err)
	credentials, err := options.Credentials.Retrieve(t.Context())
	must(t, 0, err)
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	must(t, 0, v4.NewSigner().SignHTTP(t.Context(), credentials, r, "UNSIGNED-PAYLOAD", "s3", "eu-west-1", time.Now()))
	resp, err := http.DefaultClient.Do(r)
	must(t, 0, err)
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "<Region>us-east-1</Region>") {
		t.Errorf("%s %v", b, err)
	}
}

// TestBucketsOnce is that a name is taken once, and that making a bucket again is no error in us-east-1.
func TestBucketsOnce(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "kept", "x")
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdk.String("data")})
	must(t, 0, err)
	if got, _ := get(t, c, &s3.GetObjectInput{Key: sdk.String("kept")}); got != "x" {
		t.Errorf("after the bucket was made again there is %q in it", got)
	}
	_, err = w.admin(t, other).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdk.String("data")})
	refused(t, err, "BucketAlreadyExists", "")
}

func TestObjects(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	key := "a/b c+é.txt"
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: sdk.String("data"), Key: &key, Body: strings.NewReader("hello world"), ContentType: sdk.String("text/plain"), Metadata: map[string]string{"x": "y"},
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
	})
	must(t, 0, err)
	got, out := get(t, c, &s3.GetObjectInput{Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if got != "hello world" || *out.ContentType != "text/plain" || out.Metadata["x"] != "y" || out.ChecksumCRC64NVME == nil {
		t.Errorf("got %q, %+v", got, out)
	}
	if got, out := get(t, c, &s3.GetObjectInput{Key: &key, Range: sdk.String("bytes=6-")}); got != "world" || *out.ContentRange != "bytes 6-10/11" {
		t.Errorf("a range: %q, %s", got, *out.ContentRange)
	}
	if got, out := get(t, c, &s3.GetObjectInput{Key: &key, Range: sdk.String("bytes=0-99")}); got != "hello world" || out.ContentRange == nil || *out.ContentRange != "bytes 0-10/11" {
		t.Errorf("a range that is all of it: %q, %+v", got, out)
	}
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: &key, Range: sdk.String("bytes=11-")})
	refused(t, err, "InvalidRange", "not satisfiable")
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: &key, IfMatch: sdk.String("other")})
	refused(t, err, "PreconditionFailed", "")
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: sdk.String("data"), Key: &key, Body: strings.NewReader(""), IfNoneMatch: sdk.String("*")})
	refused(t, err, "PreconditionFailed", "")
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: sdk.String("data"), Key: sdk.String("k"), Body: strings.NewReader("x"), ChecksumCRC32: sdk.String("AAAAAA==")})
	refused(t, err, "BadDigest", "CRC32")
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: sdk.String("data"), Key: sdk.String("copy"), CopySource: sdk.String("data/a/b%20c%2B%C3%A9.txt")})
	must(t, 0, err)
	if got, out := get(t, c, &s3.GetObjectInput{Key: sdk.String("copy")}); got != "hello world" || out.Metadata["x"] != "y" {
		t.Errorf("the copy is %q, %v", got, out.Metadata)
	}
	for algorithm, want := range map[types.ChecksumAlgorithm]func(*types.CopyObjectResult) *string{
		"":                            func(r *types.CopyObjectResult) *string { return r.ChecksumCRC64NVME }, // the source's
		types.ChecksumAlgorithmSha256: func(r *types.CopyObjectResult) *string { return r.ChecksumSHA256 },
	} {
		out, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: sdk.String("data"), Key: sdk.String("copy"), CopySource: sdk.String("data/a/b%20c%2B%C3%A9.txt"), ChecksumAlgorithm: algorithm,
		})
		if r := must(t, out, err).CopyObjectResult; want(r) == nil {
			t.Errorf("a copy with the checksum %q: %+v", algorithm, r)
		}
	}
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: &key, IfNoneMatch: out.ETag})
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); !ok || e.HTTPStatusCode() != http.StatusNotModified || e.Response.Header.Get("Etag") != *out.ETag {
		t.Errorf("what the client has: %v", err)
	}
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: sdk.String("data")})
	refused(t, err, "BucketNotEmpty", "")
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: sdk.String("gone")})
	refused(t, err, "NoSuchKey", "")
	_, err = c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: sdk.String("data"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	refused(t, err, "NotImplemented", "versioning")
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	key := sdk.String("big")
	u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: sdk.String("data"), Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
	id := must(t, u, err).UploadId
	first := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	var done []types.CompletedPart
	for i, part := range [][]byte{first, []byte("end")} {
		p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: sdk.String("data"), Key: key, UploadId: id, PartNumber: sdk.Int32(int32(i + 1)), Body: bytes.NewReader(part), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		})
		done = append(done, types.CompletedPart{PartNumber: sdk.Int32(int32(i + 1)), ETag: must(t, p, err).ETag})
	}
	complete := func(parts ...types.CompletedPart) error {
		_, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
			Bucket: sdk.String("data"), Key: key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		return err
	}
	refused(t, complete(done[1], done[0]), "InvalidPartOrder", "ascending")
	refused(t, complete(done[0], types.CompletedPart{PartNumber: sdk.Int32(2), ETag: done[0].ETag}), "InvalidPart", "part 2")
	l, err := c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: sdk.String("data"), Key: key, UploadId: id})
	if l := must(t, l, err); l.ChecksumAlgorithm != types.ChecksumAlgorithmCrc32c || l.ChecksumType != types.ChecksumTypeComposite || l.Parts[1].ChecksumCRC32C == nil {
		t.Errorf("ListParts: %+v", l)
	}
	must(t, 0, complete(done...))
	got, out := get(t, c, &s3.GetObjectInput{Key: key})
	if got != string(first)+"end" || !strings.HasSuffix(*out.ETag, `-2"`) {
		t.Errorf("%d bytes, ETag %s", len(got), *out.ETag)
	}
	testParts(t, c, *key, string(first), "end")
	testAttributes(t, c, *key, l.Parts)
	must(t, 0, complete(done...)) // as a client does that did not see the answer
	refused(t, complete(done[0]), "InvalidPart", "completed with others")
	put(t, c, *key, "another")
	refused(t, complete(done...), "NoSuchUpload", "")
}

// testParts reads an object part by part, as SDKs' transfer managers do.
func testParts(t *testing.T, c *s3.Client, key string, parts ...string) {
	t.Helper()
	for i, want := range parts {
		got, out := get(t, c, &s3.GetObjectInput{Key: &key, PartNumber: sdk.Int32(int32(i + 1))})
		if got != want || *out.PartsCount != int32(len(parts)) || out.ContentRange == nil {
			t.Errorf("part %d: %d bytes, %+v", i+1, len(got), out)
		}
	}
	h, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: sdk.String("data"), Key: &key, PartNumber: sdk.Int32(2)})
	if h := must(t, h, err); *h.ContentLength != int64(len(parts[1])) {
		t.Errorf("HeadObject of a part: %+v", h)
	}
	bad := func(number int32, header *string) error {
		_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: &key, PartNumber: &number, Range: header})
		return err
	}
	refused(t, bad(int32(len(parts)+1), nil), "InvalidPartNumber", "not satisfiable")
	refused(t, bad(0, nil), "InvalidArgument", "between 1 and 10000")
	refused(t, bad(1, sdk.String("bytes=0-1")), "InvalidRequest", "both")
	put(t, c, "whole", "all of it")
	got, out := get(t, c, &s3.GetObjectInput{Key: sdk.String("whole"), PartNumber: sdk.Int32(1)})
	if got != "all of it" || out.PartsCount != nil {
		t.Errorf("the only part: %q, %+v", got, out)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	for i := range 7 {
		put(t, c, fmt.Sprintf("d%d/x", i), "")
	}
	put(t, c, "top", "")
	var found []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: sdk.String("data"), Delimiter: sdk.String("/"), MaxKeys: sdk.Int32(3)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		page := must(t, p, err)
		for _, o := range page.Contents {
			found = append(found, *o.Key)
		}
		for _, p := range page.CommonPrefixes {
			found = append(found, *p.Prefix)
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff([]string{"d0/", "d1/", "d2/", "d3/", "d4/", "d5/", "d6/", "top"}, found); diff != "" {
		t.Error(diff)
	}
	var all []types.ObjectIdentifier
	for i := range 7 {
		all = append(all, types.ObjectIdentifier{Key: sdk.String(fmt.Sprintf("d%d/x", i))})
	}
	out, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: sdk.String("data"), Delete: &types.Delete{Objects: all}})
	if got := must(t, out, err); len(got.Deleted) != 7 || len(got.Errors) != 0 {
		t.Errorf("deleted %d, errors %v", len(got.Deleted), got.Errors)
	}
}

// TestPolicies has a user of the same account and one of another come by their own policies and by the bucket's.
func TestPolicies(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "report", "numbers")
	put(t, c, "secret", "more numbers")
	reader := w.user(t, account, "reader", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}`)
	guest := w.user(t, other, "guest", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	read := func(c *s3.Client, key string) error {
		_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: &key})
		return err
	}
	must(t, 0, read(reader, "report"))
	_, err := reader.PutObject(t.Context(), &s3.PutObjectInput{Bucket: sdk.String("data"), Key: sdk.String("report"), Body: strings.NewReader("x")})
	refused(t, err, "AccessDenied", `s3:PutObject on resource: "arn:aws:s3:::data/report" because no identity-based policy allows the s3:PutObject action`)
	refused(t, read(reader, "gone"), "AccessDenied", "s3:ListBucket")
	refused(t, read(guest, "report"), "AccessDenied", "because no resource-based policy allows the s3:GetObject action")

	set := func(statements ...string) error {
		_, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: sdk.String("data"), Policy: sdk.String(document(statements...))})
		return err
	}
	must(t, 0, set(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/guest"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data/report"}`,
		`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/secret"}`))
	must(t, 0, read(guest, "report"))
	refused(t, read(guest, "secret"), "AccessDenied", "explicit deny in a resource-based policy")
	refused(t, read(reader, "secret"), "AccessDenied", "explicit deny in a resource-based policy")
	refused(t, set(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}`), "AccessDenied", "BlockPublicPolicy")
	refused(t, set(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/nobody"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}`), "MalformedPolicy", "nobody")
	for _, resource := range []string{"*", "arn:aws:s3:::database/*", "arn:aws:s3:::*", "arn:aws:sqs:us-east-1:111122223333:data"} {
		refused(t, set(`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":["arn:aws:s3:::data","`+resource+`"]}`), "MalformedPolicy", "invalid resource")
	}
	_, err = w.admin(t, other).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdk.String("data")})
	if _, ok := errors.AsType[*types.BucketAlreadyExists](err); !ok {
		t.Errorf("another account's bucket: %v", err)
	}
}

// TestPolicyIsTheOwners has a policy that lets another account do everything: the policy itself stays out of its reach.
func TestPolicyIsTheOwners(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	guest := w.user(t, other, "guest", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	policy := document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/guest"},"Action":"s3:*","Resource":["arn:aws:s3:::data","arn:aws:s3:::data/*"]}`)
	_, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: sdk.String("data"), Policy: &policy})
	must(t, 0, err)
	put(t, guest, "k", "hello")
	_, err = guest.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: sdk.String("data"), Policy: &policy})
	refused(t, err, "MethodNotAllowed", "only the account of the bucket")
	_, err = guest.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: sdk.String("data")})
	refused(t, err, "MethodNotAllowed", "only the account of the bucket")
	_, err = guest.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: sdk.String("data")})
	refused(t, err, "MethodNotAllowed", "only the account of the bucket")
	out, err := c.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: sdk.String("data")})
	if got := must(t, out, err); *got.Policy != policy {
		t.Errorf("the policy is %s", *got.Policy)
	}
}

// TestExpectedOwner has a bucket of another account, whose policy lets the caller in: who expects it to be their own is refused.
func TestExpectedOwner(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "k", "hello")
	guest := w.user(t, other, "guest", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	_, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: sdk.String("data"), Policy: sdk.String(document(
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/guest"},"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::data/*"}`))})
	must(t, 0, err)
	_, err = guest.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdk.String("mine")})
	must(t, 0, err)
	write := func(owner string) error {
		_, err := guest.PutObject(t.Context(), &s3.PutObjectInput{Bucket: sdk.String("data"), Key: sdk.String("k2"), Body: strings.NewReader("x"), ExpectedBucketOwner: &owner})
		return err
	}
	must(t, 0, write(account)) // which needs no right to list the bucket
	refused(t, write(other), "AccessDenied", "not in the account 444455556666")
	copyFrom := func(owner string) error {
		_, err := guest.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: sdk.String("mine"), Key: sdk.String("k"), CopySource: sdk.String("data/k"), ExpectedSourceBucketOwner: &owner,
		})
		return err
	}
	must(t, 0, copyFrom(account))
	refused(t, copyFrom(other), "AccessDenied", "not in the account 444455556666")
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// user makes a user with one inline policy, and its client.
func (w *world) user(t *testing.T, account, name, statement string) *s3.Client {
	t.Helper()
	w.admin(t, account)
	_, err := w.iam.CreateUser(t.Context(), account, iam.NewUser{Name: name})
	must(t, 0, err)
	must(t, 0, w.iam.PutInlinePolicy(t.Context(), iam.Holder{Account: account, Kind: iam.UserKind, Name: name}, "p", document(statement)))
	key, err := w.iam.CreateAccessKey(t.Context(), account, name)
	return w.client(must(t, key, err))
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	put(t, c, "k", "hello")
	signed, err := s3.NewPresignClient(c).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: sdk.String("data"), Key: sdk.String("k")})
	url := must(t, signed, err).URL
	for target, want := range map[string]int{url: http.StatusOK, strings.Replace(url, "/k?", "/other?", 1): http.StatusForbidden} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		must(t, 0, err)
		r, err := http.DefaultClient.Do(req)
		resp := must(t, r, err)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", target, resp.Status)
		}
	}
}

// TestHoisted has headers in the query of a presigned request.
func TestHoisted(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "k", "hello")
	credentials, err := c.Options().Credentials.Retrieve(t.Context())
	must(t, 0, err)
	for query, want := range map[string]string{
		"x-amz-checksum-mode=ENABLED":                       "hello",
		"X-Amz-Checksum-Mode=ENABLED":                       "hello",
		"x-amz-expected-bucket-owner=" + other:              "AccessDenied",
		"x-amz-server-side-encryption=aws%3Akms":            "NotImplemented",
		"x-amz-acl=public-read&x-amz-expected-bucket-owner": "AccessControlListNotSupported",
	} {
		unsigned, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/data/k?X-Amz-Expires=60&"+query, nil)
		must(t, 0, err)
		target, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, unsigned, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
		must(t, 0, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		must(t, 0, err)
		r, err := http.DefaultClient.Do(req)
		resp := must(t, r, err)
		b, err := io.ReadAll(resp.Body)
		must(t, 0, err)
		_ = resp.Body.Close()
		if !strings.Contains(string(b), want) || (resp.Header.Get("X-Amz-Checksum-Type") != "") != (want == "hello") {
			t.Errorf("%s: %s %s, want %s", query, resp.Status, b, want)
		}
	}
}

// TestVirtualHost has the bucket in the host's name.
func TestVirtualHost(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "a/k", "hello")
	opts := c.Options()
	opts.UsePathStyle, opts.BaseEndpoint = false, sdk.String("http://s3.us-east-1.amazonaws.com")
	opts.HTTPClient = toServer{strings.TrimPrefix(w.url, "http://")}
	if got, _ := get(t, s3.New(opts), &s3.GetObjectInput{Key: sdk.String("a/k")}); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// toServer sends requests to the server, whatever host they name.
type toServer struct{ address string }

func (s toServer) Do(r *http.Request) (*http.Response, error) {
	r.Host, r.URL.Host = r.URL.Host, s.address
	return http.DefaultClient.Do(r)
}

func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/operations.md")
	must(t, 0, err)
	_, section, _ := strings.Cut(string(b), "\n## S3\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^\| ([\w, ]+) \| done \| .*\|$`).FindAllStringSubmatch(section, -1) {
		documented = append(documented, strings.Split(match[1], ", ")...)
	}
	slices.Sort(documented)
	if diff := cmp.Diff(s3api.New(nil).Operations(), documented); diff != "" {
		t.Errorf("the code (-) and docs/operations.md (+) differ:\n%s", diff)
	}
}
