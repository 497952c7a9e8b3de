package controlplane

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/engine/supervisor"
)

// Processes are the parts of the supervisor that a Controller uses.
type Processes struct {
	// Ensure makes a process run with this Spec, and go on running.
	Ensure func(ctx context.Context, spec supervisor.Spec) error
	// Stop ends a process and forgets it. A process that is not there is stopped.
	Stop func(ctx context.Context, name string) error
	// Status is where a process stands; false when it is not supervised.
	Status func(name string) (supervisor.Status, bool)
	// Names are all processes, those included that an earlier server left and that nobody has asked for since.
	Names func() []string
}

// Supervised is Processes of a real supervisor.
func Supervised(s *supervisor.Supervisor) Processes {
	return Processes{Ensure: s.Ensure, Stop: s.Stop, Status: s.Status, Names: func() []string {
		names := s.OnFile()
		for _, st := range s.List() {
			names = append(names, st.Name)
		}
		return names
	}}
}

const processPrefix = "clusters/"

// processName is a process of a cluster in the supervisor.
func processName(clusterID, component string, generation int) string {
	return fmt.Sprintf("%s%s/%s-%d", processPrefix, clusterID, component, generation)
}

// ClusterOf is the cluster that a process name stands for; false when it is none of ours.
func ClusterOf(name string) (clusterID string, ok bool) {
	rest, ok := strings.CutPrefix(name, processPrefix)
	clusterID, _, found := strings.Cut(rest, "/")
	return clusterID, ok && found
}

// Components is how many processes a generation has: kube-apiserver, kube-controller-manager and kube-scheduler.
const Components = 3

// ComponentOf is the component that a process name stands for.
func ComponentOf(name string) string {
	base := path.Base(name)
	return base[:max(0, strings.LastIndexByte(base, '-'))]
}

// of are the names of a cluster's processes.
func (ps Processes) of(clusterID string) []string {
	return slices.DeleteFunc(ps.Names(), func(name string) bool {
		id, ok := ClusterOf(name)
		return !ok || id != clusterID
	})
}

// stop stops processes, all at once.
func (ps Processes) stop(ctx context.Context, names ...string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		group.Go(func() error { return ps.Stop(ctx, name) })
	}
	return group.Wait()
}

// crashLoopRestarts is how many times a process may end by itself before that is no accident.
const crashLoopRestarts = 3

// crashLoop is the problem of a process that ends again and again; nil where it does not.
func (ps Processes) crashLoop(name string) error {
	st, ok := ps.Status(name)
	if !ok || st.State != supervisor.Backoff || st.Restarts < crashLoopRestarts {
		return nil
	}
	component := ComponentOf(name)
	return problemf(reasonCrashLoop, issueInternal, "%s has ended %d times (%s) and is started again and again; its log says why: %s.log in the cluster's log folder",
		component, st.Restarts, st.LastExit, component)
}

// ensure is Ensure that tells a process that ends again and again, and one whose program cannot be run, from one that could not be
// started this once.
func (ps Processes) ensure(ctx context.Context, spec supervisor.Spec) error {
	err := ps.Ensure(ctx, spec)
	if err == nil {
		return nil
	}
	if loop := ps.crashLoop(spec.Name); loop != nil {
		return loop
	}
	if errors.Is(err, supervisor.ErrProgram) {
		return problemf(reasonNoProgram, issueInternal, "%w", err)
	}
	return err
}
