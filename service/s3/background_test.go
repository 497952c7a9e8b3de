package s3

import (
	"bytes"
	"crypto/md5"
	"math/rand/v2"
	"testing"
)

// TestBackground compares with a hash that is computed at once, for sizes around those of the buffers, written in pieces of any size.
func TestBackground(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, backgroundBytes - 1, backgroundBytes, backgroundBytes + 1, 2 * backgroundBytes, 5*backgroundBytes + 7} {
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		b := newBackground(md5.New())
		for rest := content; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(3*backgroundBytes))
			_, _ = b.Write(rest[:n]) // never fails
			rest = rest[n:]
		}
		if want := md5.Sum(content); !bytes.Equal(b.Sum(), want[:]) {
			t.Errorf("%d bytes have another sum", size)
		}
		b.Stop()
	}
	b := newBackground(md5.New()) // a body that breaks off
	_, _ = b.Write(make([]byte, 3*backgroundBytes))
	b.Stop()
	b.Stop()
}
