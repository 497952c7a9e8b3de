// Package jwks reads JSON Web Key Sets (RFC 7517): the public keys with which an issuer's tokens are verified.
package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Bounds of a set. Kubernetes publishes a key or two, an issuer that changes them every week one for each week of a year.
const (
	MaxBytes = 64 << 10
	maxKeys  = 100
	minRSA   = 2048
	maxRSA   = 8192
)

// key is a key as it is published: the members of RSA keys (RFC 7518, 6.3) and of elliptic curves (6.2).
type key struct {
	Type  string `json:"kty"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	N     string `json:"n"`
	E     string `json:"e"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// Parse reads the keys of a set that verify signatures, by their ids. Others are passed over (RFC 7517, 5): those of other types, for
// other uses, of other curves and sizes, and malformed ones. A set of which none is left is an error, which tells what the first is
// wrong with.
func Parse(document []byte) (map[string]crypto.PublicKey, error) {
	if len(document) > MaxBytes {
		return nil, fmt.Errorf("the key set has %d bytes, at most %d are allowed", len(document), MaxBytes)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("the key set is not JSON as it should be: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys, at most %d are allowed", len(set.Keys), maxKeys)
	}
	keys := map[string]crypto.PublicKey{}
	wrong := errors.New("the key set has no key that verifies signatures")
	for i := len(set.Keys) - 1; i >= 0; i-- {
		var k key
		err := json.Unmarshal(set.Keys[i], &k)
		if err == nil && (k.Use != "" && k.Use != "sig" || k.Type != "RSA" && k.Type != "EC") {
			continue
		}
		var public crypto.PublicKey
		if err == nil {
			public, err = k.public()
		}
		if err != nil {
			wrong = fmt.Errorf("the key set has no key that can be used: keys[%d]: %w", i, err)
			continue
		}
		keys[k.ID] = public
	}
	if len(keys) == 0 {
		return nil, wrong
	}
	return keys, nil
}

func (k key) public() (crypto.PublicKey, error) {
	if k.ID == "" {
		return nil, errors.New("there is no kid, by which tokens name it")
	}
	if k.Type == "EC" {
		return k.ecdsa()
	}
	n, err := number("n", k.N)
	if err != nil {
		return nil, err
	}
	e, err := number("e", k.E)
	if err != nil {
		return nil, err
	}
	if bits := n.BitLen(); bits < minRSA || bits > maxRSA {
		return nil, fmt.Errorf("an RSA key of %d bits: want %d to %d", bits, minRSA, maxRSA)
	}
	if e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0 {
		return nil, errors.New("the exponent of an RSA key is out of range")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func (k key) ecdsa() (crypto.PublicKey, error) {
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
	if !ok {
		return nil, fmt.Errorf("the curve %.20q is none of P-256, P-384 and P-521", k.Curve)
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4} // an uncompressed point (SEC 1, 2.3.3)
	for _, c := range []struct{ name, text string }{{"x", k.X}, {"y", k.Y}} {
		n, err := number(c.name, c.text)
		if err != nil {
			return nil, err
		}
		if n.BitLen() > size*8 {
			return nil, fmt.Errorf("%s is too long for %s", c.name, k.Curve)
		}
		point = append(point, n.FillBytes(make([]byte, size))...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("not a point of %s", k.Curve)
	}
	return public, nil
}

func number(name, text string) (*big.Int, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%s is not a number in base64url", name)
	}
	return new(big.Int).SetBytes(b), nil
}
