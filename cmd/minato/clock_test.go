package main

import (
	"testing"
	"time"
)

func TestParseLong(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for in, want := range map[string]time.Duration{
		"400d": 400 * day, "2w": 14 * day, "1w2d12h": 9*day + 12*time.Hour, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "36500d": 36500 * day,
		"": 0, "0d": 0, "-1d": 0, "d": 0, "1y": 0, "1.5d": 0, "12h1d": 0, "400": 0, "99999w": 0, "999999d": 0, "9999999999999h": 0, "1d ": 0,
	} {
		got, err := parseLong(in)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %s, %v; want %s", in, got, err, want)
		}
	}
}
