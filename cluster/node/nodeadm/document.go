package nodeadm

import (
	"bytes"
	"encoding/json"
	"strings"

	"sigs.k8s.io/yaml"
)

// document is the NodeConfig as it is written.
type document struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   json.RawMessage `json:"metadata,omitempty"` // nodeadm ignores it, too
	Spec       spec            `json:"spec"`
}

type spec struct {
	Cluster cluster `json:"cluster,omitzero"`
	Kubelet kubelet `json:"kubelet,omitzero"`
	// Known to nodeadm and without an effect here, so refused by name.
	Containerd   json.RawMessage `json:"containerd,omitempty"`
	Instance     json.RawMessage `json:"instance,omitempty"`
	Hybrid       json.RawMessage `json:"hybrid,omitempty"`
	FeatureGates json.RawMessage `json:"featureGates,omitempty"`
}

type cluster struct {
	Name                 string `json:"name,omitempty"`
	APIServerEndpoint    string `json:"apiServerEndpoint,omitempty"`
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
	CIDR                 string `json:"cidr,omitempty"`
}

type kubelet struct {
	Config map[string]any `json:"config,omitempty"`
	Flags  []string       `json:"flags,omitempty"`
}

// parseDocument reads one YAML document.
func parseDocument(b []byte) (c NodeConfig, err error) {
	if b, err = onlyDocument(b); err != nil {
		return c, err
	}
	var d document
	if err := yaml.UnmarshalStrict(b, &d); err != nil {
		return c, invalid("%v", err)
	}
	if d.APIVersion != apiVersion || d.Kind != kind {
		return c, invalid("apiVersion %q, kind %q: it must be apiVersion %s, kind %s", d.APIVersion, d.Kind, apiVersion, kind)
	}
	for name, value := range map[string]json.RawMessage{
		"containerd": d.Spec.Containerd, "instance": d.Spec.Instance, "hybrid": d.Spec.Hybrid, "featureGates": d.Spec.FeatureGates,
	} {
		if len(value) > 0 && string(value) != "null" {
			return c, invalid("spec.%s has no effect on Minato's nodes, so it is refused", name)
		}
	}
	c.Kubelet = Kubelet(d.Spec.Kubelet)
	for _, f := range c.Kubelet.Flags {
		if strings.TrimSpace(f) == "" || strings.ContainsAny(f, "\x00\n") {
			return c, invalid("spec.kubelet.flags has the impossible flag %q", f)
		}
	}
	c.Cluster = Cluster{Name: d.Spec.Cluster.Name, APIServerEndpoint: d.Spec.Cluster.APIServerEndpoint, CIDR: d.Spec.Cluster.CIDR}
	c.Cluster.CertificateAuthority, err = decodeCA(d.Spec.Cluster.CertificateAuthority)
	return c, err
}

// onlyDocument is the one document of a YAML stream. A parser that stops after the first would lose the others silently.
func onlyDocument(b []byte) ([]byte, error) {
	var documents [][]byte
	var current []byte
	flush := func() {
		if !blank(current) {
			documents = append(documents, current)
		}
		current = nil
	}
	for line := range bytes.Lines(b) {
		marker := bytes.TrimRight(line, " \t\r\n")
		if string(marker) == "---" || string(marker) == "..." {
			flush()
			continue
		}
		current = append(current, line...)
	}
	flush()
	switch len(documents) {
	case 0:
		return nil, invalid("the document is empty")
	case 1:
		return documents[0], nil
	}
	return nil, invalid("there are %d YAML documents in one part: give each a part of its own", len(documents))
}

// blank is whether there is nothing but space and comments.
func blank(b []byte) bool {
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}
