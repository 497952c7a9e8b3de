package s3api

import "testing"

func TestByteRange(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][2]int64{
		"": {0, 10}, "bytes=0-0": {0, 1}, "bytes=2-": {2, 8}, "bytes=-3": {7, 3}, "bytes=-30": {0, 10}, "bytes=5-100": {5, 5},
		"bytes=3-2": {0, 10}, "bytes=x-2": {0, 10}, "bytes=1-2,4-5": {0, 10}, "lines=1-2": {0, 10}, "bytes=1-x": {0, 10}, "bytes=-": {0, 10},
		"bytes=10-": {-1, -1}, "bytes=-0": {-1, -1}, "bytes=99999999999999999999-": {0, 10},
	} {
		offset, length, err := byteRange(header, 10)
		if err != nil {
			offset, length = -1, -1
		}
		if offset != want[0] || length != want[1] {
			t.Errorf("%q: %d bytes at %d, want %d at %d", header, length, offset, want[1], want[0])
		}
	}
}
