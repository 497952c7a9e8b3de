package controlplane

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/seal"
)

const (
	// authorityValidity outlives any control plane; leaves are issued afresh long before.
	authorityValidity = 10 * 365 * 24 * time.Hour
	// rsaBits is what AWS SDKs, OIDC libraries and IAM expect of RS256 issuers.
	rsaBits = 2048
	// encryptionKeySize is what the secretbox provider takes.
	encryptionKeySize = 32
)

// newKeys makes the secrets of a new cluster, and the public half of its ServiceAccount key.
func newKeys(serviceAccount *rsa.PrivateKey, now time.Time) (Keys, SigningKey, error) {
	clusterCA, err := pki.NewAuthority("kubernetes", authorityValidity)
	if err != nil {
		return Keys{}, SigningKey{}, fmt.Errorf("making cluster CA: %w", err)
	}
	frontProxyCA, err := pki.NewAuthority("front-proxy-ca", authorityValidity)
	if err != nil {
		return Keys{}, SigningKey{}, fmt.Errorf("making front proxy CA: %w", err)
	}
	private, err := pki.EncodeKey(serviceAccount)
	if err != nil {
		return Keys{}, SigningKey{}, fmt.Errorf("encoding service account key: %w", err)
	}
	public, err := newSigningKey(serviceAccount.Public(), now)
	if err != nil {
		return Keys{}, SigningKey{}, err
	}
	secret := make([]byte, encryptionKeySize)
	rand.Read(secret)
	return Keys{
		ClusterCA:      clusterCA.Pair,
		FrontProxyCA:   frontProxyCA.Pair,
		ServiceAccount: private,
		Encryption:     []EncryptionKey{{Name: "key1", Secret: secret}},
	}, public, nil
}

func newSigningKey(public crypto.PublicKey, since time.Time) (SigningKey, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return SigningKey{}, fmt.Errorf("encoding service account public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return SigningKey{
		KeyID:     base64.RawURLEncoding.EncodeToString(sum[:]),
		PublicPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		Since:     since,
	}, nil
}

func sealKeys(s *seal.Sealer, clusterID string, k Keys) ([]byte, error) {
	plain, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	return s.Seal(plain, RecordsPrefix+clusterID), nil
}

func unsealKeys(s *seal.Sealer, cp ControlPlane) (k Keys, err error) {
	plain, err := s.Unseal(cp.Sealed, RecordsPrefix+cp.ClusterID)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(plain, &k); err != nil {
		return k, fmt.Errorf("reading keys of cluster %s: %w", cp.ClusterID, err)
	}
	return k, nil
}

// rsaSpares makes RSA keys ahead of need, because making one takes longer than everything else that a new cluster's keys
// take together.
type rsaSpares chan rsaKey

type rsaKey struct {
	key *rsa.PrivateKey
	err error
}

// refill keeps the spares full until stop is closed.
func (s rsaSpares) refill(stop <-chan struct{}) {
	for {
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		select {
		case s <- rsaKey{key, err}:
		case <-stop:
			return
		}
	}
}

// take is a spare key if there is one, else a new one.
func (s rsaSpares) take() (*rsa.PrivateKey, error) {
	select {
	case k := <-s:
		return k.key, k.err
	default:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
}
