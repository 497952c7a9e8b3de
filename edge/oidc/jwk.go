package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
)

// keySet is a JSON Web Key Set.
type keySet struct {
	Keys []jwk `json:"keys"`
}

// jwk is a public key for verifying signatures (RFC 7517, RFC 7518).
type jwk struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
	Curve     string `json:"crv,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

var curveAlgorithms = map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}

// KeyID is the kid that kube-apiserver puts into the tokens it signs with the key: the SHA-256 of its PKIX form, base64url
// without padding.
func KeyID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return encode(sum[:]), nil
}

func encodeKeys(public []crypto.PublicKey) ([]jwk, error) {
	keys := make([]jwk, 0, len(public))
	for _, p := range public {
		k, err := encodeKey(p)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func encodeKey(public crypto.PublicKey) (jwk, error) {
	id, err := KeyID(public)
	if err != nil {
		return jwk{}, err
	}
	k := jwk{ID: id, Use: "sig"}
	switch p := public.(type) {
	case *rsa.PublicKey:
		k.Type, k.Algorithm = "RSA", "RS256"
		k.N, k.E = encode(p.N.Bytes()), encode(big.NewInt(int64(p.E)).Bytes())
		return k, nil
	case *ecdsa.PublicKey:
		if alg, ok := curveAlgorithms[p.Curve]; ok {
			point, err := p.Bytes() // 4, X and Y, both as long as the curve's numbers
			if err != nil {
				return jwk{}, err
			}
			size := len(point) / 2
			k.Type, k.Algorithm, k.Curve = "EC", alg, p.Curve.Params().Name
			k.X, k.Y = encode(point[1:1+size]), encode(point[1+size:])
			return k, nil
		}
	}
	return jwk{}, fmt.Errorf("cannot publish a key of type %T: want RSA, or ECDSA on P-256, P-384 or P-521", public)
}

// algorithms are those of the keys, each once; RS256, which OpenID Connect asks every issuer for, where there are no keys.
func algorithms(keys []jwk) []string {
	var algs []string
	for _, k := range keys {
		if !slices.Contains(algs, k.Algorithm) {
			algs = append(algs, k.Algorithm)
		}
	}
	if algs == nil {
		return []string{"RS256"}
	}
	slices.Sort(algs)
	return algs
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
