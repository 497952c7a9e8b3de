package s3

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"minato.dev/minato/engine/objectstore"
)

// crc is a cyclic redundancy check whose bits are reversed and whose first and last values are inverted, as all of S3's are. Checksums of
// two pieces make that of both.
type crc struct {
	bits int
	poly uint64 // bits reversed
}

// crcs are the checksums of which a whole object's can be made of its parts'.
var crcs = map[string]crc{
	"crc32": {32, crc32.IEEE}, "crc32c": {32, crc32.Castagnoli}, crc64NVME: {64, 0x9a6c9329ac4bc9b5},
}

// times multiplies two polynomials, modulo the check's own. The highest bit is that of x^0.
func (c crc) times(a, b uint64) (product uint64) {
	for bit := uint64(1) << (c.bits - 1); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		if b >>= 1; carry != 0 {
			b ^= c.poly
		}
	}
	return product
}

// shift is x^(8n): what n bytes after it do to a checksum.
func (c crc) shift(n int64) uint64 {
	one := uint64(1) << (c.bits - 1)
	power := one >> 1 // x
	for range 3 {
		power = c.times(power, power) // x^8 in the end
	}
	product := one
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			product = c.times(product, power)
		}
		power = c.times(power, power)
	}
	return product
}

// combine is the checksum of two pieces, of which the second has n bytes.
func (c crc) combine(first, second uint64, n int64) uint64 {
	return c.times(c.shift(n), first) ^ second
}

// whole is the checksum of an object, in base64, made of those of its parts.
func whole(algorithm string, parts []objectstore.Part) (string, error) {
	c := crcs[algorithm]
	size := c.bits / 8
	var sum uint64
	for _, p := range parts {
		b, err := base64.StdEncoding.DecodeString(p.Header[checksumHeader(algorithm)])
		if err != nil || len(b) != size {
			return "", fmt.Errorf("the checksum of part %d has %d bytes, want %d", p.Number, len(b), size)
		}
		var wide [8]byte
		copy(wide[8-size:], b)
		sum = c.combine(sum, binary.BigEndian.Uint64(wide[:]), p.Extent.Size)
	}
	var wide [8]byte
	binary.BigEndian.PutUint64(wide[:], sum)
	return base64.StdEncoding.EncodeToString(wide[8-size:]), nil
}
