package join

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/service/ssm"
)

// Request is what `minato node join` was asked for.
type Request struct {
	Dir          string // everything of the node is in it
	Server       string // "https://HOST:PORT", the AWS APIs over TLS
	CA           []byte // PEM, that signed the server's certificate
	ActivationID string
	Code         string
	Cluster      string
	Name         string       // empty is the id that the registration gives
	Address      netip.Addr   // zero is the one that leads to the server
	PodCIDR      netip.Prefix // zero leaves pods' network to a CNI that is installed otherwise
}

// State is what a machine that has registered keeps.
type State struct {
	InstanceID string             `json:"instanceId"`
	Name       string             `json:"name"`
	Region     string             `json:"region"`
	Cluster    ssm.Cluster        `json:"cluster"`
	Server     string             `json:"server"`
	Tunnel     string             `json:"tunnel"` // host:port
	CA         []byte             `json:"ca"`     // PEM
	Key        ed25519.PrivateKey `json:"key"`
	Address    netip.Addr         `json:"address"`
	PodCIDR    netip.Prefix       `json:"podCidr,omitzero"`
}

const (
	stateFile = "node.json"
	// requestTimeout bounds a request to the server, and maxAnswer its answer.
	requestTimeout = 15 * time.Second
	maxAnswer      = 1 << 20
)

// Load reads the state of a machine that has registered; the error wraps fs.ErrNotExist where none has.
func Load(dir string) (s State, err error) {
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("reading %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

// Register makes the machine a managed instance, and writes its state. A machine that has registered stays what it is: the
// activation is not used again.
func Register(ctx context.Context, r Request) (s State, err error) {
	if s, err := Load(r.Dir); !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	u, err := url.Parse(r.Server)
	if err != nil || u.Scheme != "https" || u.Port() == "" {
		return s, fmt.Errorf("server %q: want https://HOST:PORT, the server's port for TLS", r.Server)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return s, err
	}
	s = State{Server: r.Server, CA: r.CA, Key: private, Address: r.Address, PodCIDR: r.PodCIDR}
	if !s.Address.IsValid() {
		if s.Address, err = addressTowards(ctx, u.Host); err != nil {
			return s, err
		}
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return s, err
	}
	var answer ssm.Registered
	_, err = s.ask(ctx, ssm.RegisterPath, ssm.Registration{
		ActivationID: r.ActivationID, Code: r.Code, PublicKey: public, Name: r.Name, Cluster: r.Cluster, Address: s.Address, PodCIDR: r.PodCIDR,
	}, &answer)
	if err != nil {
		return s, fmt.Errorf("registering: %w", err)
	}
	s.InstanceID, s.Name, s.Region, s.Cluster = answer.InstanceID, answer.Name, string(answer.Region), answer.Cluster
	s.Tunnel = net.JoinHostPort(u.Hostname(), strconv.Itoa(answer.TunnelPort))
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	return s, atomicfile.Write(filepath.Join(r.Dir, stateFile), b, 0o600)
}

// addressTowards is this machine's address on the way to the server.
func addressTowards(ctx context.Context, server string) (netip.Addr, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp4", server) // sends nothing
	if err != nil {
		return netip.Addr{}, fmt.Errorf("finding this machine's address: %w; give it with --address", err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), nil
}

func (s State) pool() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA) {
		return nil, errors.New("the CA file has no certificate in PEM")
	}
	return pool, nil
}

// ask makes one request to the server. The header of the answer tells of its clock.
func (s State) ask(ctx context.Context, path string, in, out any) (http.Header, error) {
	pool, err := s.pool()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: requestTimeout, Transport: transport}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var failure struct{ Message string }
		if json.Unmarshal(b, &failure) != nil || failure.Message == "" {
			failure.Message = resp.Status
		}
		return nil, errors.New("the server says: " + failure.Message)
	}
	return resp.Header, json.Unmarshal(b, out)
}
