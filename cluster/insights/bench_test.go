package insights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// events are an audit log of n events, every hundredth of which is about an API that ends.
func events(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		l := line("e2f0cd4f", fmt.Sprintf("%08x", i), "/v1beta3/", "/v1/", `"apiVersion":"v1beta3"`, `"apiVersion":"v1"`, `,"k8s.io/deprecated":"true","k8s.io/removed-release":"1.32"`, "")
		if i%100 == 0 {
			l = line("e2f0cd4f", fmt.Sprintf("%08x", i))
		}
		b.Write(append(l, '\n'))
	}
	return b.Bytes()
}

const benchEvents = 100_000

// BenchmarkIngest reads an audit log from a file and counts it, on one core.
func BenchmarkIngest(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.log")
	if err := os.WriteFile(path, events(benchEvents), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		u, counted := newUsage(), 0
		if err := newTail(path, position{}).next(b.Context(), func(l []byte) {
			if c, ok, err := parseLine(l); err == nil && ok {
				u.add(c)
				counted++
			}
		}, func() { b.Fatal("a part is lost") }); err != nil || counted != benchEvents/100 {
			b.Fatal(counted, err)
		}
	}
	b.ReportMetric(benchEvents*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkJSON decodes the same log with encoding/json.
func BenchmarkJSON(b *testing.B) {
	lines := bytes.Split(bytes.TrimSpace(events(benchEvents)), []byte{'\n'})
	for b.Loop() {
		for _, l := range lines {
			var e event
			if err := json.Unmarshal(l, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(benchEvents*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkMemory counts 1,000 user agents of 200 APIs on 30 days.
func BenchmarkMemory(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	begin := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	var took uint64
	for b.Loop() {
		before, u := heap(), newUsage()
		for day := range window {
			for api := range 200 {
				key := apiKey{"shop.example.com", "v1alpha1", fmt.Sprint("resource", api)}
				for agent := range 1000 {
					u.add(call{key, fmt.Sprintf("operator-%d/v1.4.2 (linux/amd64) kubernetes/a78aa47", agent), begin.AddDate(0, 0, day)})
				}
			}
		}
		took = heap() - before
		runtime.KeepAlive(u)
	}
	b.ReportMetric(float64(took)/(1<<20), "MiB")
}
