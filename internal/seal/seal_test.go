package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"minato.dev/minato/internal/seal"
)

func TestSeal(t *testing.T) {
	s, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := seal.New(bytes.Repeat([]byte{2}, seal.KeySize))
	sealed := s.Seal([]byte("secret"), "record/a")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Fatal("the secret can be read")
	}
	if got, err := s.Unseal(sealed, "record/a"); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	if bytes.Equal(sealed, s.Seal([]byte("secret"), "record/a")) {
		t.Error("sealing the same twice gives the same: it tells that two secrets are equal")
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another record": func() ([]byte, error) { return s.Unseal(sealed, "record/b") },
		"another key":    func() ([]byte, error) { return other.Unseal(sealed, "record/a") },
		"altered":        func() ([]byte, error) { return s.Unseal(altered, "record/a") },
		"empty":          func() ([]byte, error) { return s.Unseal(nil, "record/a") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: opened to %q", name, got)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	first, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v, want 0600", info.Mode().Perm())
	}
	second, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Unseal(first.Seal([]byte("x"), "c"), "c"); err != nil || string(got) != "x" {
		t.Errorf("the key was not kept: %q, %v", got, err)
	}
	for name, content := range map[string]string{"short": "abcd\n", "not hex": "zz\n", "empty": ""} {
		bad := filepath.Join(t.TempDir(), "seal.key")
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(bad); err == nil {
			t.Errorf("%s: a bad key file was taken", name)
		}
	}
}
