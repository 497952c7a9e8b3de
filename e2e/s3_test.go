package e2e

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

const bucketReader = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::e2e-data/*"}]}`

// TestS3 copies files with the AWS CLI, which uploads large ones in parts, reads them in a session that may only read, and kills the
// server in between.
func TestS3(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	admin := e.Admin(t)
	dir := t.TempDir()
	large := make([]byte, 20<<20)
	_, _ = rand.Read(large) // never fails
	file := filepath.Join(dir, "large")
	if err := os.WriteFile(file, large, 0o600); err != nil {
		t.Fatal(err)
	}
	admin.AWS(t, "s3", "mb", "s3://e2e-data")
	admin.AWS(t, "s3", "cp", file, "s3://e2e-data/dir/large", "--no-progress")
	e.Kill(t)
	e.Up(t)
	if list := admin.AWS(t, "s3", "ls", "s3://e2e-data/dir/"); !strings.Contains(list, "20971520 large") {
		t.Errorf("the bucket has %q", list)
	}

	account := admin.AWS(t, "sts", "get-caller-identity", "--query", "Account", "--output", "text")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`
	role := admin.AWS(t, "iam", "create-role", "--role-name", "e2e-reader", "--assume-role-policy-document", trust, "--query", "Role.Arn", "--output", "text")
	admin.AWS(t, "iam", "put-role-policy", "--role-name", "e2e-reader", "--policy-name", "read", "--policy-document", bucketReader)
	key := strings.Fields(admin.AWS(t, "sts", "assume-role", "--role-arn", role, "--role-session-name", "reader",
		"--query", "Credentials.[AccessKeyId,SecretAccessKey,SessionToken]", "--output", "text"))
	reader := admin.With("AWS_ACCESS_KEY_ID="+key[0], "AWS_SECRET_ACCESS_KEY="+key[1], "AWS_SESSION_TOKEN="+key[2])
	copied := filepath.Join(dir, "copied")
	reader.AWS(t, "s3api", "get-object", "--bucket", "e2e-data", "--key", "dir/large", copied)
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, large) {
		t.Errorf("read %d bytes, or others: %v", len(got), err)
	}
	reader.RefusedAWS(t, []string{"AccessDenied", "because no identity-based policy allows the s3:PutObject action"},
		"s3api", "put-object", "--bucket", "e2e-data", "--key", "x", "--body", copied)
	reader.RefusedAWS(t, []string{"AccessDenied", "s3:ListBucket"}, "s3", "ls", "s3://e2e-data")
	testPresigned(t, admin, reader, large)

	// EC2 tells whom it refuses why in a message that others decode.
	refused := reader.TryAWS(t, "ec2", "create-vpc", "--cidr-block", "10.9.0.0/16")
	_, message, _ := strings.Cut(strings.TrimSpace(refused.Stderr), "Encoded authorization failure message: ")
	decode := []string{"sts", "decode-authorization-message", "--encoded-message", message, "--query", "DecodedMessage", "--output", "text"}
	if why := admin.AWS(t, decode...); !strings.Contains(why, `"allowed":false`) || !strings.Contains(why, `"action":"ec2:CreateVpc"`) || !strings.Contains(why, "assumed-role/e2e-reader/reader") {
		t.Errorf("%s means %s", refused, why)
	}
	reader.RefusedAWS(t, []string{"AccessDenied", "sts:DecodeAuthorizationMessage"}, decode...)

	// What else people do with the CLI: a copy from bucket to bucket that is made in parts, trees, and uploads that nobody completes.
	admin.AWS(t, "s3", "mb", "s3://e2e-copy")
	admin.AWS(t, "s3", "sync", "s3://e2e-data", "s3://e2e-copy", "--no-progress")
	admin.AWS(t, "s3", "mv", "s3://e2e-copy/dir/large", "s3://e2e-copy/moved", "--no-progress")
	if size := admin.AWS(t, "s3api", "head-object", "--bucket", "e2e-copy", "--key", "moved", "--query", "ContentLength"); size != "20971520" {
		t.Errorf("the copy has %s bytes", size)
	}
	if parts := admin.AWS(t, "s3api", "get-object-attributes", "--bucket", "e2e-copy", "--key", "moved", "--object-attributes", "ObjectParts", "ObjectSize",
		"--query", "[ObjectSize, ObjectParts.TotalPartsCount]", "--output", "text"); strings.Join(strings.Fields(parts), " ") != "20971520 3" {
		t.Errorf("size and parts of the copy are %s", parts)
	}
	for range 2 {
		admin.AWS(t, "s3api", "create-multipart-upload", "--bucket", "e2e-copy", "--key", "begun")
	}
	if keys := admin.AWS(t, "s3api", "list-multipart-uploads", "--bucket", "e2e-copy", "--page-size", "1", "--query", "Uploads[].Key", "--output", "text"); strings.Join(strings.Fields(keys), " ") != "begun begun" {
		t.Errorf("uploads under way are of %q", keys)
	}
	admin.AWS(t, "s3", "rm", "s3://e2e-copy", "--recursive")
	admin.AWS(t, "s3", "rb", "s3://e2e-copy")
	admin.AWS(t, "s3", "rb", "s3://e2e-data", "--force")
}

// testPresigned is that whoever has a URL reads what it was made for, with the rights of who made it, and nothing else. The CLI signs them by
// Version 2, as boto3 does.
func testPresigned(t *testing.T, admin, reader *testenv.Client, want []byte) {
	t.Helper()
	get := func(url string) (int, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, body := answerTo(t, req)
		return resp.StatusCode, body
	}
	for who, c := range map[string]*testenv.Client{"the administrator": admin, "a session": reader} {
		url := c.AWS(t, "s3", "presign", "s3://e2e-data/dir/large")
		if status, body := get(url); status != http.StatusOK || !bytes.Equal(body, want) {
			t.Errorf("the URL of %s: %d, %d bytes", who, status, len(body))
		}
		if status, body := get(strings.Replace(url, "/dir/large", "/dir/other", 1)); status != http.StatusForbidden || !bytes.Contains(body, []byte("SignatureDoesNotMatch")) {
			t.Errorf("the URL of %s for another object: %d %s", who, status, body)
		}
	}
	if status, body := get(reader.AWS(t, "s3", "presign", "s3://e2e-other/x")); status != http.StatusNotFound || !bytes.Contains(body, []byte("NoSuchBucket")) {
		t.Errorf("the URL of another bucket: %d %s", status, body)
	}
	if status, body := get(admin.AWS(t, "s3", "presign", "s3://e2e-data/dir/large", "--expires-in", "-1")); status != http.StatusForbidden || !bytes.Contains(body, []byte("Request has expired")) {
		t.Errorf("a URL that is over: %d %s", status, body)
	}
}
