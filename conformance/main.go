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
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// options are the command's flags.
type options struct {
	bin   string
	run   string
	focus string
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder with minato, kube/, upstream/ and conformance/")
	flag.StringVar(&o.run, "run", "none,one", "subsets to run: by the number of nodes that they need")
	flag.StringVar(&o.focus, "focus", "", "run only those tests of the subsets whose names match this regular expression")
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
		results, err := c.test(ctx, l, subset, o.focus)
		if err != nil {
			return err
		}
		failed = errors.Join(failed, report(l, subset, results))
	}
	return failed
}

// test runs a subset and returns what came of each of its tests.
func (c *cluster) test(ctx context.Context, l *lists, subset, focus string) ([]result, error) {
	reports := filepath.Join(c.bin, "conformance", subset)
	if err := os.RemoveAll(reports); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(reports, 0o755); err != nil {
		return nil, err
	}
	names, err := c.list(ctx, reports)
	if err != nil {
		return nil, err
	}
	chosen := l.choose(names, subset, focus)
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no test of the subset %s matches", subset)
	}
	fmt.Fprintf(os.Stderr, "conformance: %d tests on a cluster with %s: see %s\n", len(chosen), map[string]string{"none": "no node", "one": "one node"}[subset], reports)
	args := []string{"-ginkgo.timeout=3h", "-test.timeout=0"}
	for _, name := range chosen {
		args = append(args, "-ginkgo.focus= "+quote(name)+"$") // after the name of the suite
	}
	if err := c.suite(ctx, reports, args...); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended || ctx.Err() != nil {
			return nil, err
		}
	}
	results, err := readResults(filepath.Join(reports, "junit_01.xml"))
	results = slices.DeleteFunc(results, func(r result) bool { return r.outcome == "skipped" && !slices.Contains(chosen, r.name) })
	if err == nil && len(results) != len(chosen) {
		err = fmt.Errorf("%d of %d tests were run: see %s", len(results), len(chosen), reports)
	}
	return results, err
}

// list are the names of all conformance tests.
func (c *cluster) list(ctx context.Context, dir string) ([]string, error) {
	if err := c.suite(ctx, dir, "-ginkgo.dry-run", `-ginkgo.focus=\[Conformance\]`); err != nil {
		return nil, err
	}
	results, err := readResults(filepath.Join(dir, "junit_01.xml"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range results {
		if r.outcome != "skipped" {
			names = append(names, r.name)
		}
	}
	return names, nil
}

// suite runs the test binary; what it says goes to a file.
func (c *cluster) suite(ctx context.Context, dir string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(dir, "suite.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "conformance", "e2e.test"), append([]string{
		"-kubeconfig", c.kubeconfig, "-provider=skeleton", "-report-dir", dir, "-allowed-not-ready-nodes=-1", "-minStartupPods=0",
		"-dump-logs-on-failure=false", "-disable-log-dump", "-ginkgo.no-color", "-ginkgo.junit-report=", "-test.run=TestE2E",
	}, args...)...)
	cmd.Env = append(c.env, "KUBE_TEST_REPO_LIST="+c.repositories)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

// result is what came of a test.
type result struct {
	name, outcome, message string
}

// readResults reads a report of ginkgo's.
func readResults(path string) ([]result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var report struct {
		Suites []struct {
			Cases []struct {
				Name    string `xml:"name,attr"`
				Status  string `xml:"status,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var results []result
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			name, isTest := strings.CutPrefix(c.Name, "[It] ")
			if !isTest {
				continue
			}
			r := result{name: name, outcome: c.Status}
			if c.Failure != nil {
				r.message = c.Failure.Message
			}
			results = append(results, r)
		}
	}
	return results, nil
}
