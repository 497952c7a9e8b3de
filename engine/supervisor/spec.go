// Package supervisor keeps processes alive and finds them again after its own death.
//
// A child is a process of its own session whose output goes straight to append-only files, so it lives on when its
// supervisor is killed. What the supervisor must remember of it (boot id, pid, start time, the spec it runs) lies in a file
// per process; the next supervisor takes over every child that is still that very process and starts the others again. A pid
// that has been reused is never touched: children are known by boot id, pid and start time and signalled through a pidfd.
package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Spec says how to run a process. Two equal Specs are the same process: Ensure restarts a child whose Spec has changed.
type Spec struct {
	// Name is unique within the supervisor and may have slashes: "etcd", "clusters/<id>/kube-apiserver-1".
	Name string `json:"name"`
	// Path is the executable. It is opened by the supervisor and executed by descriptor, so a child under a uid of its own
	// can run a program whose folder that uid cannot reach.
	Path string `json:"path"`
	// Args is argv, argv[0] included.
	Args []string `json:"args"`
	// Env is the whole environment.
	Env []string `json:"env,omitempty"`
	// Dir is the working directory, likewise entered by descriptor. Empty is "/".
	Dir string `json:"dir,omitempty"`
	// UID is the user and group to run as when not zero; it needs root.
	UID uint32 `json:"uid,omitempty"`
	// Log is the append-only file that takes standard output and error.
	Log string `json:"log"`
	// Streams are more append-only files, given to the child as descriptors 3, 4, … and owned by UID. A child that wants a
	// path takes /proc/self/fd/3.
	Streams []string `json:"streams,omitempty"`
	// StopTimeout is how long a stop waits between SIGTERM and SIGKILL; zero is 10 s.
	StopTimeout time.Duration `json:"stopTimeout,omitempty"`
	// MaxPause limits how long a process that ends again and again waits for its next start; zero is 30 s.
	MaxPause time.Duration `json:"maxPause,omitempty"`
	// Group names what the process belongs to (a cluster id), for Status lists.
	Group string `json:"group,omitempty"`

	// Ready asks whether the process serves; nil is ready as soon as it runs. It is called again and again, each time with
	// a context that ends after a second: every 100 ms until it returns nil, every 10 s from then on. It is not part of the
	// Spec's identity.
	Ready func(ctx context.Context) error `json:"-"`
}

// validate says what is wrong with a spec before anything is done with it.
func (s Spec) validate() error {
	switch {
	case s.Name == "" || len(escapeName(s.Name)) > maxNameBytes:
		return fmt.Errorf("process name %q is empty, or longer than %d bytes as a file name", s.Name, maxNameBytes)
	case !filepath.IsAbs(s.Path) || !filepath.IsAbs(s.Log) || s.Dir != "" && !filepath.IsAbs(s.Dir):
		return fmt.Errorf("process %s: path %q, dir %q and log %q must be absolute", s.Name, s.Path, s.Dir, s.Log)
	case len(s.Args) == 0:
		return fmt.Errorf("process %s has no args; the first is the program's name", s.Name)
	case s.UID != 0 && os.Geteuid() != 0:
		return fmt.Errorf("process %s is to run as uid %d, which needs root", s.Name, s.UID)
	}
	return nil
}

// clone shares nothing with s that could change.
func (s Spec) clone() Spec {
	s.Args, s.Env, s.Streams = slices.Clone(s.Args), slices.Clone(s.Env), slices.Clone(s.Streams)
	return s
}

// State is where a process stands.
type State string

// The states of a process.
const (
	Starting State = "starting" // runs, not ready yet or not ready any more
	Running  State = "running"  // ready
	Backoff  State = "backoff"  // ended by itself, to be started again
	Stopping State = "stopping"
	Stopped  State = "stopped"
)

// Status is what there is to know of a process.
type Status struct {
	Name      string    `json:"name"`
	Group     string    `json:"group,omitempty"`
	State     State     `json:"state"`
	PID       int       `json:"pid,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Adopted   bool      `json:"adopted,omitempty"`   // taken over from an earlier supervisor
	Restarts  int       `json:"restarts,omitempty"`  // times it ended by itself and was started again
	LastExit  string    `json:"lastExit,omitempty"`  // "exit status 1", "signal: killed", "unknown (was adopted)"
	LastError string    `json:"lastError,omitempty"` // why the last start or readiness probe failed
	RSSBytes  int64     `json:"rssBytes,omitempty"`
	// PrivateBytes is memory that belongs to this process alone (Private_Clean + Private_Dirty of smaps_rollup).
	PrivateBytes int64 `json:"privateBytes,omitempty"`
}
