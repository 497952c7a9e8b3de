package controlplane

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/internal/pki"
)

const (
	leafValidity = 365 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is issued afresh.
	renewBefore = 30 * 24 * time.Hour

	frontProxyName = "front-proxy-client"
	tenantName     = "tenant"
	// adminName is the user that Minato itself is in a cluster, named as on EKS.
	adminName = "eks:cluster-bootstrap"
	// issuedName is the file that is written last of all certificates: it tells that the set is whole, and when it was issued
	// by Minato's clock.
	issuedName = "issued"
)

// leaf is one certificate of the run folder: NAME.crt and NAME.key.
type leaf struct {
	name    string
	ca      *pki.Authority
	request pki.Request
}

// authorities are the two CAs of a cluster, ready to issue.
type authorities struct{ cluster, frontProxy *pki.Authority }

func loadAuthorities(k Keys) (a authorities, err error) {
	if a.cluster, err = pki.LoadAuthority(k.ClusterCA); err != nil {
		return a, fmt.Errorf("loading cluster CA: %w", err)
	}
	if a.frontProxy, err = pki.LoadAuthority(k.FrontProxyCA); err != nil {
		return a, fmt.Errorf("loading front proxy CA: %w", err)
	}
	return a, nil
}

// leaves are all certificates that a cluster's processes need. The group system:masters bypasses every authorizer, which
// kube-apiserver's own client of kubelets needs before a binding for it could exist.
func (a authorities) leaves(names []string, ips []net.IP) []leaf {
	local := []net.IP{net.IPv4(127, 0, 0, 1)}
	client := func(name, user string, groups ...string) leaf {
		return leaf{name, a.cluster, pki.Request{CommonName: user, Organizations: groups, Client: true, Validity: leafValidity}}
	}
	server := func(name string, names []string, ips []net.IP) leaf {
		return leaf{name, a.cluster, pki.Request{CommonName: name, DNSNames: names, IPs: ips, Server: true, Validity: leafValidity}}
	}
	return []leaf{
		server("apiserver", names, ips),
		server(controllerManagerComponent+"-server", []string{"localhost"}, local),
		server(schedulerComponent+"-server", []string{"localhost"}, local),
		client(controllerManagerComponent, "system:kube-controller-manager"),
		client(schedulerComponent, "system:kube-scheduler"),
		client("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
		client(authenticatorName, authenticatorUser),
		{frontProxyName, a.frontProxy, pki.Request{CommonName: frontProxyName, Client: true, Validity: leafValidity}},
	}
}

// servingNames are the names and addresses in kube-apiserver's certificate: what clients may use, what pods use, and where it
// will be found inside every VPC.
func servingNames(advertise []string, serviceIP net.IP) (names []string, ips []net.IP) {
	names = []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
	}
	ips = []net.IP{net.IPv4(127, 0, 0, 1).To4(), apiServerAddress.AsSlice(), serviceIP}
	for _, a := range advertise {
		if ip := net.ParseIP(a); ip == nil {
			names = append(names, a)
		} else if !slices.ContainsFunc(ips, ip.Equal) {
			ips = append(ips, ip)
		}
	}
	return names, ips
}

// issuing decides whether the certificates in a folder are good, and issues them.
type issuing struct {
	dir    runDir
	uid    uint32
	leaves []leaf
	tenant func() (pki.Pair, error) // issues what the cluster is in etcd and to the webhooks
	now    time.Time                // by Minato's clock
}

// due is why the certificates must be issued, empty when they are good.
func (i issuing) due() string {
	b, err := os.ReadFile(i.dir.pki(issuedName))
	if err != nil {
		return "there are none"
	}
	issued, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return "their date is unreadable"
	}
	if age := i.now.Sub(issued); age >= leafValidity-renewBefore {
		return "they were issued " + issued.Format(time.DateOnly)
	}
	for _, l := range i.leaves {
		cert, why := i.read(l.name)
		switch {
		case why != "":
		case cert.CheckSignatureFrom(l.ca.Cert) != nil:
			why = "is from another CA"
		case !sameNames(cert, l.request):
			why = "has other names"
		}
		if why != "" {
			return l.name + " " + why
		}
	}
	if _, why := i.read(tenantName); why != "" {
		return tenantName + " " + why
	}
	return ""
}

// read reads a certificate and says what is wrong with it by itself.
func (i issuing) read(name string) (cert *x509.Certificate, why string) {
	certPEM, err := os.ReadFile(i.dir.pki(name + ".crt"))
	if err != nil {
		return nil, "is not there"
	}
	if _, err := os.Stat(i.dir.pki(name + ".key")); err != nil {
		return nil, "has no key"
	}
	cert, err = pki.ParseCert(certPEM)
	switch {
	case err != nil:
		return nil, "is unreadable"
	case time.Until(cert.NotAfter) < renewBefore:
		return nil, "ends " + cert.NotAfter.Format(time.DateOnly)
	}
	return cert, ""
}

func sameNames(cert *x509.Certificate, r pki.Request) bool {
	return slices.Equal(cert.DNSNames, r.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, r.IPs, func(a, b net.IP) bool { return a.Equal(b) })
}

// issue writes every certificate afresh. A program that reads between the two files of a pair finds them not to fit and keeps
// what it has until it looks again.
func (i issuing) issue() error {
	if err := os.Remove(i.dir.pki(issuedName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var group errgroup.Group
	for _, l := range i.leaves {
		group.Go(func() error {
			pair, err := l.ca.Issue(l.request)
			if err != nil {
				return fmt.Errorf("issuing %s: %w", l.name, err)
			}
			return i.dir.writePair(l.name, pair, i.uid)
		})
	}
	group.Go(func() error {
		pair, err := i.tenant()
		if err != nil {
			return fmt.Errorf("issuing %s: %w", tenantName, err)
		}
		return i.dir.writePair(tenantName, pair, i.uid)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return i.dir.write(i.dir.pki(issuedName), []byte(i.now.UTC().Format(time.RFC3339)), i.uid)
}

func (d runDir) writePair(name string, p pki.Pair, uid uint32) error {
	if err := d.write(d.pki(name+".key"), p.KeyPEM, uid); err != nil {
		return err
	}
	return d.write(d.pki(name+".crt"), p.CertPEM, uid)
}

// publicKeys is the file of all keys that verify ServiceAccount tokens.
func publicKeys(keys []SigningKey) []byte {
	var b bytes.Buffer
	for _, k := range keys {
		b.Write(k.PublicPEM)
	}
	return b.Bytes()
}
