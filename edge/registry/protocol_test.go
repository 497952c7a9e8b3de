package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/engine/imagestore"
)

const hello = "hello, harbour"

var helloDigest = string(imagestore.DigestOf([]byte(hello)))

// TestChunkedUpload goes on where it was, says where that is, and refuses a part that begins elsewhere.
func TestChunkedUpload(t *testing.T) {
	t.Parallel()
	w := start(t)
	at := w.want(202, "", alice, "POST", "/v2/app/blobs/uploads/", "").Header.Get("Location")
	resp := w.want(202, "", alice, "PATCH", at, hello[:5], "Content-Range", "0-4")
	if got := resp.Header.Get("Range"); got != "0-4" {
		t.Errorf("Range %q", got)
	}
	resp = w.want(416, "BLOB_UPLOAD_INVALID", alice, "PATCH", at, hello[7:], "Content-Range", "7-13")
	if got := resp.Header.Get("Range"); got != "0-4" {
		t.Errorf("Range %q", got)
	}
	w.want(400, "BLOB_UPLOAD_INVALID", alice, "PATCH", at, "x", "Content-Range", "all")
	if got := w.want(204, "", alice, "GET", at, "").Header.Get("Range"); got != "0-4" {
		t.Errorf("Range %q", got)
	}
	w.want(404, "BLOB_UPLOAD_UNKNOWN", bob, "PATCH", at, "mine", "Content-Range", "5-8")
	w.want(404, "BLOB_UPLOAD_UNKNOWN", alice, "PATCH", strings.Replace(at, "/app/", "/other/", 1), "x")
	w.want(202, "", alice, "PATCH", at, hello[5:9])
	resp = w.want(201, "", alice, "PUT", at+"?digest="+helloDigest, hello[9:])
	if got := resp.Header.Get("Docker-Content-Digest"); got != helloDigest {
		t.Errorf("digest %q", got)
	}
	w.want(404, "BLOB_UPLOAD_UNKNOWN", alice, "GET", at, "")
	w.want(200, hello, nil, "GET", "/v2/app/blobs/"+helloDigest, "")
	w.want(206, "harbour", nil, "GET", "/v2/app/blobs/"+helloDigest, "", "Range", "bytes=7-")
	if resp := w.want(200, "", nil, "HEAD", "/v2/app/blobs/"+helloDigest, ""); resp.ContentLength != int64(len(hello)) {
		t.Errorf("HEAD says %d bytes", resp.ContentLength)
	}
}

func TestUploadsInOneRequest(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.want(400, "DIGEST_INVALID", alice, "POST", "/v2/app/blobs/uploads/?digest="+helloDigest, "something else")
	w.want(404, "BLOB_UNKNOWN", nil, "GET", "/v2/app/blobs/"+helloDigest, "")
	w.want(202, "", alice, "POST", "/v2/app/blobs/uploads/?mount="+helloDigest+"&from=other", "")
	w.want(201, "", alice, "POST", "/v2/app/blobs/uploads/?digest="+helloDigest, hello)
	w.want(201, "", alice, "POST", "/v2/app/blobs/uploads/?mount="+helloDigest+"&from=other", "")
	w.want(400, "DIGEST_INVALID", alice, "POST", "/v2/app/blobs/uploads/?digest=sha512:abc", "")
	at := w.want(202, "", alice, "POST", "/v2/app/blobs/uploads/", "").Header.Get("Location")
	w.want(400, "DIGEST_INVALID", alice, "PUT", at, "")
	w.want(204, "", alice, "DELETE", at, "")
	w.want(404, "BLOB_UPLOAD_UNKNOWN", alice, "PUT", at+"?digest="+helloDigest, hello)
}

// TestCutShort loses the client in the middle of a part; what came is kept and the upload goes on.
func TestCutShort(t *testing.T) {
	t.Parallel()
	w := start(t)
	at := w.want(202, "", alice, "POST", "/v2/app/blobs/uploads/", "").Header.Get("Location")
	ctx, cancel := context.WithCancel(t.Context())
	r, content := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, w.server.URL+at, r)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(alice.Username, alice.Password)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := w.server.Client().Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	if _, err := content.Write([]byte(hello[:5])); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	var sent string
	for sent == "" { // until the server has seen the end of it
		if resp, _ := w.do(alice, "PATCH", at, ""); resp.StatusCode == http.StatusAccepted {
			sent = resp.Header.Get("Range")
		}
	}
	_, err = fmt.Sscanf(sent, "0-%d", new(int))
	if err != nil {
		t.Fatalf("Range %q", sent)
	}
	rest := hello[5:]
	if sent == "0-0" { // nothing had come
		rest = hello
	}
	w.want(201, "", alice, "PUT", at+"?digest="+helloDigest, rest)
}

func TestManifestsAreChecked(t *testing.T) {
	t.Parallel()
	w := start(t)
	const oci = "application/vnd.oci.image.manifest.v1+json"
	w.want(201, "", alice, "POST", "/v2/app/blobs/uploads/?digest="+helloDigest, hello)
	whole := fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q,"size":14},"layers":[]}`, helloDigest)
	for _, c := range []struct{ status, text, ref, mediaType, body string }{
		{"400", "MANIFEST_INVALID", "v1", oci, "no JSON"},
		{"400", "MANIFEST_INVALID", "v1", oci, `{}`},
		{"400", "MANIFEST_INVALID", "v1", "", whole},
		{"400", "MANIFEST_INVALID", "v1", oci, `{"mediaType":"text/plain","config":{"digest":"` + helloDigest + `"}}`},
		{"400", "MANIFEST_INVALID", "v1", oci, `{"config":{"digest":"sha256:../../etc/passwd"}}`},
		{"404", "MANIFEST_BLOB_UNKNOWN", "v1", oci, `{"config":{"digest":"sha256:` + strings.Repeat("0", 64) + `"}}`},
		{"404", "MANIFEST_BLOB_UNKNOWN", "v1", oci, `{"manifests":[{"digest":"` + helloDigest + `"}]}`},
		{"400", "TAG_INVALID", "-", oci, whole},
		{"400", "DIGEST_INVALID", helloDigest, oci, whole},
		{"400", "MANIFEST_INVALID", "v1", oci, strings.Repeat(" ", imagestore.MaxManifest+1)},
	} {
		resp, got := w.do(alice, "PUT", "/v2/app/manifests/"+c.ref, c.body, "Content-Type", c.mediaType)
		if fmt.Sprint(resp.StatusCode) != c.status || !strings.Contains(got, c.text) {
			t.Errorf("%.60s as %s: %d %s, want %s %s", c.body, c.ref, resp.StatusCode, got, c.status, c.text)
		}
	}
	if repositories, err := w.store.Repositories(); err != nil || len(repositories) != 0 {
		t.Errorf("refused manifests left %v, %v", repositories, err)
	}
	w.want(201, "", alice, "PUT", "/v2/app/manifests/"+string(imagestore.DigestOf([]byte(whole))), whole, "Content-Type", oci)
	resp := w.want(200, whole, nil, "GET", "/v2/app/manifests/"+string(imagestore.DigestOf([]byte(whole))), "")
	if got := resp.Header.Get("Content-Type"); got != oci {
		t.Errorf("Content-Type %q", got)
	}
}

func TestNonsense(t *testing.T) {
	t.Parallel()
	w := start(t)
	for path, want := range map[string]int{
		"/v2/App/manifests/v1":                           400,
		"/v2/_owner/manifests/v1":                        400,
		"/v2/..%2f..%2fetc/manifests/v1":                 400,
		"/v2/a/_tags/manifests/v1":                       400,
		"/v2/app/manifests/..%2f..":                      404,
		"/v2/app/manifests/sha256:../../x":               404,
		"/v2/app/blobs/sha256:0":                         400,
		"/v2/app/blobs/uploads/..%2f..":                  404,
		"/v2/app/tags/list":                              404,
		"/v2/app/tags/others":                            404,
		"/v2/app":                                        404,
		"/v2/app/referrers/sha256:0":                     404,
		"/v2/app/tags/list?n=many":                       404,
		"/v2/_catalog?n=-1":                              400,
		"/v2/" + strings.Repeat("a", 256) + "/tags/list": 400,
	} {
		w.want(want, "errors", nil, "GET", path, "")
	}
	w.want(405, "UNSUPPORTED", alice, "PUT", "/v2/app/tags/list", "")
	w.want(405, "UNSUPPORTED", alice, "DELETE", "/v2/app/blobs/"+helloDigest, "")
	w.want(405, "UNSUPPORTED", alice, "PUT", "/v2/app/blobs/uploads/", "")
	w.want(405, "UNSUPPORTED", alice, "POST", "/v2/_catalog", "")
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := start(t)
	img := randomImage(t)
	for _, tag := range []string{"c", "a", "b"} {
		if err := push(w, "app", tag, img); err != nil {
			t.Fatal(err)
		}
	}
	resp := w.want(200, `["a","b"]`, nil, "GET", "/v2/app/tags/list?n=2", "")
	if got := resp.Header.Get("Link"); got != `</v2/app/tags/list?last=b&n=2>; rel="next"` {
		t.Errorf("Link %s", got)
	}
	if links := w.want(200, `["c"]`, nil, "GET", "/v2/app/tags/list?last=b&n=2", "").Header["Link"]; !slices.Equal(links, nil) {
		t.Errorf("the last page links to %v", links)
	}
	w.want(200, `"tags":[]`, nil, "GET", "/v2/app/tags/list?n=0", "")
}
