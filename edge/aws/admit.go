package aws

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/sigv4"
)

// MaxBody is the largest body of a request, in bytes. The largest that AWS itself takes from a control-plane call is about
// half of it.
const MaxBody = 1 << 20

// stsLifetime is how long STS takes a presigned request, whatever its X-Amz-Expires says: the tokens of Kubernetes say 60
// seconds, and authenticators that show them to STS count on 15 minutes (aws-iam-authenticator, pkg/token).
const stsLifetime = 15 * time.Minute

// route finds the API that a request is signed for.
func (l *Listener) route(r *http.Request, call *Call) (API, error) {
	signed, err := sigv4.Parse(r, sigv4.Rules{})
	if s3, ok := l.apis["s3"].(Streaming); ok && hasReason(err, OutdatedSignature) && r.Header.Get("Authorization") == "" {
		signed, err = sigv4.ParseVersion2(r, s3.ResourcePath(r))
	}
	if err != nil {
		return nil, err
	}
	call.Service = signed.Scope.Service
	api, ok := l.apis[call.Service]
	_, streams := api.(Streaming)
	if streams && !signed.IsVersion2() { // S3 alone, which encodes its paths once
		if signed, err = sigv4.Parse(r, sigv4.Rules{SingleEncoding: true}); err != nil {
			return api, err
		}
	}
	call.signed = signed
	if !ok {
		served := strings.Join(slices.Sorted(maps.Keys(l.apis)), ", ")
		return nil, minato.Errorf(minato.Unsupported, "Minato does not serve %q, which the credential scope names; it serves %s",
			call.Service, served).Because(UnknownService)
	}
	if region := signed.Scope.Region; region != string(l.cfg.Region) && !isGlobal(call.Service, region) && !signed.IsVersion2() {
		if streams { // some SDKs sign for the Region that they are told, and come again
			return api, minato.Errorf(minato.Unauthenticated, "The authorization header is malformed; the region '%s' is wrong; expecting '%s'", region, l.cfg.Region).
				Because(IncompleteSignature).With("Region", string(l.cfg.Region))
		}
		return api, minato.Errorf(minato.Unauthenticated, "Credential should be scoped to a valid region, not '%s': this endpoint is in %s. ",
			region, l.cfg.Region).Because(SignatureMismatch)
	}
	return api, nil
}

// isGlobal is whether clients sign requests for a service with this region wherever they are: IAM is one for all regions,
// and STS has its global endpoint beside the regional ones.
func isGlobal(service, region string) bool {
	return region == "us-east-1" && (service == "iam" || service == "sts")
}

// admit verifies the signature, holds the principal to its rate, and makes the body what the API is to see: buffered, its hash
// checked, or a stream. From here on the call has a credential.
func (l *Listener) admit(w http.ResponseWriter, r *http.Request, call *Call, api API) error {
	signed := call.signed
	credential, err := l.cfg.Credentials(r.Context(), signed.AccessKeyID, signed.SessionToken)
	if err != nil {
		return err
	}
	if call.Service == "sts" {
		signed.Lifetime = stsLifetime
	}
	throttle := l.throttle
	if s, ok := api.(Streaming); ok {
		throttle, err = l.streams, openStream(w, r, signed, credential.Secret, s.MaxBody())
	} else {
		err = bufferBody(w, r, signed, credential.Secret)
	}
	if err != nil {
		return err
	}
	call.Credential = credential
	call.Scope = minato.Scope{Account: credential.Principal.Account, Region: l.cfg.Region}
	return throttle.take(credential.Principal)
}

// bufferBody reads the body, which the signature covers.
func bufferBody(w http.ResponseWriter, r *http.Request, signed *sigv4.Signed, secret string) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return signed.Verify(secret, body, time.Now())
}

// unsigned admits a request without a signature, if it is for an operation that needs none; the API is nil if it is not. Each sender is
// held to a rate by what it sends, because all pods of a VPC come from one address, and all of them together to another.
func (l *Listener) unsigned(w http.ResponseWriter, r *http.Request, call *Call) (API, error) {
	if _, err := sigv4.Parse(r, sigv4.Rules{}); !hasReason(err, MissingToken) || !wantsXML(r, call) {
		return nil, nil
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	for name, api := range l.apis {
		if u, ok := api.(Unsigned); !ok || !u.TakesUnsigned(r, body) {
			continue
		}
		call.Service, call.Scope = name, minato.Scope{Region: l.cfg.Region}
		sum := sha256.Sum256(append([]byte(r.URL.RawQuery+"\n"), body...))
		return api, l.throttle.takeUnsigned(hex.EncodeToString(sum[:]))
	}
	return nil, nil
}

func hasReason(err error, reason string) bool {
	e, ok := errors.AsType[*minato.Error](err)
	return ok && e.Reason == reason
}

// readBody reads a body that is no larger than it may be. One that says to be larger is not read at all.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := minato.Errorf(minato.Invalid, "the body is larger than %d bytes", MaxBody).Because(TooLarge)
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, minato.Errorf(minato.Invalid, "the body ends before its length or did not come in time: %w", err)
	}
	return body, nil
}
