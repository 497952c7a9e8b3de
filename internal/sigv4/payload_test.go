package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"minato.dev/minato"
)

// awsExample is "Example: PUT Object with chunked upload" of the S3 API reference: its key, date, seed signature and chunk
// signatures.
func awsExample(t testing.TB, body io.Reader) io.Reader {
	t.Helper()
	at, err := time.Parse(timeLayout, "20130524T000000Z")
	if err != nil {
		t.Fatal(err)
	}
	s := &Signed{
		Scope: Scope{Date: "20130524", Region: "us-east-1", Service: "s3"}, Time: at, declaredHash: signedChunks,
		signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
	}
	return s.Body("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", body, http.Header{})
}

func exampleBody() string {
	return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
}

func TestSignedChunks(t *testing.T) {
	t.Parallel()
	for name, reader := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
		got, err := io.ReadAll(awsExample(t, reader(strings.NewReader(exampleBody()))))
		if err != nil || string(got) != strings.Repeat("a", 66560) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestChunksThatAreNotWhatWasSigned(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"another content":     strings.Replace(exampleBody(), "aaa", "aab", 1),
		"without its end":     exampleBody()[:66000],
		"without a chunk":     exampleBody()[strings.Index(exampleBody(), "400;"):],
		"no size":             "x;chunk-signature=00\r\n",
		"no signature":        "5\r\nhello\r\n0\r\n\r\n",
		"a huge chunk":        "7fffffffffffffff;chunk-signature=00\r\n",
		"a line without end":  strings.Repeat("1", 100000),
		"more than its size":  strings.Replace(exampleBody(), "a\r\n400", "ab\r\n400", 1),
		"nothing":             "",
		"the size is too big": "ffffffffffffffffffff;chunk-signature=00\r\n",
	} {
		if got, err := io.ReadAll(awsExample(t, strings.NewReader(body))); err == nil {
			t.Errorf("%s: read %d bytes", name, len(got))
		}
	}
}

// TestChunksTakeTheMemoryOfWhatComes has a chunk that says to be large and never comes.
func TestChunksTakeTheMemoryOfWhatComes(t *testing.T) {
	t.Parallel()
	r, ok := awsExample(t, strings.NewReader("1000000;chunk-signature=00\r\nhello")).(*chunkReader)
	if !ok {
		t.Fatal("the body is not read in chunks")
	}
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a chunk: %v", err)
	}
	if got := r.buf.Cap(); got > 64<<10 {
		t.Errorf("5 bytes of a chunk lie in %d", got)
	}
}

func TestUnsignedChunksWithTrailer(t *testing.T) {
	t.Parallel()
	s, trailer := &Signed{declaredHash: unsignedTrailer}, http.Header{}
	got, err := io.ReadAll(s.Body("", strings.NewReader("5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"), trailer))
	if err != nil || string(got) != "hello world" || trailer.Get("x-amz-checksum-crc32") != "DUoRhQ==" {
		t.Errorf("got %q, %v, trailer %v", got, err, trailer)
	}
	if _, err := io.ReadAll(s.Body("", strings.NewReader("5\r\nhel"), trailer)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a chunk: %v", err)
	}
}

func TestSignedHashOfABody(t *testing.T) {
	t.Parallel()
	hash := sha256.Sum256([]byte("hello"))
	s := &Signed{declaredHash: hex.EncodeToString(hash[:])}
	if got, err := io.ReadAll(s.Body("", strings.NewReader("hello"), nil)); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := io.ReadAll(s.Body("", strings.NewReader("hellO"), nil)); err == nil {
		t.Error("another body was taken")
	}
}

// FuzzChunks looks for a body that panics the reader, or is taken though it is not what was signed.
func FuzzChunks(f *testing.F) {
	f.Add(exampleBody())
	f.Add("5;chunk-signature=00\r\nhello\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := io.ReadAll(awsExample(t, strings.NewReader(body)))
		if err == nil && string(got) != strings.Repeat("a", 66560) {
			t.Errorf("took %d bytes of another content", len(got))
		}
		s := &Signed{declaredHash: unsignedTrailer}
		if got, err := io.ReadAll(s.Body("", strings.NewReader(body), http.Header{})); err == nil && len(got) > len(body) {
			t.Errorf("%d bytes of content in a body of %d", len(got), len(body))
		} else if _, ours := errors.AsType[*minato.Error](err); err != nil && !ours && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("an error without a kind: %s", fmt.Sprint(err))
		}
	})
}

// TestStreamSkew is how far the clock of a client of S3 may be off.
func TestStreamSkew(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	for off, good := range map[time.Duration]bool{-16 * time.Minute: false, -14 * time.Minute: true, 14 * time.Minute: true, 16 * time.Minute: false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.localhost/data/key", nil)
		if err == nil {
			err = Sign(r, nil, Key{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, "us-east-1", "s3", now.Add(off))
		}
		if err != nil {
			t.Fatal(err)
		}
		signed, err := Parse(r, Rules{})
		if err != nil {
			t.Fatal(err)
		}
		s3, err := Parse(r, Rules{SingleEncoding: true})
		if err != nil {
			t.Fatal(err)
		}
		s3.declaredHash = ""
		if e, ok := errors.AsType[*minato.Error](s3.VerifyHead("secret", now)); good && (!ok || e.Reason != Unhashed) {
			t.Errorf("a header that does not say how the body is signed: %v", e)
		}
		s3.declaredHash = unsignedPayload
		s3.signature = s3.sign("secret", s3.payload())
		err = s3.VerifyHead("secret", now)
		if e, _ := errors.AsType[*minato.Error](err); good != (err == nil) || !good && e.Reason != Skewed {
			t.Errorf("signed %s from now: %v", off, err)
		}
		if err := signed.Verify("secret", nil, now); err == nil {
			t.Errorf("another service takes what was signed %s from now", off)
		}
	}
}

func TestSignatureVersion2(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{
		"presigned": {Host: "localhost", URL: &url.URL{Path: "/data/k", RawQuery: "AWSAccessKeyId=AKIA&Signature=x&Expires=1"}},
		"header":    {Host: "localhost", URL: &url.URL{Path: "/data/k"}, Header: http.Header{"Authorization": {"AWS AKIA:x"}}},
	} {
		_, err := Parse(r, Rules{})
		if e, ok := errors.AsType[*minato.Error](err); !ok || e.Reason != Outdated {
			t.Errorf("%s: %v", name, err)
		}
	}
}
