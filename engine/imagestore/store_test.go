package imagestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
)

const (
	ours, theirs = "111122223333", "444455556666"
	mediaType    = "application/vnd.oci.image.manifest.v1+json"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(s *Store, name, content string) (Digest, error) {
	d := DigestOf([]byte(content))
	id, err := s.Begin(name, ours)
	if err != nil {
		return d, err
	}
	if _, err := s.Append(id, name, ours, 0, strings.NewReader(content)); err != nil {
		return d, err
	}
	return d, s.Finish(id, name, ours, d)
}

func mustUpload(t *testing.T, s *Store, content string) Digest {
	t.Helper()
	d, err := add(s, "app", content)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// image is a manifest of one blob.
func image(config Digest) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"config":{"digest":%q},"layers":[]}`, config)
}

func mustPut(t *testing.T, s *Store, tag string, body []byte) Digest {
	t.Helper()
	d, err := s.PutManifest("app", ours, tag, mediaType, body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	if e, ok := errors.AsType[*minato.Error](err); !ok || e.Reason != reason {
		t.Errorf("%v, want %s", err, reason)
	}
}

// TestRestart finds everything again, an upload that was under way among it.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	config := mustUpload(t, s, "config")
	d := mustPut(t, s, "v1", image(config))
	id, err := s.Begin("app", ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(id, "app", ours, -1, strings.NewReader("first, ")); err != nil {
		t.Fatal(err)
	}

	s = open(t, dir) // nothing was closed: as after kill -9
	m, err := s.Manifest("app", "v1")
	if err != nil || m.Digest != d || m.MediaType != mediaType || string(m.Body) != string(image(config)) {
		t.Errorf("%+v, %v", m, err)
	}
	if size, err := s.Uploaded(id, "app", ours); err != nil || size != 7 {
		t.Errorf("the upload has %d bytes, %v", size, err)
	}
	if _, err := s.Append(id, "app", ours, 7, strings.NewReader("second")); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(id, "app", ours, DigestOf([]byte("first, second"))); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "uploads")); err != nil || len(left) != 0 {
		t.Errorf("left in uploads: %v, %v", left, err)
	}
}

func TestWrongDigest(t *testing.T) {
	s := open(t, t.TempDir())
	id, err := s.Begin("app", ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(id, "app", ours, -1, strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	other := DigestOf([]byte("other"))
	wantReason(t, s.Finish(id, "app", ours, other), "DIGEST_INVALID")
	_, _, err = s.Blob(other)
	wantReason(t, err, "BLOB_UNKNOWN")
	wantReason(t, s.Cancel(id, "app", ours), "BLOB_UPLOAD_UNKNOWN")
}

// TestCollect keeps what a manifest needs and what just came, and nothing else.
func TestCollect(t *testing.T) {
	s := open(t, t.TempDir())
	used, unused := mustUpload(t, s, "used"), mustUpload(t, s, "unused")
	d := mustPut(t, s, "v1", image(used))
	id, err := s.Begin("app", ours)
	if err != nil {
		t.Fatal(err)
	}
	collect := func(want Collected) {
		t.Helper()
		if got, err := s.Collect(); err != nil || got != want {
			t.Errorf("collected %+v, %v, want %+v", got, err, want)
		}
	}
	collect(Collected{})
	s.clock = func() time.Time { return time.Now().Add(unusedFor + time.Minute) }
	fresh := mustUpload(t, s, "fresh")
	if _, err := s.Touch(unused); err != nil { // somebody is about to push an image with it
		t.Fatal(err)
	}
	collect(Collected{Uploads: 1})
	_, err = s.Uploaded(id, "app", ours)
	wantReason(t, err, "BLOB_UPLOAD_UNKNOWN")
	s.clock = func() time.Time { return time.Now().Add(3 * unusedFor) }
	collect(Collected{Blobs: 2, Bytes: int64(len("unused") + len("fresh"))})
	_, err = s.Touch(fresh)
	wantReason(t, err, "BLOB_UNKNOWN")
	if _, err := s.Touch(used); err != nil {
		t.Error(err)
	}
	if err := s.Delete("app", ours, string(d)); err != nil {
		t.Fatal(err)
	}
	s.clock = func() time.Time { return time.Now().Add(6 * unusedFor) }
	collect(Collected{Blobs: 1, Bytes: int64(len("used"))})
}

// TestCollectNothingBlindly removes no blob when a manifest cannot be read.
func TestCollectNothingBlindly(t *testing.T) {
	s := open(t, t.TempDir())
	config := mustUpload(t, s, "config")
	d := mustPut(t, s, "v1", image(config))
	if err := os.WriteFile(s.repository("app", "_manifests", d.hex()), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.clock = func() time.Time { return time.Now().Add(3 * unusedFor) }
	if c, err := s.Collect(); err == nil || c.Blobs > 0 {
		t.Errorf("collected %+v, %v", c, err)
	}
}

func TestOwner(t *testing.T) {
	s := open(t, t.TempDir())
	config := mustUpload(t, s, "config")
	mustPut(t, s, "v1", image(config))
	_, err := s.PutManifest("app", theirs, "v1", mediaType, image(config))
	wantReason(t, err, "DENIED")
	_, err = s.Begin("app", theirs)
	wantReason(t, err, "DENIED")
	wantReason(t, s.Delete("app", theirs, "v1"), "DENIED")
	if _, err := s.PutManifest("app/theirs", theirs, "v1", mediaType, image(config)); err != nil {
		t.Error(err)
	}
	if names, err := s.Repositories(); err != nil || !slices.Equal(names, []string{"app", "app/theirs"}) {
		t.Errorf("repositories %v, %v", names, err)
	}
}

func TestFullDisk(t *testing.T) {
	s := open(t, t.TempDir())
	config := mustUpload(t, s, "config")
	d := mustPut(t, s, "v1", image(config))
	id, err := s.Begin("app", ours)
	if err != nil {
		t.Fatal(err)
	}
	s.disk = func(string) (uint64, uint64, error) { return 10, 1000, nil }
	_, err = s.Begin("app", ours)
	wantReason(t, err, "DISK_FULL")
	_, err = s.Append(id, "app", ours, -1, strings.NewReader("content"))
	wantReason(t, err, "DISK_FULL")
	_, err = s.PutManifest("app", ours, "v2", mediaType, image(config))
	wantReason(t, err, "DISK_FULL")
	if err := s.Delete("app", ours, string(d)); err != nil {
		t.Errorf("deleting, which makes room: %v", err)
	}
	s.disk = diskSpace
	if size, err := s.Append(id, "app", ours, 0, strings.NewReader("content")); err != nil || size != 7 {
		t.Errorf("%d, %v", size, err)
	}
}

// TestOneWriter has a second writer of the same upload refused.
func TestOneWriter(t *testing.T) {
	s := open(t, t.TempDir())
	id, err := s.Begin("app", ours)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	ended := make(chan error)
	go func() {
		_, err := s.Append(id, "app", ours, -1, r)
		ended <- err
	}()
	if _, err := w.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	_, err = s.Append(id, "app", ours, -1, strings.NewReader("second"))
	wantReason(t, err, "BLOB_UPLOAD_INVALID")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if size, err := s.Uploaded(id, "app", ours); err != nil || size != 5 {
		t.Errorf("%d bytes, %v", size, err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"config":{"digest":"sha256:x"}}`))
	f.Add(image(DigestOf(nil)))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseManifest(mediaType, body)
		if err != nil {
			return
		}
		for _, part := range append(m.blobs(), m.Manifests...) {
			if !digestForm.MatchString(string(part.Digest)) {
				t.Errorf("%q came through", part.Digest)
			}
		}
	})
}
