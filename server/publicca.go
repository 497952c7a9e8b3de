package server

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
)

const (
	// caName must differ from every name that the CA signs in more than case: OpenSSL compares names without regard to it, and
	// takes a certificate whose subject is its issuer for self-signed.
	caName       = "Minato public CA"
	caValidity   = 10 * 365 * 24 * time.Hour
	leafValidity = 365 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is made anew.
	renewBefore = 30 * 24 * time.Hour
)

// publicAuthority is the CA of what clients see over TLS: OIDC issuers, the AWS API beyond loopback, and the webhooks.
func publicAuthority(dir home.Dir) (*pki.Authority, error) {
	certFile, keyFile := dir.PublicCA(), dir.Path("pki", "ca.key")
	certPEM, err := os.ReadFile(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		a, err := pki.NewAuthority(caName, caValidity)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(certFile), 0o700); err != nil {
			return nil, err
		}
		// The key first: a certificate on file means that the key is there too.
		return a, errors.Join(
			atomicfile.Write(keyFile, a.Pair.KeyPEM, 0o600),
			atomicfile.Write(certFile, a.Pair.CertPEM, 0o644))
	}
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return pki.LoadAuthority(pki.Pair{CertPEM: certPEM, KeyPEM: keyPEM})
}

// servingTLS is a TLS configuration with a certificate for the given names and addresses, issued anew when it nears its end.
func servingTLS(ca *pki.Authority, names []string) *tls.Config {
	issue := pki.Renewing(ca, serverRequest("minato", names), renewBefore)
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := issue()
			if err != nil {
				return nil, err
			}
			// The CA goes along, because IAM's thumbprint of an issuer is that of the last certificate that its server sends.
			chain := *cert
			chain.Certificate = append(slices.Clip(chain.Certificate), ca.Cert.Raw)
			return &chain, nil
		},
	}
}

func serverRequest(commonName string, names []string) pki.Request {
	r := pki.Request{
		CommonName: commonName,
		Server:     true,
		DNSNames:   []string{"localhost"},
		IPs:        []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		Validity:   leafValidity,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			r.IPs = append(r.IPs, ip)
		} else {
			r.DNSNames = append(r.DNSNames, n)
		}
	}
	return r
}

// ensureHookCertificate writes the webhook server's certificate, anew when it nears its end. The hook reads it at each
// handshake that finds the file changed.
func ensureHookCertificate(dir home.Dir, ca *pki.Authority) error {
	certFile, keyFile := dir.Path("pki", "hook.crt"), dir.Path("pki", "hook.key")
	if b, err := os.ReadFile(certFile); err == nil {
		if cert, err := pki.ParseCert(b); err == nil && time.Until(cert.NotAfter) > renewBefore {
			return nil
		}
	}
	pair, err := ca.Issue(serverRequest("minato-hook", nil))
	if err != nil {
		return err
	}
	return errors.Join(atomicfile.Write(keyFile, pair.KeyPEM, 0o600), atomicfile.Write(certFile, pair.CertPEM, 0o600))
}
