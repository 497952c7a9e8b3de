package pki_test

import (
	"crypto/x509"
	"net"
	"testing"
	"time"

	"minato.dev/minato/internal/pki"
)

func authority(t *testing.T, validity time.Duration) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority("test", validity)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestIssue(t *testing.T) {
	a := authority(t, time.Hour)
	pair, err := a.Issue(pki.Request{CommonName: "server", Server: true, DNSNames: []string{"a.example"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Validity: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pair.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.example", "127.0.0.1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: name}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("a server's certificate serves as a client's")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: authority(t, time.Hour).Pool()}); err == nil {
		t.Error("another authority vouches for it")
	}
	if _, err := pair.TLS(); err != nil {
		t.Errorf("crypto/tls: %v", err)
	}
}

func TestLeafDoesNotOutliveAuthority(t *testing.T) {
	a := authority(t, time.Hour)
	pair, err := a.Issue(pki.Request{CommonName: "x", Client: true, Validity: 100 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pair.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	if leaf.NotAfter.After(a.Cert.NotAfter) {
		t.Errorf("the leaf ends %s, its authority %s", leaf.NotAfter, a.Cert.NotAfter)
	}
}

func TestLoadAuthority(t *testing.T) {
	a := authority(t, time.Hour)
	b, err := pki.LoadAuthority(a.Pair)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := b.Issue(pki.Request{CommonName: "x", Client: true, Validity: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := pair.Leaf()
	if err := leaf.CheckSignatureFrom(a.Cert); err != nil {
		t.Error(err)
	}
	for name, p := range map[string]pki.Pair{
		"no certificate": {CertPEM: []byte("x"), KeyPEM: a.Pair.KeyPEM},
		"no key":         {CertPEM: a.Pair.CertPEM, KeyPEM: []byte("x")},
	} {
		if _, err := pki.LoadAuthority(p); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestRenewing(t *testing.T) {
	a := authority(t, 24*time.Hour)
	steady := pki.Renewing(a, pki.Request{CommonName: "x", Server: true, Validity: time.Hour}, time.Minute)
	first, err := steady()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := steady(); again != first {
		t.Error("a certificate far from its end was made anew")
	}
	due := pki.Renewing(a, pki.Request{CommonName: "x", Server: true, Validity: time.Hour}, 2*time.Hour)
	first, _ = due()
	if again, _ := due(); again == first {
		t.Error("a certificate near its end was kept")
	}
}
