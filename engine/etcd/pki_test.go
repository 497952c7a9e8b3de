package etcd_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/pki"
)

// files are all files of a folder, by name.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", e.Name(), info.Mode(), err)
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = b
	}
	return all
}

// changed are the names of the files that differ.
func changed(a, b map[string][]byte) string {
	var names []string
	for _, name := range []string{"etcd-ca.crt", "etcd-ca.key", "etcd-server.crt", "etcd-server-ca.crt", "etcd-root.crt", "etcd-root.key", "etcd-minato-hook.crt", "etcd-minato-gate.crt"} {
		if !bytes.Equal(a[name], b[name]) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func ensure(t *testing.T, p etcd.PKI) {
	t.Helper()
	if err := p.Ensure(); err != nil {
		t.Fatal(err)
	}
}

func TestPKIIsMadeOnce(t *testing.T) {
	t.Parallel()
	p := etcd.PKI(filepath.Join(t.TempDir(), "pki"))
	ensure(t, p)
	first := files(t, string(p))
	if len(first) != 13 {
		t.Errorf("%d files, want 6 pairs and the CA for clients", len(first))
	}
	ensure(t, p)
	if diff := changed(first, files(t, string(p))); diff != "" {
		t.Errorf("the second Ensure changed %s", diff)
	}
}

// TestPKIRenews makes leaves anew that are near their end, broken, lost or somebody else's, and nothing else.
func TestPKIRenews(t *testing.T) {
	t.Parallel()
	write := func(p etcd.PKI, name string, pair pki.Pair) {
		for ext, b := range map[string][]byte{".crt": pair.CertPEM, ".key": pair.KeyPEM} {
			if err := os.WriteFile(filepath.Join(string(p), name+ext), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	issue := func(a *pki.Authority, r pki.Request) pki.Pair {
		pair, err := a.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	const day = 24 * time.Hour
	root := pki.Request{CommonName: "root", Client: true, Validity: 360 * day}
	for name, c := range map[string]struct {
		spoil func(p etcd.PKI, a *pki.Authority)
		want  string
	}{
		"enough left": {func(p etcd.PKI, a *pki.Authority) {
			r := root
			r.Validity = 130 * day
			write(p, "etcd-root", issue(a, r))
		}, ""},
		"near its end": {func(p etcd.PKI, a *pki.Authority) {
			r := root
			r.Validity = 110 * day
			write(p, "etcd-root", issue(a, r))
		}, "etcd-root.crt etcd-root.key"},
		"of another CA": {func(p etcd.PKI, _ *pki.Authority) {
			other, err := pki.NewAuthority("minato etcd", 9000*day)
			if err != nil {
				t.Fatal(err)
			}
			write(p, "etcd-root", issue(other, root))
		}, "etcd-root.crt etcd-root.key"},
		"of another user": {func(p etcd.PKI, a *pki.Authority) {
			write(p, "etcd-root", issue(a, pki.Request{CommonName: "eve", Client: true, Validity: 360 * day}))
		}, "etcd-root.crt etcd-root.key"},
		"for a server": {func(p etcd.PKI, a *pki.Authority) {
			write(p, "etcd-root", issue(a, pki.Request{CommonName: "root", Server: true, Validity: 360 * day}))
		}, "etcd-root.crt etcd-root.key"},
		"key of another": {func(p etcd.PKI, a *pki.Authority) {
			pair := issue(a, root)
			pair.KeyPEM = issue(a, root).KeyPEM
			write(p, "etcd-root", pair)
		}, "etcd-root.crt etcd-root.key"},
		"not PEM": {func(p etcd.PKI, _ *pki.Authority) {
			write(p, "etcd-root", pki.Pair{CertPEM: []byte("x"), KeyPEM: []byte("x")})
		}, "etcd-root.crt etcd-root.key"},
	} {
		p := etcd.PKI(filepath.Join(t.TempDir(), "pki"))
		ensure(t, p)
		a, err := p.Authority()
		if err != nil {
			t.Fatal(err)
		}
		c.spoil(p, a)
		before := files(t, string(p))
		ensure(t, p)
		if got := changed(before, files(t, string(p))); got != c.want {
			t.Errorf("%s: renewed %q, want %q", name, got, c.want)
		}
	}
}

// TestPKIKeepsItsAuthority: a CA whose key was lost is never replaced in silence.
func TestPKIKeepsItsAuthority(t *testing.T) {
	t.Parallel()
	p := etcd.PKI(filepath.Join(t.TempDir(), "pki"))
	ensure(t, p)
	if err := os.Remove(filepath.Join(string(p), "etcd-ca.key")); err != nil {
		t.Fatal(err)
	}
	if err := p.Ensure(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Ensure without the CA's key: %v, want that the file does not exist", err)
	}
}

func TestImportNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	own := etcd.PKI(filepath.Join(t.TempDir(), "own"))
	ensure(t, own)
	file := func(name string) string { return filepath.Join(string(own), name) }
	whole := etcd.External{
		CAFile: own.ServerAuthorityFile(), CertFile: file("etcd-root.crt"), KeyFile: file("etcd-root.key"),
		ClientCAFile: own.AuthorityFile(), ClientCAKeyFile: file("etcd-ca.key"),
	}
	for name, c := range map[string]struct {
		spoil func(*etcd.External)
		want  []string
	}{
		"nothing given": {func(e *etcd.External) { *e = etcd.External{} }, []string{
			"the CA certificate that verifies etcd is not given", "the root client certificate is not given", "the root client certificate's key is not given",
			"the client CA certificate that signs each cluster's identity is not given", "the client CA's key is not given"}},
		"no root certificate":  {func(e *etcd.External) { e.CertFile = "" }, []string{"the root client certificate is not given"}},
		"no client CA":         {func(e *etcd.External) { e.ClientCAFile = "" }, []string{"the client CA certificate that signs"}},
		"no such file":         {func(e *etcd.External) { e.KeyFile = "/nonexistent" }, []string{"the root client certificate's key cannot be read", "/nonexistent"}},
		"keys exchanged":       {func(e *etcd.External) { e.KeyFile = e.ClientCAKeyFile }, []string{"etcd-root.crt and", "private key does not match"}},
		"client CA is no CA":   {func(e *etcd.External) { e.ClientCAFile, e.ClientCAKeyFile = e.CertFile, e.KeyFile }, []string{`"root" is not a CA's`}},
		"CA is no certificate": {func(e *etcd.External) { e.CAFile = e.KeyFile }, []string{"etcd-root.key: no certificate"}},
	} {
		e := whole
		c.spoil(&e)
		p := etcd.PKI(filepath.Join(t.TempDir(), "pki"))
		err := p.Import(e)
		if !minato.Is(err, minato.Invalid) {
			t.Errorf("%s: %v, want an error of kind Invalid", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
		if _, err := os.Stat(string(p)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was written: %v", name, err)
		}
	}
	p := etcd.PKI(filepath.Join(t.TempDir(), "pki"))
	if err := p.Import(whole); err != nil {
		t.Fatal(err)
	}
	if diff := changed(files(t, string(own)), files(t, string(p))); diff != "etcd-server.crt etcd-minato-hook.crt etcd-minato-gate.crt" {
		t.Errorf("an import differs in %s", diff)
	}
}
