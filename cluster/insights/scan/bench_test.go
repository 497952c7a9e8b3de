package scan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

const benchFiles = 10_000

// manifests writes files of two objects each, every hundredth of which is of an API that ends.
func manifests(b *testing.B) (dir string) {
	b.Helper()
	dir = b.TempDir()
	for i := range benchFiles {
		version := "policy/v1"
		if i%100 == 0 {
			version = "policy/v1beta1"
		}
		text := fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-%d, namespace: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: web
        image: registry.example.com/shop:1.2.3
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
---
apiVersion: %s
kind: PodDisruptionBudget
metadata: {name: shop-%d, namespace: shop}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app: shop}}
`, i, version, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func BenchmarkScan(b *testing.B) {
	dir := manifests(b)
	for b.Loop() {
		s, err := New("1.36")
		if err != nil {
			b.Fatal(err)
		}
		if s.Path(dir, nil); len(s.Report.Problems) != 0 || len(s.Report.Findings) != benchFiles/100 || s.Report.Objects != 2*benchFiles {
			b.Fatal(s.Report.Problems, len(s.Report.Findings), s.Report.Objects)
		}
	}
	b.ReportMetric(benchFiles*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkYAML reads the same files and decodes all of them.
func BenchmarkYAML(b *testing.B) {
	dir := manifests(b)
	for b.Loop() {
		for i := range benchFiles {
			text, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)))
			if err != nil {
				b.Fatal(err)
			}
			for _, doc := range bytes.Split(text, []byte("\n---\n")) {
				var v any
				if err := yaml.Unmarshal(doc, &v); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(benchFiles*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
