package iam

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"minato.dev/minato/internal/seal"
)

// A session token is base64 of a version byte and something sealed, so that nobody else can make one: the whole session, compressed, or
// "ACCESSKEYID EXPIRY" of one that lies in a record. It stays short, since it travels within the cluster token, which may have 4096
// bytes in all.
const (
	tokenOfRecord = 1
	tokenOfItself = 2
	tokenContext  = "session token"
	maxTokenBytes = 1024
	maxSession    = 64 << 10 // what a session is bounded to when it is uncompressed
)

// A writer that compresses is half a megabyte, and is used again.
var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic("iam: making a compressor: " + err.Error()) // a constant level
	}
	return w
}}

var decompressors = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// carry makes a token that is a whole session. It does not fit if the token would be too long.
func carry(sealer *seal.Sealer, s Session) (token string, fits bool) {
	var b bytes.Buffer
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&b)
	if err := errors.Join(json.NewEncoder(w).Encode(s), w.Close()); err != nil {
		panic("iam: encoding a session: " + err.Error()) // strings and times only, into memory
	}
	if base64.StdEncoding.EncodedLen(1+b.Len()) > maxTokenBytes {
		return "", false
	}
	token = encodeToken(tokenOfItself, sealer.Seal(b.Bytes(), tokenContext))
	return token, len(token) <= maxTokenBytes
}

// sealToken makes the token of a session that lies in a record.
func sealToken(sealer *seal.Sealer, keyID string, expires time.Time) string {
	return encodeToken(tokenOfRecord, sealer.Seal([]byte(keyID+" "+strconv.FormatInt(expires.Unix(), 10)), tokenContext))
}

func encodeToken(version byte, sealed []byte) string {
	return base64.StdEncoding.EncodeToString(append([]byte{version}, sealed...))
}

// opened is what a session token says.
type opened struct {
	keyID   string
	expires time.Time
	session *Session // nil for one that lies in a record
}

// openToken is what a session token says. ok is false for anything that we did not make.
func openToken(sealer *seal.Sealer, token string) (o opened, ok bool) {
	if len(token) > maxTokenBytes {
		return o, false
	}
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) == 0 {
		return o, false
	}
	plain, err := sealer.Unseal(b[1:], tokenContext)
	if err != nil {
		return o, false
	}
	switch b[0] {
	case tokenOfRecord:
		id, expiry, _ := strings.Cut(string(plain), " ")
		seconds, err := strconv.ParseInt(expiry, 10, 64)
		return opened{keyID: id, expires: time.Unix(seconds, 0)}, err == nil
	case tokenOfItself:
		session, err := uncompress(plain)
		return opened{session.Principal.AccessKeyID, session.Expires, session}, err == nil
	}
	return o, false
}

func uncompress(b []byte) (*Session, error) {
	r := decompressors.Get().(io.ReadCloser)
	defer decompressors.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), nil); err != nil {
		return &Session{}, err
	}
	s := &Session{}
	return s, json.NewDecoder(io.LimitReader(r, maxSession)).Decode(s)
}
