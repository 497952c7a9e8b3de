package etcd

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/pki"
)

// PKI is the folder with the certificates around etcd, each a pair of files NAME.crt and NAME.key (0600):
//
//	etcd-ca          the tenant CA: signs the certificates of etcd's clients
//	etcd-server      etcd's own
//	etcd-root, etcd-minato-hook, etcd-minato-gate, etcd-minato-vpc
//
// and etcd-server-ca.crt, which the clients verify etcd by; our own etcd's is signed by the tenant CA too.
type PKI string

// Identity is a user of etcd that Minato's own processes come as.
type Identity string

// The identities.
const (
	Root Identity = "root"
	Hook Identity = "minato-hook"
	Gate Identity = "minato-gate"
	VPC  Identity = "minato-vpc"
)

const (
	authorityName     = "etcd-ca"
	serverName        = "etcd-server"
	authorityValidity = 20 * 365 * 24 * time.Hour
	leafValidity      = 365 * 24 * time.Hour
	renewBefore       = leafValidity / 3
)

func (p PKI) cert(name string) string { return filepath.Join(string(p), name+".crt") }
func (p PKI) key(name string) string  { return filepath.Join(string(p), name+".key") }

// AuthorityFile is the tenant CA's certificate. etcd and our webhook server know their clients by it.
func (p PKI) AuthorityFile() string { return p.cert(authorityName) }

// ServerAuthorityFile is the certificate of the CA that signed etcd's own.
func (p PKI) ServerAuthorityFile() string { return p.cert("etcd-server-ca") }

// Target is an etcd at endpoints, seen with an identity.
func (p PKI) Target(id Identity, endpoints ...string) Target {
	name := "etcd-" + string(id)
	return Target{Endpoints: endpoints, CAFile: p.ServerAuthorityFile(), CertFile: p.cert(name), KeyFile: p.key(name)}
}

// Ensure makes what is missing for an etcd of our own, and makes anew what has less than a third of its year left. It costs
// little when nothing is due; call it at every start and daily. etcd and its clients read the files at every handshake.
func (p PKI) Ensure() error {
	if err := os.MkdirAll(string(p), 0o700); err != nil {
		return err
	}
	ca, err := p.ensureAuthority()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(p.ServerAuthorityFile(), ca.Pair.CertPEM, 0o600); err != nil {
		return err
	}
	server := pki.Request{
		CommonName: "etcd",
		DNSNames:   []string{"localhost"},
		IPs:        []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		Server:     true,
	}
	if err := p.ensureLeaf(ca, serverName, server); err != nil {
		return err
	}
	return p.ensureIdentities(ca, Root, Hook, Gate, VPC)
}

// Authority is the tenant CA, ready to sign.
func (p PKI) Authority() (*pki.Authority, error) {
	pair, err := p.read(authorityName)
	if err != nil {
		return nil, err
	}
	ca, err := pki.LoadAuthority(pair)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p.AuthorityFile(), err)
	}
	return ca, nil
}

// ensureAuthority makes the CA at the first start only: a CA that lost its key is an error, for a new one would lock
// everybody out.
func (p PKI) ensureAuthority() (*pki.Authority, error) {
	if _, err := os.Stat(p.AuthorityFile()); !errors.Is(err, fs.ErrNotExist) {
		return p.Authority()
	}
	ca, err := pki.NewAuthority("minato etcd", authorityValidity)
	if err != nil {
		return nil, err
	}
	return ca, p.write(authorityName, ca.Pair)
}

func (p PKI) ensureIdentities(ca *pki.Authority, ids ...Identity) error {
	for _, id := range ids {
		if err := p.ensureLeaf(ca, "etcd-"+string(id), pki.Request{CommonName: string(id), Client: true}); err != nil {
			return err
		}
	}
	return nil
}

func (p PKI) ensureLeaf(ca *pki.Authority, name string, r pki.Request) error {
	if pair, err := p.read(name); err == nil && usable(ca, pair, r) {
		return nil
	}
	r.Validity = leafValidity
	pair, err := ca.Issue(r)
	if err != nil {
		return err
	}
	return p.write(name, pair)
}

// usable is whether a pair is what the CA would issue for a request, with enough time left.
func usable(ca *pki.Authority, pair pki.Pair, r pki.Request) bool {
	cert, err := pair.TLS()
	if err != nil {
		return false
	}
	usage := x509.ExtKeyUsageClientAuth
	if r.Server {
		usage = x509.ExtKeyUsageServerAuth
	}
	_, err = cert.Leaf.Verify(x509.VerifyOptions{
		Roots:       ca.Pool(),
		KeyUsages:   []x509.ExtKeyUsage{usage},
		CurrentTime: time.Now().Add(renewBefore),
	})
	return err == nil && cert.Leaf.Subject.CommonName == r.CommonName
}

func (p PKI) read(name string) (pki.Pair, error) {
	cert, err := os.ReadFile(p.cert(name))
	if err != nil {
		return pki.Pair{}, err
	}
	key, err := os.ReadFile(p.key(name))
	return pki.Pair{CertPEM: cert, KeyPEM: key}, err
}

// write puts the certificate last: a pair without it was never finished.
func (p PKI) write(name string, pair pki.Pair) error {
	if err := atomicfile.Write(p.key(name), pair.KeyPEM, 0o600); err != nil {
		return err
	}
	return atomicfile.Write(p.cert(name), pair.CertPEM, 0o600)
}
