// Package s3api is S3 on the wire: restXml, with buckets in the path or in the host name. Bodies are streams; the listener verifies
// their signatures while they are read.
package s3api

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/s3"
)

// API serves S3.
type API struct{ service *s3.Service }

// New serves S3.
func New(service *s3.Service) *API { return &API{service} }

var _ aws.Streaming = (*API)(nil)

// SigningName is the service's name in a credential scope.
func (a *API) SigningName() string { return "s3" }

// MaxBody is the largest body, in bytes.
func (a *API) MaxBody() int64 { return s3.MaxPut }

// ResourcePath is a request's path behind the bucket that its host may name. A bucket's ends in a slash.
func (a *API) ResourcePath(r *http.Request) string {
	path := r.URL.EscapedPath()
	if bucket, ok := virtualHost(r.Host); ok {
		path = "/" + bucket + path
	}
	if strings.Count(path, "/") == 1 && path != "/" {
		path += "/"
	}
	return path
}

// request is one request, taken apart.
type request struct {
	*http.Request
	w       http.ResponseWriter
	service *s3.Service
	caller  s3.Caller
	ref     s3.Ref
	query   url.Values
}

func (r *request) ctx() context.Context { return r.Context() }

// ServeHTTP answers an authenticated request.
func (a *API) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	call := aws.CallFrom(hr.Context())
	r := &request{Request: hr, w: w, service: a.service, query: hr.URL.Query()}
	if r.query.Has("X-Amz-Signature") || r.query.Has("AWSAccessKeyId") {
		r.Request = withHoisted(hr, r.query)
	}
	r.caller = s3.Caller{Credential: call.Credential, Scope: call.Scope, Context: call.ConditionKeys()}
	r.ref.Bucket, r.ref.Key = target(hr.Host, hr.URL)
	w.Header().Set("X-Amz-Request-Id", call.RequestID)
	if r.ref.Bucket != "" {
		call.Resource = minato.NewARN("s3", "", "", strings.TrimSuffix(r.ref.Bucket+"/"+r.ref.Key, "/"))
	}
	op, err := r.operation()
	if err == nil {
		call.Action = "s3:" + op.name
		err = op.do(r)
	}
	if err != nil {
		a.WriteError(w, hr, err)
	}
}

// withHoisted is a presigned request with the headers that its signer has moved into the query, as some SDKs do: they count as if they
// had been sent, and the signature covers them as well.
func withHoisted(r *http.Request, query url.Values) *http.Request {
	header := r.Header.Clone()
	for name, values := range query {
		name = http.CanonicalHeaderKey(name)
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(ofSignature, name) && header.Get(name) == "" {
			header[name] = values
		}
	}
	presigned := *r
	presigned.Header = header
	return &presigned
}

// ofSignature are the parameters that make a request presigned, as names of headers.
var ofSignature = []string{
	"X-Amz-Algorithm", "X-Amz-Content-Sha256", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature",
	"X-Amz-Signedheaders",
}

// target is the bucket and the key that a request is about, both empty for the list of buckets. Virtual hosts are BUCKET.s3.REGION.…,
// BUCKET.s3.… and BUCKET.localhost.
func target(host string, u *url.URL) (bucket, key string) {
	path := strings.TrimPrefix(u.Path, "/")
	if bucket, ok := virtualHost(host); ok {
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// endpoint are the names of S3's endpoints, with a bucket before them or not: s3.us-east-1.amazonaws.com, data.s3.localhost.
var endpoint = regexp.MustCompile(`^(?:(.+)\.)?s3(?:\.dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-[0-9])?\.(?:amazonaws\.com|amazonaws\.com\.cn|localhost)$`)

// virtualHost is the bucket that a host names, if it names one. Buckets' names may have dots, and begin as endpoints' do.
func virtualHost(host string) (bucket string, ok bool) {
	name, _, _ := strings.Cut(host, ":")
	if m := endpoint.FindStringSubmatch(name); m != nil {
		return m[1], m[1] != ""
	}
	if bucket, ok := strings.CutSuffix(name, ".localhost"); ok {
		return bucket, true
	}
	// An endpoint under a domain of somebody's own.
	if i := strings.LastIndex(name, ".s3."); i > 0 {
		return name[:i], true
	}
	return "", false
}

// operation is a row of the table of operations: what a request must have for it.
type operation struct {
	name   string
	method string
	level  level
	query  string // a parameter that tells it from others, empty for none
	header string // a header that does
	do     func(r *request) error
}

// level is what a request names.
type level int

const (
	account level = iota
	bucket
	object
)

func (r *request) level() level {
	switch {
	case r.ref.Bucket == "":
		return account
	case r.ref.Key == "":
		return bucket
	}
	return object
}

// operations are all that there are; of those that fit, the first is meant.
var operations = []operation{
	{"ListBuckets", "GET", account, "", "", listBuckets},

	{"GetBucketLocation", "GET", bucket, "location", "", getBucketLocation},
	{"GetBucketPolicy", "GET", bucket, "policy", "", getBucketPolicy},
	{"PutBucketPolicy", "PUT", bucket, "policy", "", putBucketPolicy},
	{"DeleteBucketPolicy", "DELETE", bucket, "policy", "", deleteBucketPolicy},
	{"GetBucketTagging", "GET", bucket, "tagging", "", getBucketTagging},
	{"PutBucketTagging", "PUT", bucket, "tagging", "", putBucketTagging},
	{"DeleteBucketTagging", "DELETE", bucket, "tagging", "", deleteBucketTagging},
	{"ListMultipartUploads", "GET", bucket, "uploads", "", listUploads},
	{"DeleteObjects", "POST", bucket, "delete", "", deleteObjects},
	{"GetBucketAcl", "GET", bucket, "acl", "", getBucketACL},
	{"GetBucketVersioning", "GET", bucket, "versioning", "", setting("GetBucketVersioning", "VersioningConfiguration", "")},
	{"GetBucketLogging", "GET", bucket, "logging", "", setting("GetBucketLogging", "BucketLoggingStatus", "")},
	{"GetBucketNotificationConfiguration", "GET", bucket, "notification", "", setting("GetBucketNotification", "NotificationConfiguration", "")},
	{"GetBucketAccelerateConfiguration", "GET", bucket, "accelerate", "", setting("GetAccelerateConfiguration", "AccelerateConfiguration", "")},
	{"GetBucketRequestPayment", "GET", bucket, "requestPayment", "", setting("GetBucketRequestPayment", "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>")},
	{"GetBucketOwnershipControls", "GET", bucket, "ownershipControls", "", setting("GetBucketOwnershipControls", "OwnershipControls", "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>")},
	{"GetPublicAccessBlock", "GET", bucket, "publicAccessBlock", "", setting("GetBucketPublicAccessBlock", "PublicAccessBlockConfiguration",
		"<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>")},
	{"GetBucketPolicyStatus", "GET", bucket, "policyStatus", "", setting("GetBucketPolicyStatus", "PolicyStatus", "<IsPublic>false</IsPublic>")},
	{"GetBucketCors", "GET", bucket, "cors", "", none("GetBucketCORS", "NoSuchCORSConfiguration", "The CORS configuration does not exist")},
	{"GetBucketLifecycleConfiguration", "GET", bucket, "lifecycle", "", none("GetLifecycleConfiguration", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
	{"GetBucketWebsite", "GET", bucket, "website", "", none("GetBucketWebsite", "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
	{"GetBucketReplication", "GET", bucket, "replication", "", none("GetReplicationConfiguration", "ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
	{"GetBucketEncryption", "GET", bucket, "encryption", "", none("GetEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found")},
	{"GetObjectLockConfiguration", "GET", bucket, "object-lock", "", none("GetBucketObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")},
	{"ListObjectVersions", "GET", bucket, "versions", "", listObjectVersions},
	{"ListObjectsV2", "GET", bucket, "list-type", "", listObjectsV2},
	{"ListObjects", "GET", bucket, "", "", listObjects},
	{"HeadBucket", "HEAD", bucket, "", "", headBucket},
	{"CreateBucket", "PUT", bucket, "", "", createBucket},
	{"DeleteBucket", "DELETE", bucket, "", "", deleteBucket},

	{"ListParts", "GET", object, "uploadId", "", listParts},
	{"UploadPartCopy", "PUT", object, "uploadId", "X-Amz-Copy-Source", uploadPartCopy},
	{"UploadPart", "PUT", object, "uploadId", "", uploadPart},
	{"CreateMultipartUpload", "POST", object, "uploads", "", createUpload},
	{"CompleteMultipartUpload", "POST", object, "uploadId", "", completeUpload},
	{"AbortMultipartUpload", "DELETE", object, "uploadId", "", abortUpload},
	{"GetObjectAcl", "GET", object, "acl", "", getObjectACL},
	{"GetObjectTagging", "GET", object, "tagging", "", getObjectTagging},
	{"GetObjectAttributes", "GET", object, "attributes", "", getObjectAttributes},
	{"GetObject", "GET", object, "", "", getObject},
	{"HeadObject", "HEAD", object, "", "", headObject},
	{"CopyObject", "PUT", object, "", "X-Amz-Copy-Source", copyObject},
	{"PutObject", "PUT", object, "", "", putObject},
	{"DeleteObject", "DELETE", object, "", "", deleteObject},
}

// subresources are the parameters that make a request one about something else than the bucket or object itself. Those that no
// operation here has must not be taken for it.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory", "legal-hold",
	"lifecycle", "location", "logging", "metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock", "ownershipControls",
	"partNumber", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore", "retention",
	"select", "session", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// operation finds the row of a request.
func (r *request) operation() (*operation, error) {
	i := slices.IndexFunc(operations, func(o operation) bool {
		return o.method == r.Method && o.level == r.level() && (o.query == "" || r.query.Has(o.query)) && (o.header == "" || r.Header.Get(o.header) != "")
	})
	if i < 0 {
		return nil, minato.Errorf(minato.Invalid, "The specified method %s is not allowed against this resource.", r.Method).Because(s3.MethodNotAllowed)
	}
	op := &operations[i]
	for _, name := range subresources {
		if r.query.Has(name) && name != op.query && !op.takes(name) {
			return nil, notImplemented("the parameter " + name + " of " + r.Method)
		}
	}
	if err := checkVersion(r.query.Get("versionId")); err != nil {
		return nil, err
	}
	for _, name := range unsupportedHeaders {
		if r.Header.Get(name) != "" {
			return nil, notImplemented("the header " + strings.ToLower(name))
		}
	}
	return op, r.checkACL()
}

// takes is whether the operation is about a part, or a version, of an object, if the request names one.
func (o *operation) takes(parameter string) bool {
	switch parameter {
	case "partNumber":
		return o.query == "uploadId" || o.name == "GetObject" || o.name == "HeadObject"
	case "versionId":
		return o.level == object && (o.method == "GET" || o.method == "HEAD" || o.name == "DeleteObject")
	}
	return false
}

// unsupportedHeaders ask for what Minato does not have.
var unsupportedHeaders = []string{
	"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Tagging", "X-Amz-Object-Lock-Mode",
	"X-Amz-Object-Lock-Legal-Hold", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Bucket-Object-Lock-Enabled", "X-Amz-Website-Redirect-Location",
	"X-Amz-Write-Offset-Bytes", "X-Amz-Grant-Full-Control", "X-Amz-Grant-Read", "X-Amz-Grant-Write", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write-Acp",
}

// checkACL refuses ACLs but those that say what holds anyway, and storage classes but the one there is.
func (r *request) checkACL() error {
	if acl := r.Header.Get("X-Amz-Acl"); acl != "" && acl != "private" && acl != "bucket-owner-full-control" {
		return minato.Errorf(minato.Invalid, "The bucket does not allow ACLs: %q is one. Want private or bucket-owner-full-control", acl).Because("AccessControlListNotSupported")
	}
	if class := r.Header.Get("X-Amz-Storage-Class"); class != "" && class != "STANDARD" {
		return minato.Errorf(minato.Invalid, "The storage class you specified, %q, is not valid: want STANDARD", class).Because("InvalidStorageClass")
	}
	return r.checkOwners()
}

// checkOwners holds the bucket, and that of a copy's source, to the accounts that the caller expects to have them.
func (r *request) checkOwners() error {
	if owner := r.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" {
		if err := r.service.CheckOwner(r.ctx(), r.ref.Bucket, owner); err != nil {
			return err
		}
	}
	owner := r.Header.Get("X-Amz-Source-Expected-Bucket-Owner")
	if owner == "" || r.Header.Get("X-Amz-Copy-Source") == "" {
		return nil
	}
	source, err := r.source()
	if err != nil {
		return err
	}
	return r.service.CheckOwner(r.ctx(), source.Bucket, owner)
}

func notImplemented(what string) error {
	return minato.Errorf(minato.Unsupported, "A header or parameter you provided implies functionality that is not implemented: %s. docs/operations.md has what is", what)
}

// Operations are the names of all operations, for the documentation.
func (a *API) Operations() []string {
	var names []string
	for _, o := range operations {
		names = append(names, o.name)
	}
	slices.Sort(names)
	return names
}
