package jwks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"minato.dev/minato/internal/jwks"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func TestParse(t *testing.T) {
	t.Parallel()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := e.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := fmt.Sprintf(`{"kty":"RSA","use":"sig","alg":"RS256","kid":"r","n":%q,"e":"AQAB"}`, b64(r.N.Bytes()))
	ecKey := fmt.Sprintf(`{"kty":"EC","kid":"e","crv":"P-256","x":%q,"y":%q}`, b64(point[1:33]), b64(point[33:]))
	keys, err := jwks.Parse([]byte(`{"keys":[` + rsaKey + `,` + ecKey + `,{"kty":"oct","k":"AA"},{"kty":"RSA","use":"enc"}]}`))
	if err != nil || len(keys) != 2 || !r.PublicKey.Equal(keys["r"]) || !e.PublicKey.Equal(keys["e"]) {
		t.Fatalf("%v, %v", keys, err)
	}
	// One that cannot be used is no reason not to use the others.
	for _, odd := range []string{`{"kty":"EC","kid":"x","crv":"secp256k1","x":"AQ","y":"AQ"}`, `{"kty":"RSA","kid":"x","n":"AQ","e":"AQAB"}`, `{"kty":"OKP","kid":7}`, `"x"`, ecKey[:len(ecKey)-1] + `,"kid":""}`} {
		if keys, err := jwks.Parse([]byte(`{"keys":[` + odd + `,` + rsaKey + `]}`)); err != nil || len(keys) != 1 || !r.PublicKey.Equal(keys["r"]) {
			t.Errorf("beside %s: %v, %v", odd, keys, err)
		}
	}
	short := new(big.Int).Lsh(big.NewInt(1), 1023)
	for name, tt := range map[string]struct{ document, text string }{
		"nothing":      {``, "not JSON"},
		"no keys":      {`{"keys":[]}`, "no key that verifies"},
		"no kid":       {`{"keys":[` + strings.Replace(rsaKey, `"kid":"r",`, "", 1) + `]}`, "kid"},
		"short":        {fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"r","n":%q,"e":"AQAB"}]}`, b64(short.Bytes())), "1024 bits"},
		"exponent":     {`{"keys":[` + strings.Replace(rsaKey, "AQAB", "AQ", 1) + `]}`, "exponent"},
		"not a number": {`{"keys":[{"kty":"RSA","kid":"r","n":"?","e":"AQAB"}]}`, "base64url"},
		"no curve":     {`{"keys":[{"kty":"EC","kid":"e","crv":"P-1"}]}`, "curve"},
		"no point":     {`{"keys":[{"kty":"EC","kid":"e","crv":"P-256","x":"AQ","y":"AQ"}]}`, "not a point"},
		"large":        {`{"keys":[]` + strings.Repeat(" ", jwks.MaxBytes) + `}`, "bytes"},
		"many":         {`{"keys":[` + strings.Repeat(`{"kty":"oct"},`, 110) + `{}]}`, "at most 100"},
	} {
		if _, err := jwks.Parse([]byte(tt.document)); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", name, err, tt.text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","kid":"e","crv":"P-521","x":"AQ","y":"AQ"},{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		if keys, err := jwks.Parse(document); err == nil && len(keys) == 0 {
			t.Error("no keys and no error")
		}
	})
}
