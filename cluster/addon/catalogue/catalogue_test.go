package catalogue

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"minato.dev/minato/kube"
)

var update = flag.Bool("update", false, "write the golden files anew")

var install = Install{Server: "https://192.0.2.1:10443", ServiceCIDR: "10.100.0.0/16", API: "http://192.0.2.1:4566", ClusterName: "prod", Region: "eu-west-1"}

// TestRender renders the newest version of every add-on, and the other builds of it.
func TestRender(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		for _, v := range a.Versions {
			if v.Minor != "" && v.Minor != "1.35" {
				continue
			}
			golden(t, a, v, install, a.Name+"-"+v.Version)
		}
	}
}

// TestRenderConfigured renders add-ons with all that can be configured.
func TestRenderConfigured(t *testing.T) {
	t.Parallel()
	const pods = `nodeSelector: {pool: system}
podAnnotations: {team: "a: b"}
podLabels: {app: dns, k8s-app: mine}
resources: {requests: {cpu: 50m}, limits: {memory: 1Gi}}
tolerations: [{key: only, operator: Exists}]
affinity: {nodeAffinity: {}}
`
	for name, values := range map[string]string{
		"coredns":                pods + "computeType: Fargate\nreplicaCount: 3\ncorefile: |\n  .:53 {\n      # {{ json }}\n      errors\n  }\ntopologySpreadConstraints: []\n",
		"eks-pod-identity-agent": pods + "agent: {additionalArgs: {--rotate-credentials: 'false'}}\n",
		"kube-proxy":             pods + "mode: nftables\n",
		"metrics-server":         pods + "replicas: 1\ntopologySpreadConstraints: [{maxSkew: 1}]\n",
		"vpc-cni":                pods,
	} {
		a, _ := Lookup(name)
		if err := a.CheckValues(values); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		in := install
		in.Values = values
		if a.ServiceAccount != "" {
			in.RoleARN = "arn:aws:iam::111122223333:role/cni"
		}
		if a.AnyNamespace {
			in.Namespace = "elsewhere"
		}
		v := a.Versions[0]
		if a.PerMinor > 0 {
			v, _ = a.Lookup("v1.35.4-minatobuild.1")
		}
		golden(t, a, v, in, name+"-configured")
	}
}

func golden(t *testing.T, a Addon, v Version, in Install, file string) {
	t.Helper()
	objects, err := a.Render(v, in)
	if err != nil {
		t.Error(err)
		return
	}
	var docs []string
	for _, o := range objects {
		b, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(b))
	}
	got, path := strings.Join(docs, "---\n"), filepath.Join("testdata", file+".yaml")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s %s renders differently from %s (%v): see it with -update and git diff", a.Name, v.Version, path, err)
	}
}

// TestDefaults is that every cluster version has exactly one default version of every add-on, which runs on it.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		for _, k := range kube.Versions() {
			n := 0
			for _, v := range a.Versions {
				if a.DefaultOn(v, k) {
					n++
					if !v.Runs(k) {
						t.Errorf("%s %s is the default on %s and does not run there", a.Name, v.Version, k.Minor)
					}
				}
			}
			if n != 1 {
				t.Errorf("%s has %d default versions on %s", a.Name, n, k.Minor)
			}
		}
	}
}

func TestCheckValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ addon, values, want string }{
		{"coredns", ``, ""},
		{"coredns", `{}`, ""},
		{"coredns", `{"replicaCount": 3}`, ""},
		{"coredns", "replicaCount: 3\nresources:\n  limits: {cpu: 1, memory: 170Mi}\n", ""},
		{"coredns", `{"x": 1}`, "Json schema validation failed with error: [$.x: is not defined in the schema and the schema does not allow additional properties]"},
		{"coredns", `{"x": 1, "replicaCount": "3"}`, "Json schema validation failed with error: [$.replicaCount: string found, integer expected, $.x: is not defined in the schema and the schema does not allow additional properties]"},
		{"coredns", `{"replicaCount": 0}`, "Json schema validation failed with error: [$.replicaCount: must have a minimum value of 1]"},
		{"coredns", `{"tolerations": [{"effect": "Never"}]}`, "Json schema validation failed with error: [$.tolerations[0].effect: does not have a value in the enumeration [NoExecute NoSchedule PreferNoSchedule]]"},
		{"kube-proxy", `{"mode": "ipvs"}`, "Json schema validation failed with error: [$.mode: does not have a value in the enumeration [nftables]]"},
		{"vpc-cni", `[]`, "Json schema validation failed with error: [$: array found, object expected]"},
		{"vpc-cni", `{"a": 1`, "it is neither JSON nor YAML"},
		{"vpc-cni", "podLabels: {a: b}\npodLabels: {a: b}", "it is neither JSON nor YAML"},
		{"metrics-server", `{"resources": {"limits": {"cpu": "lots"}}}`, `Json schema validation failed with error: [$.resources.limits.cpu: does not match the regex pattern`},
	} {
		a, _ := Lookup(c.addon)
		switch err := a.CheckValues(c.values); {
		case err == nil && c.want != "", err != nil && c.want == "":
			t.Errorf("%s with %s: %v, want %q", c.addon, c.values, err, c.want)
		case err != nil && !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("%s with %s:\n     %v\nwant %s", c.addon, c.values, err, c.want)
		}
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		if s := a.Schema(); !strings.HasPrefix(s, `{"$schema":"http://json-schema.org/draft-06/schema#","type":"object","description":"`) || !strings.Contains(s, `"additionalProperties":false`) {
			t.Errorf("the schema of %s is %s", a.Name, s)
		}
	}
}
