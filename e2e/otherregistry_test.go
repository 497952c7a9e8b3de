package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"

	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/internal/testenv"
)

// registryMachine is a machine elsewhere that serves a registry over TLS.
var registryMachine = otherMachine{namespace: "minato-e2e-registry", link: "mregistry0", here: "10.253.78.1", address: "10.253.78.2"}

// registryTrust is where this machine finds the certificate of that registry. It is good for nothing but that address.
const registryTrust = "/etc/ssl/certs/minato-e2e-registry.pem"

// otherRegistry starts a registry on another machine, with the image echo in it as team/echo:v1, and answers its address. Nodes that
// start from now on trust it, as this machine does.
func otherRegistry(t *testing.T, e *testenv.Env) (address string) {
	t.Helper()
	registryMachine.start(t)
	handler := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	plain := httptest.NewServer(handler)
	defer plain.Close()
	image, err := crane.Pull(registryHost(t, e)+"/echo", crane.Insecure)
	if err == nil {
		err = crane.Push(image, strings.TrimPrefix(plain.URL, "http://")+"/team/echo:v1", crane.Insecure)
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := vpc.In("/run/netns/"+registryMachine.namespace, func() (err error) {
		server.Listener, err = net.Listen("tcp4", registryMachine.address+":443")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{trustedCertificate(t)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return registryMachine.address
}

// trustedCertificate makes the certificate of the registry and has this machine trust it until the test ends.
func trustedCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(registryMachine.address)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(registryTrust); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	if err := os.WriteFile(registryTrust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// testOtherRegistry: images come from registries on other machines, over TLS, and this machine is not reached that way.
func (n *realNodes) testOtherRegistry(t *testing.T) {
	n.kubectl(t, "run", "foreign", "--image="+n.registry+"/team/echo:v1")
	n.kubectl(t, "run", "prying", "--image="+registryMachine.here+"/team/echo:v1")
	n.kubectl(t, "wait", "pod/foreign", "--for=condition=Ready", "--timeout=180s")
	testenv.Eventually(t, func() error {
		said := n.kubectl(t, "get", "events", "-o", "jsonpath={.items[?(@.involvedObject.name=='prying')].message}")
		if !strings.Contains(said, "a node does not reach the machine that it is on") {
			return fmt.Errorf("a pod whose image is on this machine is told: %s", said)
		}
		return nil
	})
	n.kubectl(t, "delete", "pod", "foreign", "prying", "--wait=false")
}
