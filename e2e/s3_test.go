package e2e

import (
	"bytes"
	"crypto/rand"
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
	admin.AWS(t, "s3", "rb", "s3://e2e-data", "--force")
}
