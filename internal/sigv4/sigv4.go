// Package sigv4 verifies AWS Signature Version 4: it signs a request again with the secret of the key that the request
// names, and compares. Requests carry their signature in the Authorization header or in the query (presigned).
//
// Verification has two steps, because the secret is looked up in between:
//
//	signed, err := sigv4.Parse(r, sigv4.Rules{})      // who says to have signed, for where, and when
//	…look up signed.AccessKeyID…
//	err = signed.Verify(secret, body, time.Now())     // did they
//
// Where it is stricter than the letter of the protocol: paths are not normalised, so that what was signed is what gets
// routed, and a request that carries both kinds of signature, or a signature parameter twice, is refused.
//
// Source: "AWS Signature Version 4 for API requests" in the IAM User Guide. Errors are of kind Unauthenticated, with one of
// the reasons below and AWS's words where AWS has some.
package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"minato.dev/minato"
)

// Reasons of errors, spelled as the codes of AWS's query protocols.
const (
	Missing    = "MissingAuthenticationToken" // there is no signature
	Incomplete = "IncompleteSignature"        // there is one that cannot be understood
	Mismatch   = "SignatureDoesNotMatch"      // it is wrong, covers too little, or is from another time
	Expired    = "RequestExpired"             // a presigned request came after its end
	Skewed     = "RequestTimeTooSkewed"       // it is from another time than S3 takes
	Unhashed   = "MissingContentHash"         // a streaming service's: its header does not say how the body is signed
	Outdated   = "UnsupportedSignature"       // it is Signature Version 2, which only ParseVersion2 takes
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	dateLayout = "20060102"
	timeLayout = "20060102T150405Z"

	// Skew is how far the clock of a signer may be off.
	Skew = 5 * time.Minute
	// StreamSkew is that of S3's signers ("Error responses", S3 API reference, RequestTimeTooSkewed).
	StreamSkew = 15 * time.Minute
	// MaxLifetime is the longest that a presigned request may say it is good for.
	MaxLifetime = 7 * 24 * time.Hour

	// maxQuery bounds the query that gets canonicalised, and maxAuthorization the header: far more than any signer sends.
	maxQuery         = 64 << 10
	maxAuthorization = 8 << 10
)

// Scope is what a signing key is good for.
type Scope struct {
	Date    string // yyyymmdd
	Region  string
	Service string
}

func (s Scope) String() string { return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator }

// Rules are where services differ. The zero Rules are those of all services but S3.
type Rules struct {
	// SingleEncoding takes the path as encoded once, as S3 does; all others encode the encoded path again.
	SingleEncoding bool
}

// Signed is what a request says about its signature, none of which is true before Verify has said so.
type Signed struct {
	AccessKeyID   string
	Scope         Scope
	SignedHeaders []string // in lower case, sorted
	SessionToken  string   // empty for long-lived keys
	Time          time.Time
	Presigned     bool
	// Lifetime is how long after Time a presigned request is good: its X-Amz-Expires. A caller whose own rule differs (STS,
	// which lets Kubernetes tokens live for 15 minutes whatever they say) sets it before Verify.
	Lifetime time.Duration

	signature    string
	declaredHash string // x-amz-content-sha256, empty where it was not sent
	canonical    string // the canonical request up to the payload's hash
	version2     string // what is signed instead, by Version 2, and until when that is good
	ends         time.Time
}

// Parse reads a request's signature; it does not touch the body.
func Parse(r *http.Request, rules Rules) (*Signed, error) {
	return parse(&request{
		method: r.Method, host: r.Host, path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header,
		contentLength: r.ContentLength, rules: rules,
	})
}

// ParseURL reads the signature of a bare presigned GET, as it would come over the wire with the given headers beside host.
func ParseURL(u *url.URL, header http.Header) (*Signed, error) {
	return parse(&request{method: http.MethodGet, host: u.Host, path: u.EscapedPath(), query: u.RawQuery, header: header})
}

func parse(r *request) (*Signed, error) {
	if len(r.query) > maxQuery {
		return nil, minato.Errorf(minato.Unauthenticated,
			"the query has %d bytes: want %d at most", len(r.query), maxQuery).Because(Incomplete)
	}
	params, err := parseQuery(r.query)
	if err != nil {
		return nil, err
	}
	authorization := r.header.Get("Authorization")
	inHeader := strings.HasPrefix(authorization, algorithm)
	inQuery := params.has("X-Amz-Signature") || params.has("X-Amz-Algorithm")
	var s *Signed
	switch {
	case inHeader && inQuery:
		err = incomplete("the request is signed in its Authorization header and in its query: want one of them")
	case inHeader:
		s, err = fromHeader(r, authorization)
	case inQuery:
		s, err = fromQuery(r, params)
	case strings.HasPrefix(authorization, "AWS ") || params.has("AWSAccessKeyId"):
		err = minato.Errorf(minato.Unauthenticated, "The authorization mechanism you have provided is not supported. Please use %s. "+
			"(The request is signed with Signature Version 2, which is for presigned requests to S3 only)", algorithm).Because(Outdated)
	default:
		err = minato.Errorf(minato.Unauthenticated, "Request is missing Authentication Token").Because(Missing)
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkCoverage(r); err != nil {
		return nil, err
	}
	s.canonical, err = canonicalHead(r, params, s.SignedHeaders)
	return s, err
}

// Verify signs the request again and compares, after it has checked the time. The body is the whole body, nil for none.
func (s *Signed) Verify(secret string, body []byte, now time.Time) error {
	if s.IsVersion2() {
		return s.verifyVersion2(secret, now)
	}
	if err := s.checkTime(now); err != nil {
		return err
	}
	hash := sha256.Sum256(body)
	payload := hex.EncodeToString(hash[:])
	if s.declaredHash != "" && s.declaredHash != payload {
		return mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	want := s.sign(secret, payload)
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.signature)) != 1 {
		return mismatch("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func (s *Signed) checkTime(now time.Time) error {
	at := s.Time.Format(timeLayout)
	if s.Time.After(now.Add(Skew)) {
		return mismatch("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			at, now.UTC().Add(Skew).Format(timeLayout), now.UTC().Format(timeLayout))
	}
	if s.Presigned {
		if end := s.Time.Add(s.Lifetime); now.After(end) {
			return minato.Errorf(minato.Unauthenticated, "Request has expired: it was signed at %s, good until %s, and came at %s",
				at, end.Format(timeLayout), now.UTC().Format(timeLayout)).Because(Expired)
		}
		return nil
	}
	if s.Time.Before(now.Add(-Skew)) {
		return mismatch("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			at, now.UTC().Add(-Skew).Format(timeLayout), now.UTC().Format(timeLayout))
	}
	return nil
}

func incomplete(format string, args ...any) error {
	return minato.Errorf(minato.Unauthenticated, format, args...).Because(Incomplete)
}

func mismatch(format string, args ...any) error {
	return minato.Errorf(minato.Unauthenticated, format, args...).Because(Mismatch)
}
