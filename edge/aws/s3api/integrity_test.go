package s3api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestCompletionSaysWhatTheObjectIs has completions that say something else than what was uploaded.
func TestCompletionSaysWhatTheObjectIs(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	bucket, key := sdk.String("data"), sdk.String("k")
	u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	id := must(t, u, err).UploadId
	p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: bucket, Key: key, UploadId: id, PartNumber: sdk.Int32(1), Body: strings.NewReader("hello"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	part := types.CompletedPart{PartNumber: sdk.Int32(1), ETag: must(t, p, err).ETag, ChecksumSHA256: p.ChecksumSHA256}
	complete := func(edit func(in *s3.CompleteMultipartUploadInput)) (*s3.CompleteMultipartUploadOutput, error) {
		in := &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{part}},
		}
		edit(in)
		return c.CompleteMultipartUpload(t.Context(), in)
	}
	bad := func(code, text string, edit func(in *s3.CompleteMultipartUploadInput)) {
		t.Helper()
		_, err := complete(edit)
		refused(t, err, code, text)
	}
	another := sdk.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	bad("InvalidPart", "SHA256", func(in *s3.CompleteMultipartUploadInput) { in.MultipartUpload.Parts[0].ChecksumSHA256 = another })
	bad("InvalidPart", "CRC32C", func(in *s3.CompleteMultipartUploadInput) {
		in.MultipartUpload.Parts[0].ChecksumCRC32C = sdk.String("AAAAAA==")
	})
	bad("BadDigest", "sha256", func(in *s3.CompleteMultipartUploadInput) { in.ChecksumSHA256 = another })
	bad("InvalidRequest", "CRC32", func(in *s3.CompleteMultipartUploadInput) { in.ChecksumCRC32 = sdk.String("AAAAAA==") })
	bad("InvalidRequest", "does not match what was computed: 5", func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = sdk.Int64(6) })
	bad("InvalidRequest", "FULL_OBJECT", func(in *s3.CompleteMultipartUploadInput) { in.ChecksumType = types.ChecksumTypeFullObject })

	o, err := complete(func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = sdk.Int64(5) })
	out := must(t, o, err)
	if out.ChecksumSHA256 == nil || !strings.HasSuffix(*out.ChecksumSHA256, "-1") || out.ChecksumType != types.ChecksumTypeComposite {
		t.Errorf("the answer is %+v", out)
	}
	again, err := complete(func(in *s3.CompleteMultipartUploadInput) { in.ChecksumSHA256 = out.ChecksumSHA256 })
	if got := must(t, again, err); *got.ETag != *out.ETag || *got.ChecksumSHA256 != *out.ChecksumSHA256 {
		t.Errorf("the second answer is %+v", got)
	}
	bad("BadDigest", "sha256", func(in *s3.CompleteMultipartUploadInput) { in.ChecksumSHA256 = another })
}

// TestChecksumOfAWholeUpload has the checksum of an object in two parts be that of all its bytes.
func TestChecksumOfAWholeUpload(t *testing.T) {
	t.Parallel()
	_, c := withBucket(t)
	bucket, key := sdk.String("data"), sdk.String("k")
	create := func(algorithm types.ChecksumAlgorithm, of types.ChecksumType) (*s3.CreateMultipartUploadOutput, error) {
		return c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: algorithm, ChecksumType: of})
	}
	_, err := create(types.ChecksumAlgorithmSha256, types.ChecksumTypeFullObject)
	refused(t, err, "InvalidRequest", "FULL_OBJECT checksum type cannot be used with the sha256")
	_, err = create(types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeComposite)
	refused(t, err, "InvalidRequest", "COMPOSITE checksum type cannot be used with the crc64nvme")
	first := strings.Repeat("0123456789abcdef", 5<<20/16)
	once, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(first + "end"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	want := must(t, once, err)
	u, err := create(types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject)
	upload := must(t, u, err)
	if upload.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("the upload is %s", upload.ChecksumType)
	}
	var parts []types.CompletedPart
	for i, content := range []string{first, "end"} {
		number := sdk.Int32(int32(i + 1))
		p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: upload.UploadId, PartNumber: number, Body: strings.NewReader(content), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		})
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: must(t, p, err).ETag, ChecksumCRC32: p.ChecksumCRC32})
	}
	complete := func(sum *string) (*s3.CompleteMultipartUploadOutput, error) {
		return c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}, ChecksumCRC32: sum,
			ChecksumType: types.ChecksumTypeFullObject,
		})
	}
	_, err = complete(sdk.String("AAAAAA=="))
	refused(t, err, "BadDigest", "crc32")
	out, err := complete(want.ChecksumCRC32)
	if got := must(t, out, err); *got.ChecksumCRC32 != *want.ChecksumCRC32 || got.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("the answer is %+v", got)
	}
}

// raw sends a signed request with headers of its own.
func (w *world) raw(t *testing.T, c *s3.Client, method, path, payload, body string, header map[string]string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	must(t, 0, err)
	r.Header.Set("X-Amz-Content-Sha256", payload)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	credentials, err := c.Options().Credentials.Retrieve(context.Background())
	must(t, 0, err)
	must(t, 0, v4.NewSigner().SignHTTP(t.Context(), credentials, r, payload, "s3", "us-east-1", time.Now()))
	response, err := http.DefaultClient.Do(r)
	resp := must(t, response, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(must(t, b, err))
}

// TestTrailerThatDoesNotCome is that a body whose checksum is announced and missing is not taken.
func TestTrailerThatDoesNotCome(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	header := map[string]string{"X-Amz-Trailer": "x-amz-checksum-crc32", "X-Amz-Decoded-Content-Length": "5", "Content-Encoding": "aws-chunked"}
	for body, want := range map[string]string{
		"5\r\nhello\r\n0\r\n\r\n":                                  "MalformedTrailerError",
		"5\r\nhello\r\n0\r\nx-amz-checksum-sha1:00\r\n\r\n":        "MalformedTrailerError",
		"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n": "BadDigest",
		"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n": "",
	} {
		status, answer := w.raw(t, c, http.MethodPut, "/data/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", body, header)
		if (status == http.StatusOK) != (want == "") || !strings.Contains(answer, want) {
			t.Errorf("%q: %d %s, want %q", body, status, answer, want)
		}
	}
}

// TestDocumentsAreWhatTheirSendersSay is about documents, not objects, with a checksum in a header.
func TestDocumentsAreWhatTheirSendersSay(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "k", "hello")
	body := "<Delete><Object><Key>k</Key></Object></Delete>"
	sum := sha256.Sum256([]byte(body))
	for _, header := range []map[string]string{
		{"Content-Md5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
		{"X-Amz-Checksum-Crc32": "AAAAAA=="},
		{"X-Amz-Checksum-Crc32": "AAAAAA==", "X-Amz-Checksum-Sha1": "x"},
	} {
		if status, answer := w.raw(t, c, http.MethodPost, "/data?delete=", hex.EncodeToString(sum[:]), body, header); status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", header, status, answer)
		}
	}
	if got, _ := get(t, c, &s3.GetObjectInput{Key: sdk.String("k")}); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// TestBucketsNamedLikeOpenPaths is that a signed request for S3 is S3's, whatever its path.
func TestBucketsNamedLikeOpenPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.admin(t, account)
	for _, name := range []string{"metrics", "healthz", "readyz"} {
		_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
		must(t, 0, err)
		out, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &name})
		if got := must(t, out, err); *got.Name != name {
			t.Errorf("the list is of %q", *got.Name)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/healthz", nil)
	must(t, 0, err)
	response, err := http.DefaultClient.Do(r)
	resp := must(t, response, err)
	defer func() { _ = resp.Body.Close() }()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "ok\n" {
		t.Errorf("without a signature: %q, %v", b, err)
	}
}

// TestListSays is what a list says beside the keys: who the objects' owner is, and what the request has said.
func TestListSays(t *testing.T) {
	t.Parallel()
	w, c := withBucket(t)
	put(t, c, "b c", "")
	guest := w.user(t, other, "guest", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	_, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: sdk.String("data"), Policy: sdk.String(document(
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + other + `:user/guest"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::data"}`,
	))})
	must(t, 0, err)
	out, err := guest.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{
		Bucket: sdk.String("data"), StartAfter: sdk.String("a b"), EncodingType: types.EncodingTypeUrl, FetchOwner: sdk.Bool(true),
	})
	page := must(t, out, err)
	if *page.StartAfter != "a%20b" || *page.Contents[0].Key != "b%20c" || *page.Contents[0].Owner.ID != account {
		t.Errorf("the page says %s, %s, %s", *page.StartAfter, *page.Contents[0].Key, *page.Contents[0].Owner.ID)
	}
	first, err := guest.ListObjects(t.Context(), &s3.ListObjectsInput{Bucket: sdk.String("data")})
	if got := must(t, first, err); *got.Contents[0].Owner.ID != account {
		t.Errorf("the first version says %s", *got.Contents[0].Owner.ID)
	}
}
