package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"minato.dev/minato"
)

// The ways in which S3 lets x-amz-content-sha256 say how a body is signed, beside the hash itself ("Signature Calculations for
// the Authorization Header", S3 API reference).
const (
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	signedChunks     = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	asymmetricChunks = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
)

// VerifyHead is Verify for a service whose bodies are streams: it takes the body to be what the request says it is, which Body
// then holds it to.
func (s *Signed) VerifyHead(secret string, now time.Time) error {
	if s.IsVersion2() {
		return s.verifyVersion2(secret, now)
	}
	if err := s.checkStreamTime(now); err != nil {
		return err
	}
	if s.declaredHash == "" && !s.Presigned {
		return minato.Errorf(minato.Unauthenticated, "Missing required header for this request: x-amz-content-sha256").Because(Unhashed)
	}
	payload := s.payload()
	if strings.HasPrefix(payload, asymmetricChunks) {
		return incomplete("the payload is signed by %s: want SigV4", payload)
	}
	if !strings.HasPrefix(payload, "STREAMING-") && payload != unsignedPayload && !signatureForm.MatchString(payload) {
		return incomplete("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "+
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value, not '%s'", payload)
	}
	want := s.sign(secret, payload)
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.signature)) != 1 {
		return mismatch("The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return nil
}

// checkStreamTime is checkTime with S3's bound and in its words.
func (s *Signed) checkStreamTime(now time.Time) error {
	if s.Presigned {
		return s.checkTime(now)
	}
	if now.Sub(s.Time).Abs() > StreamSkew {
		return minato.Errorf(minato.Unauthenticated, "The difference between the request time and the current time is too large: "+
			"it was signed at %s, and came at %s", s.Time.Format(timeLayout), now.UTC().Format(timeLayout)).Because(Skewed)
	}
	return nil
}

// payload is what stands for the body in the signature.
func (s *Signed) payload() string {
	if s.declaredHash == "" {
		return unsignedPayload
	}
	return s.declaredHash
}

// Chunked is whether the body comes in aws-chunked encoding, so that its length on the wire is not that of its content.
func (s *Signed) Chunked() bool { return strings.HasPrefix(s.declaredHash, "STREAMING-") }

// Body reads the content of a body after VerifyHead. A content that is not what was signed ends in an error of reason Mismatch
// instead of io.EOF; the trailer is filled with what came after the content by then.
func (s *Signed) Body(secret string, body io.Reader, trailer http.Header) io.Reader {
	switch payload := s.payload(); payload {
	case unsignedPayload:
		return body
	case signedChunks, signedTrailer:
		return newChunkReader(body, trailer, &chunkSigner{
			key: signingKey(secret, s.Scope), head: s.Time.Format(timeLayout) + "\n" + s.Scope.String() + "\n", previous: s.signature,
			trailer: payload == signedTrailer,
		})
	case unsignedTrailer:
		return newChunkReader(body, trailer, nil)
	default:
		return &hashedReader{r: body, hash: sha256.New(), want: payload}
	}
}

// hashedReader is a content whose hash was signed.
type hashedReader struct {
	r    io.Reader
	hash hash.Hash
	want string
}

func (h *hashedReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(h.hash.Sum(nil)) != h.want {
		return n, mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return n, err
}

// chunkSigner is the chain of signatures of chunks: each covers the one before.
type chunkSigner struct {
	key      []byte
	head     string // time and scope
	previous string
	trailer  bool // the trailer is signed too
}

// check is whether a chunk has the signature that it says.
func (c *chunkSigner) check(data []byte, got string) error {
	digest := sha256.Sum256(data)
	return c.checkString(algorithm+"-PAYLOAD\n"+c.head+c.previous+"\n"+emptyHash+"\n"+hex.EncodeToString(digest[:]), got)
}

// checkTrailer is whether the trailer has the signature that it says.
func (c *chunkSigner) checkTrailer(canonical, got string) error {
	digest := sha256.Sum256([]byte(canonical))
	return c.checkString(algorithm+"-TRAILER\n"+c.head+c.previous+"\n"+hex.EncodeToString(digest[:]), got)
}

func (c *chunkSigner) checkString(toSign, got string) error {
	want := hex.EncodeToString(mac(c.key, toSign))
	if subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return mismatch("The signature of a chunk that we calculated does not match the one that you provided.")
	}
	c.previous = want
	return nil
}
