package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/server/control"
)

// Down stops the server of a home and every process of it; it works also when the server itself was killed and only its
// children are left.
func Down(ctx context.Context, dir home.Dir, out io.Writer) error {
	if !dir.Exists() {
		return fmt.Errorf("no server was ever started in %s", dir)
	}
	err := control.Shutdown(ctx, dir)
	if err != nil && !errors.Is(err, control.ErrNotRunning) {
		return err
	}
	if err == nil {
		fmt.Fprintln(out, "stopping")
	}
	release, err := dir.AcquireWhenFree(ctx)
	if err != nil {
		return err
	}
	defer release()
	sup, err := supervisor.New(dir.Processes(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer sup.Close()
	all := func(supervisor.Status) bool { return true }
	if err := stopProcesses(ctx, sup, all); err != nil {
		return err
	}
	if err := vpc.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Fprintln(out, "stopped")
	return nil
}

// stopProcesses stops the children that should stop: control planes first, since they need the others to end well, then the
// webhooks, the gate, the VPCs and the registry, and etcd last.
func stopProcesses(ctx context.Context, sup *supervisor.Supervisor, should func(supervisor.Status) bool) error {
	stages := make([][]string, 4)
	add := func(name string) { stages[stopStage(name)] = append(stages[stopStage(name)], name) }
	known := map[string]bool{}
	for _, p := range sup.List() {
		known[p.Name] = true
		if should(p) {
			add(p.Name)
		}
	}
	for _, name := range sup.OnFile() {
		if p := (supervisor.Status{Name: name, Adopted: true}); !known[name] && should(p) {
			add(name)
		}
	}
	for _, names := range stages {
		var g errgroup.Group
		for _, name := range names {
			g.Go(func() error { return sup.Stop(ctx, name) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// stopStage is when a process is stopped: in order, those of one stage at once.
func stopStage(name string) int {
	switch {
	case name == etcdProcess:
		return 3
	case slices.Contains([]string{hookProcess, gateProcess, vpcProcess, registryProcess}, name):
		return 2
	case strings.Contains(name, "/kube-apiserver-"):
		return 1
	}
	return 0
}

// Purge deletes a stopped home with everything in it.
func Purge(dir home.Dir) error {
	release, err := dir.Acquire()
	if err != nil {
		return err
	}
	defer release()
	if !dir.Exists() {
		return fmt.Errorf("%s is no Minato home (it has no config.json): nothing is deleted", dir)
	}
	return errors.Join(vpc.RemoveAll(dir), os.RemoveAll(dir.Run()), os.RemoveAll(string(dir)))
}
