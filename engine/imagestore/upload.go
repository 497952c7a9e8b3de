package imagestore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"sync"
	"syscall"

	"minato.dev/minato"
	"minato.dev/minato/internal/atomicfile"
)

// uploads are those that somebody is writing to.
type uploads struct {
	mu   sync.Mutex
	busy map[string]bool
}

// upload is what is known of one beside its content.
type upload struct {
	Repository string `json:"repository"`
	Account    string `json:"account"`
}

var uploadForm = regexp.MustCompile(`^[0-9A-Z]{26}$`)

// Begin begins an upload to a repository for an account, and returns its id.
func (s *Store) Begin(name, account string) (string, error) {
	if err := errors.Join(s.mayWrite(name, account), s.room()); err != nil {
		return "", err
	}
	open, err := os.ReadDir(s.path("uploads"))
	if err != nil {
		return "", err
	}
	if len(open) >= 2*maxUploads {
		return "", minato.Errorf(minato.Throttled, "there are %d uploads under way already; finish or cancel one", len(open)/2).Because("TOOMANYREQUESTS")
	}
	b, err := json.Marshal(upload{name, account})
	if err != nil {
		return "", err
	}
	id := rand.Text()
	if err := os.WriteFile(s.path("uploads", id), nil, 0o600); err != nil {
		return "", noSpace(err)
	}
	return id, noSpace(atomicfile.Write(s.path("uploads", id+".json"), b, 0o600))
}

// Append adds content to an upload and returns how many bytes it has now. A content that should begin at another offset is refused;
// from -1 it is whatever comes next. What has come before content ended with an error is kept.
func (s *Store) Append(id, name, account string, from int64, content io.Reader) (size int64, err error) {
	release, err := s.take(id, name, account)
	if err != nil {
		return 0, err
	}
	defer release()
	f, err := os.OpenFile(s.path("uploads", id), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if size = info.Size(); from >= 0 && from != size {
		return size, minato.Errorf(minato.WrongState, "the upload has %d bytes, and this part begins at %d", size, from).Because("BLOB_UPLOAD_INVALID")
	}
	added, err := s.copy(f, content, MaxBlob-size)
	return size + added, err
}

// copy looks at the room that is left before each piece.
func (s *Store) copy(f *os.File, content io.Reader, limit int64) (n int64, err error) {
	const piece = 16 << 20
	for {
		if err := s.room(); err != nil {
			return n, err
		}
		added, err := io.CopyN(f, content, min(piece, limit-n+1))
		n += added
		switch {
		case n > limit:
			return n, minato.Errorf(minato.Invalid, "the blob is larger than %d bytes", int64(MaxBlob)).Because("SIZE_INVALID")
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, noSpace(err)
		}
	}
}

// Finish makes a blob of an upload if its content has the digest.
func (s *Store) Finish(id, name, account string, d Digest) error {
	release, err := s.take(id, name, account)
	if err != nil {
		return err
	}
	defer release()
	f, err := os.Open(s.path("uploads", id))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != d.hex() {
		s.drop(id)
		return minato.Errorf(minato.Invalid, "the content has the digest sha256:%s, not %s", got, d).Because("DIGEST_INVALID")
	}
	if err := f.Sync(); err != nil {
		return noSpace(err)
	}
	now := s.clock()
	if err := os.Chtimes(f.Name(), now, now); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.blob(d)); err != nil {
		return err
	}
	s.drop(id)
	return syncDirs(s.path("blobs"))
}

// Uploaded is how many bytes of an upload have come.
func (s *Store) Uploaded(id, name, account string) (int64, error) {
	if err := s.known(id, name, account); err != nil {
		return 0, err
	}
	info, err := os.Stat(s.path("uploads", id))
	if err != nil {
		return 0, unknownUpload(id)
	}
	return info.Size(), nil
}

// Cancel forgets an upload.
func (s *Store) Cancel(id, name, account string) error {
	release, err := s.take(id, name, account)
	if err != nil {
		return err
	}
	defer release()
	s.drop(id)
	return nil
}

// take is an upload for one writer at a time.
func (s *Store) take(id, name, account string) (release func(), err error) {
	if err := s.known(id, name, account); err != nil {
		return nil, err
	}
	s.uploads.mu.Lock()
	defer s.uploads.mu.Unlock()
	if s.uploads.busy[id] {
		return nil, minato.Errorf(minato.WrongState, "upload %s is being written to", id).Because("BLOB_UPLOAD_INVALID")
	}
	s.uploads.busy[id] = true
	return func() {
		s.uploads.mu.Lock()
		defer s.uploads.mu.Unlock()
		delete(s.uploads.busy, id)
	}, nil
}

// known is nil when an upload is under way to a repository by an account.
func (s *Store) known(id, name, account string) error {
	if !uploadForm.MatchString(id) {
		return unknownUpload(id)
	}
	b, err := os.ReadFile(s.path("uploads", id+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return unknownUpload(id)
	}
	if err != nil {
		return err
	}
	var u upload
	if err := json.Unmarshal(b, &u); err != nil {
		return fmt.Errorf("reading upload %s: %w", id, err)
	}
	if u != (upload{name, account}) {
		return unknownUpload(id)
	}
	return nil
}

// drop removes what is left of an upload. What cannot be removed is collected later.
func (s *Store) drop(id string) {
	_ = os.Remove(s.path("uploads", id))
	_ = os.Remove(s.path("uploads", id+".json"))
}

func unknownUpload(id string) error {
	return minato.Errorf(minato.NotFound, "there is no upload %q to this repository", id).Because("BLOB_UPLOAD_UNKNOWN")
}

// noSpace says what a full disk means.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return full(err)
	}
	return err
}
