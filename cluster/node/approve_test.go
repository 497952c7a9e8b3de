package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/netip"
	"net/url"
	"testing"
)

const nodeName = "ip-10-0-0-4.ec2.internal"

// request is a signing request of a node, changed.
func request(t *testing.T, change func(*x509.CertificateRequest, *signingRequest)) signingRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}},
		DNSNames:    []string{nodeName},
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 4)},
	}
	var r signingRequest
	r.Spec.SignerName, r.Spec.Username = servingSigner, "system:node:"+nodeName
	r.Spec.Groups, r.Spec.Usages = []string{"system:nodes", "system:authenticated"}, []string{"digital signature", "server auth"}
	if change != nil {
		change(template, &r)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	r.Spec.Request = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	return r
}

// TestServingCertificates is that a node gets one for its own names, and for nothing else.
func TestServingCertificates(t *testing.T) {
	t.Parallel()
	instance := approved{"i-1", nodeName, netip.MustParseAddr("10.0.0.4")}
	if err := request(t, nil).check(instance); err != nil {
		t.Errorf("its own names: %v", err)
	}
	for name, change := range map[string]func(*x509.CertificateRequest, *signingRequest){
		"another's name": func(c *x509.CertificateRequest, _ *signingRequest) {
			c.DNSNames = append(c.DNSNames, "ip-10-0-0-5.ec2.internal")
		},
		"another's address": func(c *x509.CertificateRequest, _ *signingRequest) { c.IPAddresses[0] = net.IPv4(10, 0, 0, 5) },
		"an IPv6 address":   func(c *x509.CertificateRequest, _ *signingRequest) { c.IPAddresses[0] = net.IPv6loopback },
		"no names":          func(c *x509.CertificateRequest, _ *signingRequest) { c.DNSNames, c.IPAddresses = nil, nil },
		"a URI":             func(c *x509.CertificateRequest, _ *signingRequest) { c.URIs = []*url.URL{{Scheme: "https", Host: "x"}} },
		"an e-mail address": func(c *x509.CertificateRequest, _ *signingRequest) { c.EmailAddresses = []string{"a@b"} },
		"another's subject": func(c *x509.CertificateRequest, _ *signingRequest) { c.Subject.CommonName = "system:node:other" },
		"masters": func(c *x509.CertificateRequest, _ *signingRequest) {
			c.Subject.Organization = []string{"system:masters"}
		},
		"one more group": func(c *x509.CertificateRequest, _ *signingRequest) {
			c.Subject.Organization = []string{"system:nodes", "x"}
		},
		"a client's usage": func(_ *x509.CertificateRequest, r *signingRequest) { r.Spec.Usages = []string{"client auth"} },
		"another signer": func(_ *x509.CertificateRequest, r *signingRequest) {
			r.Spec.SignerName = "kubernetes.io/kube-apiserver-client"
		},
		"requester, no node":  func(_ *x509.CertificateRequest, r *signingRequest) { r.Spec.Groups = []string{"system:authenticated"} },
		"requester, somebody": func(_ *x509.CertificateRequest, r *signingRequest) { r.Spec.Username = "alice" },
	} {
		if err := request(t, change).check(instance); err == nil {
			t.Errorf("%s: approved", name)
		}
	}
	for name, pem := range map[string]string{"nothing": "", "no request": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		r := request(t, nil)
		r.Spec.Request = []byte(pem)
		if err := r.check(instance); err == nil {
			t.Errorf("%s: approved", name)
		}
	}
}
