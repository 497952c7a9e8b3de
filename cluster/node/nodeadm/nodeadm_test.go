package nodeadm_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/internal/pki"
)

func whole(t testing.TB) nodeadm.NodeConfig {
	t.Helper()
	ca, err := pki.NewAuthority("kubernetes", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return nodeadm.NodeConfig{
		Cluster: nodeadm.Cluster{
			Name: "prod", APIServerEndpoint: "https://192.0.2.1:9443", CertificateAuthority: ca.Pair.CertPEM, CIDR: "10.100.0.0/16",
		},
		Kubelet: nodeadm.Kubelet{
			Config: map[string]any{"maxPods": float64(17), "evictionHard": map[string]any{"memory.available": "5%"}},
			Flags: []string{
				nodeadm.LabelsFlag(map[string]string{"eks.amazonaws.com/nodegroup": "ng", "team": "a"}),
				nodeadm.TaintsFlag([]nodeadm.Taint{{Key: "gpu", Value: "true", Effect: "NoSchedule"}, {Key: "x", Effect: "NoExecute"}}),
			},
		},
	}
}

const document = `# a comment
---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
metadata: {name: x}
spec:
  cluster:
    name: prod
  kubelet:
    config:
      maxPods: 17
    flags:
    - --node-labels=a=1
`

func part(contentType, body string) string {
	return fmt.Sprintf("--B\nContent-Type: %s\n\n%s\n", contentType, body)
}

func message(parts ...string) string {
	return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n" + strings.Join(parts, "") + "--B--\n"
}

func TestRenderAndParse(t *testing.T) {
	want := whole(t)
	b, err := nodeadm.Render(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := nodeadm.Parse(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	config := part("application/node.eks.aws", document)
	second := "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {kubelet: {config: {maxPods: 20}, flags: [--node-labels=b=2]}}\n"
	encoded := "--B\nContent-Type: application/node.eks.aws\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString([]byte(document)) + "\n"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	fmt.Fprint(w, message(config))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	one := nodeadm.NodeConfig{
		Cluster: nodeadm.Cluster{Name: "prod"},
		Kubelet: nodeadm.Kubelet{Config: map[string]any{"maxPods": float64(17)}, Flags: []string{"--node-labels=a=1"}},
	}
	both := one
	both.Kubelet = nodeadm.Kubelet{Config: map[string]any{"maxPods": float64(20)}, Flags: []string{"--node-labels=a=1", "--node-labels=b=2"}}
	for name, test := range map[string]struct {
		in   string
		want nodeadm.NodeConfig
	}{
		"plain YAML":           {document, one},
		"a part":               {message(config), one},
		"with carriage return": {strings.ReplaceAll(message(config), "\n", "\r\n"), one},
		"two parts":            {message(config, part("application/node.eks.aws; charset=utf-8", second)), both},
		"base64":               {message(encoded), one},
		"gzip":                 {zipped.String(), one},
		"no multi-part":        {"Content-Type: application/node.eks.aws\n\n" + document, one},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nodeadm.Parse([]byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			// An absent authority is nil in one and empty in the other.
			got.Cluster.CertificateAuthority = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	spec := func(s string) string {
		return "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  " + s + "\n"
	}
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(bytes.Repeat([]byte("#\n"), 1<<20))
	_ = w.Close()
	for name, test := range map[string]struct{ in, want string }{
		"nothing":          {"", "empty"},
		"a script":         {"#!/bin/sh\necho hi\n", "NodeConfig"},
		"a script part":    {message(part("text/x-shellscript", "#!/bin/sh")), "text/x-shellscript"},
		"no parts":         {message(), "no part"},
		"no boundary":      {"Content-Type: multipart/mixed\n\nx", "NodeConfig"},
		"another version":  {"apiVersion: node.eks.aws/v2\nkind: NodeConfig\n", "node.eks.aws/v2"},
		"another kind":     {"apiVersion: v1\nkind: Pod\n", "Pod"},
		"an unknown field": {spec("kubelte: {}"), "kubelte"},
		"a twin field":     {spec("kubelet: {flags: [], flags: []}"), "flags"},
		"containerd":       {spec("containerd: {config: x}"), "spec.containerd"},
		"hybrid":           {spec("hybrid: {ssm: {activationId: x}}"), "spec.hybrid"},
		"a broken CA":      {spec("cluster: {certificateAuthority: '%%'}"), "base64"},
		"an empty flag":    {spec("kubelet: {flags: ['']}"), "flag"},
		"two documents":    {document + "---\n" + document, "2 YAML documents"},
		"too long":         {strings.Repeat("#", nodeadm.MaxUserData+1), "limited"},
		"a bomb":           {bomb.String(), "unpacks"},
		"broken gzip":      {"\x1f\x8b\x08garbage", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := nodeadm.Parse([]byte(test.in))
			if !minato.Is(err, minato.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*nodeadm.NodeConfig)
		want   string
	}{
		"no name":     {func(c *nodeadm.NodeConfig) { c.Cluster.Name = "" }, "name"},
		"no endpoint": {func(c *nodeadm.NodeConfig) { c.Cluster.APIServerEndpoint = "" }, "apiServerEndpoint"},
		"http":        {func(c *nodeadm.NodeConfig) { c.Cluster.APIServerEndpoint = "http://x" }, "apiServerEndpoint"},
		"no CA":       {func(c *nodeadm.NodeConfig) { c.Cluster.CertificateAuthority = nil }, "certificateAuthority"},
		"no cidr":     {func(c *nodeadm.NodeConfig) { c.Cluster.CIDR = "10.0.0.0" }, "cidr"},
		"a label without key": {func(c *nodeadm.NodeConfig) {
			c.Kubelet.Flags = []string{"--node-labels==x"}
		}, "label"},
		"a taint without effect": {func(c *nodeadm.NodeConfig) {
			c.Kubelet.Flags = []string{"--register-with-taints=a=b"}
		}, "taint"},
	} {
		t.Run(name, func(t *testing.T) {
			c := whole(t)
			test.change(&c)
			if err := c.Validate(); !minato.Is(err, minato.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one about %q", err, test.want)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	c := nodeadm.NodeConfig{Kubelet: nodeadm.Kubelet{
		Config: map[string]any{
			"maxPods":            float64(5),
			"registerWithTaints": []any{map[string]any{"key": "c", "effect": "NoSchedule"}},
		},
		Flags: []string{"--node-labels=a=1,b", "--v", "--node-labels", "a=2,c=x=y"},
	}}
	labels, err := c.Labels()
	if diff := cmp.Diff(map[string]string{"a": "2", "b": "", "c": "x=y"}, labels); diff != "" || err != nil {
		t.Error(diff, err)
	}
	taints, err := c.Taints()
	if diff := cmp.Diff([]nodeadm.Taint{{Key: "c", Effect: "NoSchedule"}}, taints); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got := c.MaxPods(); got != 5 {
		t.Errorf("max pods are %d", got)
	}
	c.Kubelet.Flags = append(c.Kubelet.Flags, "--max-pods=9", "--register-with-taints=x=y:NoExecute")
	taints, err = c.Taints()
	if diff := cmp.Diff([]nodeadm.Taint{{Key: "x", Value: "y", Effect: "NoExecute"}}, taints); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got := c.MaxPods(); got != 9 {
		t.Errorf("max pods are %d", got)
	}
}

func FuzzParse(f *testing.F) {
	b, err := nodeadm.Render(whole(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(document))
	f.Add([]byte(message(part("application/node.eks.aws", document))))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := nodeadm.Parse(in)
		if err != nil {
			if !minato.Is(err, minato.Invalid) {
				t.Fatalf("%v is not the user's error", err)
			}
			return
		}
		_ = c.Validate()
		c.MaxPods()
		again, err := nodeadm.Render(c)
		if err != nil {
			return // too long
		}
		back, err := nodeadm.Parse(again)
		if err != nil {
			t.Fatalf("%v: what was rendered is not read:\n%s", err, again)
		}
		if diff := cmp.Diff(c.Kubelet.Flags, back.Kubelet.Flags); diff != "" && len(c.Kubelet.Flags)+len(back.Kubelet.Flags) > 0 {
			t.Fatal(diff)
		}
	})
}
