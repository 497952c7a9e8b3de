package etcd

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/pki"
)

// External names the PEM files that an etcd of the user's own needs.
type External struct {
	CAFile          string // verifies etcd
	CertFile        string // of a user with the role root
	KeyFile         string
	ClientCAFile    string // trusted by etcd; signs a certificate for each cluster
	ClientCAKeyFile string
}

// Import fills the PKI for an etcd of the user's own: it copies the given files and signs the identities of our processes.
// An error of kind Invalid names everything that is missing or wrong. Call it at every start.
func (p PKI) Import(e External) error {
	ca, root, client, err := e.read()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(p), 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(p.ServerAuthorityFile(), ca, 0o600); err != nil {
		return err
	}
	if err := p.write("etcd-"+string(Root), root); err != nil {
		return err
	}
	if err := p.write(authorityName, client.Pair); err != nil {
		return err
	}
	return p.ensureIdentities(client, Hook, Gate, VPC)
}

// read reads and checks the files.
func (e External) read() (ca []byte, root pki.Pair, client *pki.Authority, err error) {
	var wrong []string
	file := func(path, what string) []byte {
		if path == "" {
			wrong = append(wrong, what+" is not given")
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s cannot be read: %v", what, err))
		}
		return b
	}
	ca = file(e.CAFile, "the CA certificate that verifies etcd")
	root = pki.Pair{CertPEM: file(e.CertFile, "the root client certificate"), KeyPEM: file(e.KeyFile, "the root client certificate's key")}
	authority := pki.Pair{CertPEM: file(e.ClientCAFile, "the client CA certificate that signs each cluster's identity"), KeyPEM: file(e.ClientCAKeyFile, "the client CA's key")}
	if len(wrong) == 0 {
		if _, err := pki.ParseCert(ca); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", e.CAFile, err))
		}
		if _, err := root.TLS(); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s and %s: %v", e.CertFile, e.KeyFile, err))
		}
		if client, err = signer(authority); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s and %s: %v", e.ClientCAFile, e.ClientCAKeyFile, err))
		}
	}
	if len(wrong) > 0 {
		return nil, root, nil, minato.Errorf(minato.Invalid, "an external etcd needs a CA, a root client certificate and a client CA: %s", strings.Join(wrong, "; "))
	}
	return ca, root, client, nil
}

// signer is a CA whose key is its own and that may sign.
func signer(pair pki.Pair) (*pki.Authority, error) {
	if _, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM); err != nil {
		return nil, err
	}
	a, err := pki.LoadAuthority(pair)
	if err == nil && !a.Cert.IsCA {
		return nil, fmt.Errorf("the certificate %q is not a CA's", a.Cert.Subject.CommonName)
	}
	return a, err
}
