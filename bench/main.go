// Command bench measures Minato against the bare upstream processes (etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler started by hand) and against aws-iam-authenticator, in one run on one machine, and prints each figure as a
// ratio to theirs: a table, and JSON in bin/bench/results.json.
//
//	make bench
//	go run ./bench -run create -n 3
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

// Row is one measured figure, beside that of what it is compared with where there is such a thing: the bare upstream, unless
// the name says otherwise.
type Row struct {
	Name   string  `json:"name"`
	Minato float64 `json:"minato"`
	Bare   float64 `json:"bare,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"` // minato / bare
	Unit   string  `json:"unit"`
	Goal   string  `json:"goal,omitempty"`
}

// options are the command's flags.
type options struct {
	n      int
	burst  int
	nodes  int
	minor  string
	bin    string
	dir    string
	suites string
}

// suites are in the order in which they run.
var suites = []struct {
	name string
	run  func(context.Context, options) ([]Row, error)
}{
	{"create", benchCreate},
	{"memory", benchMemory},
	{"burst", benchBurst},
	{"auth", benchAuth},
	{"authenticator", benchAuthenticator},
	{"authorize", benchAuthorize},
	{"podidentity", benchPodIdentity},
	{"agent", benchPodAgent},
	{"s3", benchS3},
	{"upgrade", benchUpgrade},
	{"simulated", benchSimulated},
	{"nodegroup", benchNodegroup},
	{"pods", benchPods},
	{"throughput", benchThroughput},
	{"insights", benchInsights},
	{"ingest", benchIngest},
}

func suiteNames() string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return strings.Join(names, ",")
}

func main() {
	// The bench is its own bare etcd: the upstream program, as released.
	if len(os.Args) > 1 && os.Args[1] == "etcd" {
		etcdmain.Main(os.Args[1:])
		return
	}
	if len(os.Args) > 2 && children[os.Args[1]] != nil {
		fmt.Fprintln(os.Stderr, children[os.Args[1]](os.Args[2], os.Args[3:]))
		os.Exit(1)
	}
	if len(os.Args) == 5 && os.Args[1] == "node" {
		fmt.Fprintln(os.Stderr, beBareNode(os.Args[2], os.Args[3], os.Args[4]))
		os.Exit(1)
	}
	var o options
	flag.IntVar(&o.n, "n", 10, "clusters created one after the other")
	flag.IntVar(&o.burst, "burst", 10, "clusters created at once")
	flag.IntVar(&o.nodes, "nodes", 1000, "simulated nodes of the suite simulated")
	flag.StringVar(&o.minor, "minor", "1.35", "Kubernetes minor")
	flag.StringVar(&o.bin, "bin", "bin", "folder with minato and kube/")
	flag.StringVar(&o.suites, "run", suiteNames(), "suites to run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	var err error
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp("", "minato-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(o.dir) }()

	var rows []Row
	var failed error
	for _, s := range suites {
		if !slices.Contains(strings.Split(o.suites, ","), s.name) {
			continue
		}
		load, _ := os.ReadFile("/proc/loadavg") // figures of a machine with other work are worth little
		fmt.Fprintf(os.Stderr, "bench: %s (load average %s)\n", s.name, bytes.TrimSpace(load))
		r, err := s.run(ctx, o)
		if err != nil {
			failed = fmt.Errorf("%s: %w", s.name, err) // the figures before it hold all the same
			break
		}
		rows = append(rows, r...)
	}
	printTable(rows)
	return errors.Join(failed, writeJSON(filepath.Join(o.bin, "bench", "results.json"), rows))
}

func printTable(rows []Row) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "figure\tminato\tbare\tratio\tunit\tgoal\t")
	for _, r := range rows {
		bare, ratio := "-", "-"
		if r.Bare != 0 {
			bare, ratio = fmt.Sprintf("%.2f", r.Bare), fmt.Sprintf("%.3f", r.Ratio)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%s\t%s\t%s\t\n", r.Name, r.Minato, bare, ratio, r.Unit, r.Goal)
	}
	_ = t.Flush()
}

func writeJSON(path string, rows []Row) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	fmt.Println("\nJSON:", path)
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// against makes a row with its ratio.
func against(name string, minato, bare float64, unit, goal string) Row {
	return Row{Name: name, Minato: minato, Bare: bare, Ratio: minato / bare, Unit: unit, Goal: goal}
}
