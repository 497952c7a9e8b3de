package s3

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"minato.dev/minato/engine/objectstore"
)

// TestWhole is that the checksum of an object is the same, whatever parts it came in.
func TestWhole(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, 100_000)
	_, _ = random.Read(content)
	sum := func(algorithm string, b []byte) string {
		h := algorithms[algorithm]()
		_, _ = h.Write(b)
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	for algorithm := range crcs {
		for _, sizes := range [][]int{{100_000}, {0, 100_000}, {1, 99_998, 1}, {33_333, 33_333, 33_334}, {50_000, 0, 50_000}} {
			var parts []objectstore.Part
			rest := bytes.NewBuffer(content)
			for i, n := range sizes {
				p := rest.Next(n)
				parts = append(parts, objectstore.Part{Number: i + 1, Extent: objectstore.Extent{Size: int64(n)},
					Meta: objectstore.Meta{Header: map[string]string{checksumHeader(algorithm): sum(algorithm, p)}}})
			}
			if got, err := whole(algorithm, parts); err != nil || got != sum(algorithm, content) {
				t.Errorf("%s of %v: %s, %v, want %s", algorithm, sizes, got, err, sum(algorithm, content))
			}
		}
	}
	if _, err := whole("crc32", []objectstore.Part{{Number: 7}}); err == nil || !strings.Contains(err.Error(), "part 7") {
		t.Errorf("a part without a checksum: %v", err)
	}
}
