package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"minato.dev/minato/internal/atomicfile"
)

// AccessKey is an administrator's access key.
type AccessKey struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// LoadCredentials reads the administrators' access keys, by account. There are none before the first start.
func (d Dir) LoadCredentials() (map[string]AccessKey, error) {
	keys := map[string]AccessKey{}
	b, err := os.ReadFile(d.Credentials())
	if errors.Is(err, fs.ErrNotExist) {
		return keys, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &keys); err != nil {
		return nil, fmt.Errorf("reading %s: %w", d.Credentials(), err)
	}
	return keys, nil
}

// SaveCredentials writes them, for the owner's eyes only.
func (d Dir) SaveCredentials(keys map[string]AccessKey) error {
	b, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.Credentials(), append(b, '\n'), 0o600)
}

// PublicCA is the certificate of the authority that signs what clients see over TLS: the OIDC issuers, and the AWS API when
// it is not on loopback.
func (d Dir) PublicCA() string { return d.Path("pki", "ca.crt") }

// TLS is whether the AWS API is served over TLS: always, unless it listens on loopback.
func (c Config) TLS() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || host == "localhost" {
		return err != nil
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || !addr.IsLoopback()
}

// EndpointURL is where clients reach the AWS API.
func (c Config) EndpointURL() string {
	if !c.TLS() {
		return "http://" + c.Listen
	}
	_, port, _ := net.SplitHostPort(c.Listen)
	return "https://" + net.JoinHostPort(c.AdvertiseAddress[0], port)
}
