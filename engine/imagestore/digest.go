package imagestore

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"minato.dev/minato"
)

// Digest names content: "sha256:" and 64 hexadecimal digits.
type Digest string

var (
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	nameForm   = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagForm    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// ParseDigest checks the form of a digest.
func ParseDigest(s string) (Digest, error) {
	if !digestForm.MatchString(s) {
		return "", minato.Errorf(minato.Invalid, "digest %q: want sha256: and 64 hexadecimal digits", s).Because("DIGEST_INVALID")
	}
	return Digest(s), nil
}

// CheckName checks the name of a repository.
func CheckName(name string) error {
	if len(name) > 255 || !nameForm.MatchString(name) {
		return minato.Errorf(minato.Invalid, "repository %q: want lower case letters and digits, with . _ - between them and / between parts", name).
			Because("NAME_INVALID")
	}
	return nil
}

// CheckTag checks the form of a tag.
func CheckTag(tag string) error {
	if !tagForm.MatchString(tag) {
		return minato.Errorf(minato.Invalid, "tag %q: want up to 128 letters, digits and . _ -", tag).Because("TAG_INVALID")
	}
	return nil
}

// DigestOf is the digest of content.
func DigestOf(content []byte) Digest {
	sum := sha256.Sum256(content)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

func (d Digest) hex() string { return strings.TrimPrefix(string(d), "sha256:") }
