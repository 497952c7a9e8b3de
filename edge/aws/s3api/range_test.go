package s3api

import "testing"

func TestByteRange(t *testing.T) {
	t.Parallel()
	type answer struct {
		span
		partial bool
	}
	whole := answer{span{0, 10}, false}
	for header, want := range map[string]answer{
		"": whole, "bytes=0-0": {span{0, 1}, true}, "bytes=2-": {span{2, 8}, true}, "bytes=-3": {span{7, 3}, true}, "bytes=5-100": {span{5, 5}, true},
		"bytes=0-": {span{0, 10}, true}, "bytes=0-8388607": {span{0, 10}, true}, "bytes=-30": {span{0, 10}, true},
		"bytes=3-2": whole, "bytes=x-2": whole, "bytes=1-2,4-5": whole, "lines=1-2": whole, "bytes=1-x": whole, "bytes=-": whole,
		"bytes=99999999999999999999-": whole,
	} {
		got, partial, err := byteRange(header, 10)
		if err != nil || got != want.span || partial != want.partial {
			t.Errorf("%q: %+v, partial %t, %v; want %+v", header, got, partial, err, want)
		}
	}
	for _, header := range []string{"bytes=10-", "bytes=-0"} {
		if got, _, err := byteRange(header, 10); err == nil {
			t.Errorf("%q is satisfied with %+v", header, got)
		}
	}
}

func TestCopyRange(t *testing.T) {
	t.Parallel()
	if got, err := copyRange("bytes=2-9", 10); err != nil || got != (span{2, 8}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, header := range []string{"bytes=9-2", "bytes=0-10", "bytes=2-", "bytes=-3", "bytes=1-2,4-5", "2-9", "bytes=x-2", "bytes="} {
		if got, err := copyRange(header, 10); err == nil {
			t.Errorf("%q copies %+v", header, got)
		}
	}
}
