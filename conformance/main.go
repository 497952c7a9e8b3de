// Command conformance judges Minato by Kubernetes' own end-to-end tests: those that every conformant cluster must pass, as they
// are released. It makes a home and a cluster, runs the tests that need no node but a simulated one that lets the suite begin, adds a node,
// and runs those that one is enough for.
// lists/ says which these are, which are not run because an image cannot be had, and which are known to fail, each with its reason.
//
//	make conformance
//	go run ./conformance -run none -focus Watchers
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// options are the command's flags.
type options struct {
	bin   string
	run   string
	focus string
	// resume leaves out the tests that have passed in earlier runs.
	resume bool
	procs  int
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder with minato, kube/, upstream/ and conformance/")
	flag.StringVar(&o.run, "run", "none,one", "subsets to run: by the number of nodes that they need")
	flag.StringVar(&o.focus, "focus", "", "run only those tests of the subsets whose names match this regular expression")
	flag.BoolVar(&o.resume, "continue", false, "leave out the tests that have passed before, and count them with the others")
	flag.IntVar(&o.procs, "procs", 4*runtime.NumCPU(), "tests to run at once, but for those that must have the cluster for themselves")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	l, err := readLists()
	if err != nil {
		return err
	}
	c, err := start(ctx, bin)
	if err != nil {
		return err
	}
	defer c.stop()
	var failed error
	for _, subset := range []string{"none", "one"} {
		if !slices.Contains(strings.Split(o.run, ","), subset) {
			continue
		}
		if err := c.addNodes(ctx, subset); err != nil {
			return err
		}
		results, err := c.test(ctx, l, subset, o)
		failed = errors.Join(failed, report(os.Stdout, l, subset, results), err)
		if err != nil {
			break
		}
	}
	return failed
}
