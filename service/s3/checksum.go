package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strings"

	"minato.dev/minato/engine/objectstore"
)

// algorithms are the checksums that a client may send and ask for, by their names in x-amz-checksum-NAME ("Checking object
// integrity", S3 User Guide).
var algorithms = map[string]func() hash.Hash{
	"crc32":   func() hash.Hash { return crc32.NewIEEE() },
	"crc32c":  func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	crc64NVME: func() hash.Hash { return crc64.New(nvme) },
	"sha1":    sha1.New,
	"sha256":  sha256.New,
}

// crc64NVME is the checksum of objects for which nobody names another.
const crc64NVME = "crc64nvme"

var nvme = crc64.MakeTable(crcs[crc64NVME].poly)

// checksumHeader is the name of a checksum's header and trailer, in lower case.
func checksumHeader(algorithm string) string { return "x-amz-checksum-" + algorithm }

// IsAlgorithm is whether there is a checksum of a name, in any case.
func IsAlgorithm(name string) bool {
	_, ok := algorithms[strings.ToLower(name)]
	return ok
}

// ChecksumAlgorithm is that of the checksum that is kept of an object, in lower case; empty if there is none.
func ChecksumAlgorithm(m *objectstore.Meta) string {
	for algorithm := range algorithms {
		if _, ok := m.Header[checksumHeader(algorithm)]; ok {
			return algorithm
		}
	}
	return ""
}

// Expect is what a client says of a body, so that one that was damaged on its way is refused.
type Expect struct {
	MD5       string // Content-MD5, base64; empty for none
	Algorithm string // of Checksum, in lower case; empty for none
	// Checksum is the checksum, nil where the client leaves it to the server to compute one. One that comes after the body is known
	// when all of that has been read, and empty if it has not come.
	Checksum func() string
}

// digest reads a body and computes what is kept of it: the ETag and a checksum. Who makes one stops its md5.
type digest struct {
	io.Reader
	md5       *background
	checksum  hash.Hash
	algorithm string
	expect    Expect
	header    map[string]string
}

func newDigest(body io.Reader, expect Expect, header map[string]string) (*digest, error) {
	d := &digest{md5: newBackground(md5.New()), algorithm: expect.Algorithm, expect: expect, header: header}
	if d.algorithm == "" {
		d.algorithm = crc64NVME // as S3 has it where the client does not say
	}
	make, ok := algorithms[d.algorithm]
	if !ok {
		return nil, invalid(InvalidRequest, "The checksum algorithm %q is not known: want CRC32, CRC32C, CRC64NVME, SHA1 or SHA256", expect.Algorithm)
	}
	d.checksum = make()
	d.Reader = io.TeeReader(body, io.MultiWriter(d.md5, d.checksum))
	return d, nil
}

// Check is whether a document is what its sender says.
func Check(document []byte, expect Expect) error {
	d, err := newDigest(bytes.NewReader(document), expect, nil)
	if err != nil {
		return err
	}
	defer d.md5.Stop()
	_, _ = io.Copy(io.Discard, d) // a reader of bytes does not fail
	_, err = d.finish(0)
	return err
}

// finish compares with what the client has said.
func (d *digest) finish(int64) (objectstore.Meta, error) {
	sum := d.md5.Sum()
	if d.expect.MD5 != "" {
		want, err := base64.StdEncoding.DecodeString(d.expect.MD5)
		if err != nil || len(want) != md5.Size {
			return objectstore.Meta{}, invalid(InvalidDigest, "The Content-MD5 you specified was invalid.")
		}
		if string(want) != string(sum) {
			return objectstore.Meta{}, invalid(BadDigest, "The Content-MD5 you specified did not match what we received.")
		}
	}
	got := base64.StdEncoding.EncodeToString(d.checksum.Sum(nil))
	if d.expect.Checksum != nil {
		want := d.expect.Checksum()
		if want == "" {
			return objectstore.Meta{}, invalid(MalformedTrailer, "The request contained trailing data that was not well-formed or did not conform to our published schema: "+
				"there is no %s in it.", checksumHeader(d.algorithm))
		}
		if want != got {
			return objectstore.Meta{}, invalid(BadDigest, "The %s you specified did not match the calculated checksum.", strings.ToUpper(d.algorithm))
		}
	}
	meta := objectstore.Meta{ETag: hex.EncodeToString(sum), Header: map[string]string{}}
	for name, value := range d.header {
		meta.Header[name] = value
	}
	meta.Header[checksumHeader(d.algorithm)] = got
	meta.Header[checksumType] = FullObject
	return meta, nil
}

// checksumType is the header that tells a checksum of all bytes from one of the parts' checksums.
const checksumType = "x-amz-checksum-type"

// The types of checksums.
const (
	FullObject = "FULL_OBJECT"
	Composite  = "COMPOSITE"
)

// typeOf is the type of the checksum of an upload, where the client asks for one or leaves it to S3 ("Checking object integrity", S3 User
// Guide).
func typeOf(algorithm, asked string) (string, error) {
	_, combines := crcs[algorithm]
	switch {
	case asked == "" && algorithm == crc64NVME:
		return FullObject, nil
	case asked == "":
		return Composite, nil
	case algorithm == "" || asked != FullObject && asked != Composite:
		return "", invalid(InvalidRequest, "The checksum type %q is not valid here: want FULL_OBJECT or COMPOSITE, with a checksum algorithm", asked)
	case asked == FullObject && !combines, asked == Composite && algorithm == crc64NVME:
		return "", invalid(InvalidRequest, "The %s checksum type cannot be used with the %s checksum algorithm.", asked, algorithm)
	}
	return asked, nil
}

// ofParts is what is kept of an object that was uploaded in parts: the MD5 of the parts' MD5s, and, if the upload named an algorithm, the
// same of checksums, or the checksum of all bytes.
func ofParts(parts []objectstore.Part, u objectstore.Upload) (objectstore.Meta, error) {
	sums := md5.New()
	algorithm := u.Options["algorithm"]
	var checksums hash.Hash
	if algorithm != "" {
		checksums = algorithms[algorithm]()
	}
	meta := objectstore.Meta{Header: map[string]string{}}
	for _, p := range parts {
		b, err := hex.DecodeString(p.ETag)
		if err != nil {
			return objectstore.Meta{}, fmt.Errorf("the ETag of part %d is %q: %w", p.Number, p.ETag, err)
		}
		sums.Write(b)
		if checksums != nil {
			b, err := base64.StdEncoding.DecodeString(p.Header[checksumHeader(algorithm)])
			if err != nil {
				return objectstore.Meta{}, fmt.Errorf("the checksum of part %d: %w", p.Number, err)
			}
			checksums.Write(b)
			meta.PartChecksums = append(meta.PartChecksums, p.Header[checksumHeader(algorithm)])
		}
	}
	meta.ETag = fmt.Sprintf("%x-%d", sums.Sum(nil), len(parts))
	for name, value := range u.Header {
		meta.Header[name] = value
	}
	switch {
	case checksums == nil:
	case u.Options["type"] == FullObject:
		sum, err := whole(algorithm, parts)
		if err != nil {
			return objectstore.Meta{}, err
		}
		meta.Header[checksumHeader(algorithm)], meta.Header[checksumType] = sum, FullObject
	default:
		meta.Header[checksumHeader(algorithm)] = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(checksums.Sum(nil)), len(parts))
		meta.Header[checksumType] = Composite
	}
	return meta, nil
}
