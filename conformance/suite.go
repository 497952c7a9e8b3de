package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// test runs a subset, or what earlier runs have left of it, and returns what came of each of its tests, also of a run that was
// interrupted.
func (c *cluster) test(ctx context.Context, l *lists, subset string, o options) ([]result, error) {
	reports := filepath.Join(c.bin, "conformance", subset)
	earlier, err := begin(reports, o.resume)
	if err != nil {
		return nil, err
	}
	names, err := c.list(ctx, reports)
	if err != nil {
		return nil, err
	}
	chosen, left := l.choose(names, subset, o.focus)
	if len(chosen) == 0 {
		return left, fmt.Errorf("no test of the subset %s matches", subset)
	}
	chosen, done := remaining(chosen, earlier)
	left = append(done, left...)
	if len(chosen) == 0 {
		return left, nil
	}
	fmt.Fprintf(os.Stderr, "conformance: %d tests on a cluster with %s: see %s\n", len(chosen), map[string]string{"none": "no node", "one": "one node"}[subset], reports)
	args := []string{"--procs=" + strconv.Itoa(o.procs)}
	for _, name := range chosen {
		args = append(args, "--focus= "+quote(name)+"$") // after the name of the suite
	}
	err = c.suite(ctx, reports, args...)
	results, unread := readResults(filepath.Join(reports, reportFile))
	results = slices.DeleteFunc(results, func(r result) bool { return !slices.Contains(chosen, r.Name) })
	reached := len(slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Outcome == notReached }))
	results = append(results, left...)
	if unread == nil {
		unread = writeRecord(reports, results)
	}
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && (!failed || ctx.Err() != nil) {
		return results, err
	}
	if unread == nil && reached != len(chosen) {
		unread = fmt.Errorf("%d of %d tests were run: see %s", reached, len(chosen), reports)
	}
	return results, unread
}

// begin makes the folder of a subset's reports, empty, or gives the results that are in it to go on from.
func begin(reports string, resume bool) (earlier []result, err error) {
	if resume {
		earlier, err = readRecord(reports)
	} else {
		err = os.RemoveAll(reports)
	}
	return earlier, errors.Join(err, os.MkdirAll(reports, 0o755))
}

// list are the names of all conformance tests.
func (c *cluster) list(ctx context.Context, dir string) ([]string, error) {
	if err := c.suite(ctx, dir, "--dry-run", `--focus=\[Conformance\]`); err != nil {
		return nil, err
	}
	report := filepath.Join(dir, reportFile)
	results, err := readResults(report)
	if err == nil {
		err = os.Remove(report) // to it, all tests have passed
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range results {
		if r.Outcome == passed {
			names = append(names, r.Name)
		}
	}
	return names, nil
}

const (
	// suiteLimit bounds a run of the suite.
	suiteLimit = "3h"
	// reportLimit is how long an interrupted run has to clean up and to write its report.
	reportLimit = 2 * time.Minute
)

// suite runs the test binary, by ginkgo, which starts it as often as tests are to run at once. What it says goes to a file. When ctx
// ends it is interrupted, so that it still writes its report.
func (c *cluster) suite(ctx context.Context, dir string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(dir, "suite.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	programs := filepath.Join(c.bin, "conformance")
	args = slices.Concat([]string{"run", "--timeout=" + suiteLimit, "--no-color"}, args, []string{
		filepath.Join(programs, "e2e.test"), "--", "-test.run=TestE2E",
		"-kubeconfig", c.kubeconfig, "-provider=skeleton", "-report-dir", dir, "-allowed-not-ready-nodes=-1", "-minStartupPods=0",
		"-dump-logs-on-failure=false", "-disable-log-dump",
	})
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "ginkgo"), args...)
	cmd.Env = append(c.env, "KUBE_TEST_REPO_LIST="+c.repositories)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: a terminal does not interrupt it, but we do, with all that it has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = reportLimit
	return cmd.Run()
}
