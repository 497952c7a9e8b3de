package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// benchInsights runs the benchmarks of cluster/insights, each on one core: how fast an audit log is counted, beside decoding it as JSON,
// what the counts take in memory, and how fast manifests are scanned, beside decoding them as YAML.
func benchInsights(ctx context.Context, _ options) ([]Row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-cpu", "1", "./cluster/insights/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	figures := benchmarkFigures(string(out))
	for _, name := range []string{"Ingest events/s", "JSON events/s", "Memory MiB", "Scan files/s", "YAML files/s"} {
		if figures[name] == 0 {
			return nil, fmt.Errorf("the benchmarks say nothing of %q:\n%s", name, out)
		}
	}
	return []Row{
		{Name: "audit events counted, beside encoding/json", Minato: figures["Ingest events/s"], Bare: figures["JSON events/s"], Unit: "1/s", Goal: "> 100000"},
		{Name: "counts of 1000 user agents x 200 APIs x 30 days", Minato: figures["Memory MiB"], Unit: "MiB"},
		{Name: "manifest files scanned, beside sigs.k8s.io/yaml", Minato: figures["Scan files/s"], Bare: figures["YAML files/s"], Unit: "1/s"},
	}, nil
}

// benchmarkFigures reads what `go test -bench` prints: "BenchmarkScan  12  97 ns/op  21 files/s" is "Scan files/s": 21.
func benchmarkFigures(out string) map[string]float64 {
	figures := map[string]float64{}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) == 0 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(words[0], "Benchmark"), "-")
		for i := 2; i+1 < len(words); i += 2 {
			if n, err := strconv.ParseFloat(words[i], 64); err == nil {
				figures[name+" "+words[i+1]] = n
			}
		}
	}
	return figures
}
