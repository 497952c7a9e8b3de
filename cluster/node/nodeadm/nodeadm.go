// Package nodeadm reads and writes what a node is told at its first start: a NodeConfig (node.eks.aws/v1alpha1) in the user
// data of its instance, as on Amazon Linux 2023. It is pure: it parses, merges, checks and renders.
package nodeadm

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"minato.dev/minato"
)

const (
	apiVersion = "node.eks.aws/v1alpha1"
	kind       = "NodeConfig"
)

// NodeConfig is what nodeadm's NodeConfig says, as far as Minato's nodes obey it. Parse refuses the rest.
type NodeConfig struct {
	Cluster Cluster
	Kubelet Kubelet
}

// Cluster is how a node reaches its cluster.
type Cluster struct {
	Name              string
	APIServerEndpoint string // "https://…"
	// CertificateAuthority is PEM; the document has it in base64, as DescribeCluster does.
	CertificateAuthority []byte
	CIDR                 string // of Services
}

// Kubelet is what a node adds to its kubelet.
type Kubelet struct {
	// Config is a part of a KubeletConfiguration, as JSON values.
	Config map[string]any
	// Flags are arguments, added after all others.
	Flags []string
}

// Merge is c with what o says on top, as nodeadm merges several documents: values of o win, flags add up.
func (c NodeConfig) Merge(o NodeConfig) NodeConfig {
	if o.Cluster.Name != "" {
		c.Cluster.Name = o.Cluster.Name
	}
	if o.Cluster.APIServerEndpoint != "" {
		c.Cluster.APIServerEndpoint = o.Cluster.APIServerEndpoint
	}
	if len(o.Cluster.CertificateAuthority) > 0 {
		c.Cluster.CertificateAuthority = o.Cluster.CertificateAuthority
	}
	if o.Cluster.CIDR != "" {
		c.Cluster.CIDR = o.Cluster.CIDR
	}
	c.Kubelet.Config = mergeMaps(c.Kubelet.Config, o.Kubelet.Config)
	c.Kubelet.Flags = slices.Concat(c.Kubelet.Flags, o.Kubelet.Flags)
	return c
}

func mergeMaps(a, b map[string]any) map[string]any {
	if len(b) == 0 {
		return a
	}
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range b {
		below, isMap := v.(map[string]any)
		under, wasMap := out[k].(map[string]any)
		if isMap && wasMap {
			v = mergeMaps(under, below)
		}
		out[k] = v
	}
	return out
}

// Validate is whether a node can join a cluster with this. The document of a launch template need not be so whole: a
// nodegroup adds the cluster to it.
func (c NodeConfig) Validate() error {
	if c.Cluster.Name == "" {
		return invalid("spec.cluster.name is missing")
	}
	u, err := url.Parse(c.Cluster.APIServerEndpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return invalid("spec.cluster.apiServerEndpoint %q is not an https URL", c.Cluster.APIServerEndpoint)
	}
	block, _ := pem.Decode(c.Cluster.CertificateAuthority)
	if block == nil {
		return invalid("spec.cluster.certificateAuthority holds no PEM certificate")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return invalid("spec.cluster.certificateAuthority holds no readable certificate: %v", err)
	}
	if _, err := netip.ParsePrefix(c.Cluster.CIDR); err != nil {
		return invalid("spec.cluster.cidr %q is not a CIDR", c.Cluster.CIDR)
	}
	if _, err := c.Labels(); err != nil {
		return err
	}
	_, err = c.Taints()
	return err
}

func invalid(format string, args ...any) error {
	return minato.Errorf(minato.Invalid, "NodeConfig: "+format, args...)
}

func encodeCA(ca []byte) string {
	if len(ca) == 0 {
		return ""
	}
	return base64.StdEncoding.EncodeToString(ca)
}

func decodeCA(s string) ([]byte, error) {
	ca, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, invalid("spec.cluster.certificateAuthority is not base64")
	}
	return ca, nil
}
