// Package seal encrypts small secrets before they are written to the store, with a key that lives in a file of its own, so
// that a copy of the store alone gives nothing away.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Sealer seals and opens with AES-256-GCM under one key.
type Sealer struct{ aead cipher.AEAD }

// KeySize is the length of a sealing key in bytes.
const KeySize = 32

// New makes a Sealer from a key of KeySize bytes.
func New(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("sealing key has %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// Open reads the key file at path, hex in one line, making it with mode 0600 at first use.
func Open(path string) (*Sealer, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, KeySize)
		rand.Read(key)
		b = []byte(hex.EncodeToString(key) + "\n")
		err = writeNew(path, b)
	}
	if err != nil {
		return nil, fmt.Errorf("reading sealing key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("sealing key %s is not hex: %w", path, err)
	}
	return New(key)
}

func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// Seal encrypts plain. The context, such as the record's key, is bound to it: a sealed secret moved to another record does
// not open.
func (s *Sealer) Seal(plain []byte, context string) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(context))
}

// Unseal decrypts what Seal made with the same key and context.
func (s *Sealer) Unseal(sealed []byte, context string) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(context))
	if err != nil {
		return nil, fmt.Errorf("unsealing %s: wrong key or altered data", context)
	}
	return plain, nil
}
