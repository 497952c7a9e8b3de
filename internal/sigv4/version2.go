package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
)

// Parameters of the query of requests that are presigned by Signature Version 2.
const (
	keyParameter       = "AWSAccessKeyId"
	signatureParameter = "Signature"
	expiresParameter   = "Expires"
)

// covered are the parameters that Version 2 signs ("Signing and authenticating REST requests (AWS signature version 2)", S3 User Guide, with
// those that boto3 has beside them), and harmless those that it does not and that only narrow what a list of the same bucket tells.
var (
	covered = []string{
		"accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging", "metrics", "notification",
		"object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
		"response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore",
		"storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
	}
	harmless = []string{
		"content-md5", "content-type", "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "list-type", "marker", "max-keys", "max-parts", "max-uploads",
		"part-number-marker", "prefix", "start-after", "upload-id-marker", "x-id",
	}
)

// ParseVersion2 reads the signature of a request to S3 that is presigned by Signature Version 2, as boto3 and the AWS CLI do unless they are
// told otherwise. The resource is the path, as it came, behind the bucket that the host may name. Version 2 does not sign all of a query:
// what it does not sign and might matter is refused.
func ParseVersion2(r *http.Request, resource string) (*Signed, error) {
	params, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	headers, values := map[string]string{}, map[string]string{}
	var resources []string
	seen := map[string]bool{}
	for _, p := range params {
		lower := strings.ToLower(p.name)
		if seen[lower] {
			return nil, incomplete("the query has the parameter '%s' more than once", p.name)
		}
		values[p.name], seen[lower] = p.value, true
		switch {
		case slices.Contains(covered, p.name) && p.value == "":
			resources = append(resources, p.name)
		case slices.Contains(covered, p.name):
			resources = append(resources, p.name+"="+p.value)
		case strings.HasPrefix(lower, "x-amz-"): // a header that the signer has moved here
			headers[lower] = p.value
		case !slices.Contains(harmless, p.name) && !slices.Contains([]string{keyParameter, signatureParameter, expiresParameter}, p.name):
			return nil, incomplete("the parameter '%s' is none that Signature Version 2 signs", p.name)
		}
	}
	for name, sent := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") || lower == "content-type" || lower == "content-md5" {
			headers[lower] = strings.Join(sent, ",")
		}
	}
	seconds, err := strconv.ParseInt(values[expiresParameter], 10, 64)
	if err != nil || !keyForm.MatchString(values[keyParameter]) || values[signatureParameter] == "" {
		return nil, incomplete("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	slices.Sort(resources)
	if len(resources) > 0 {
		resource += "?" + strings.Join(resources, "&")
	}
	return &Signed{
		AccessKeyID: values[keyParameter], Scope: Scope{Service: "s3"}, SessionToken: headers["x-amz-security-token"], Presigned: true,
		signature: values[signatureParameter], ends: time.Unix(seconds, 0),
		version2: strings.Join([]string{r.Method, headers["content-md5"], headers["content-type"], values[expiresParameter]}, "\n") + "\n" + amzHeaders(headers) + resource,
	}, nil
}

// amzHeaders are the x-amz- headers as Version 2 signs them.
func amzHeaders(headers map[string]string) string {
	var lines []string
	for name, value := range headers {
		if strings.HasPrefix(name, "x-amz-") {
			lines = append(lines, name+":"+strings.TrimSpace(value)+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// IsVersion2 is whether the signature is of Version 2, which names no Region.
func (s *Signed) IsVersion2() bool { return s.version2 != "" }

func (s *Signed) verifyVersion2(secret string, now time.Time) error {
	if now.After(s.ends) {
		return minato.Errorf(minato.Unauthenticated, "Request has expired: it was good until %s, and came at %s",
			s.ends.UTC().Format(timeLayout), now.UTC().Format(timeLayout)).Because(Expired)
	}
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(s.version2))
	got, err := base64.StdEncoding.DecodeString(s.signature)
	if err != nil || !hmac.Equal(h.Sum(nil), got) {
		return mismatch("The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return nil
}
