package iam

import (
	"testing"
	"time"

	"minato.dev/minato/internal/seal"
)

// FuzzOpenToken: whatever opens says what was sealed under the key, and nothing else.
func FuzzOpenToken(f *testing.F) {
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	expires := time.Unix(1_795_435_200, 0)
	made := sealToken(sealer, "ASIAEXAMPLE", expires)
	f.Add(made)
	f.Add(made[:len(made)-4])
	f.Add("AQ==")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		id, until, ok := openToken(sealer, token)
		if token == made && !ok {
			t.Fatal("a token that was made here does not open")
		}
		if ok && (id != "ASIAEXAMPLE" || !until.Equal(expires)) {
			t.Fatalf("opened as %s until %s", id, until)
		}
	})
}
