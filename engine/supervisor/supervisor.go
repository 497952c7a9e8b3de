package supervisor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/atomicfile"
)

// Supervisor keeps the processes of one folder. All methods are safe for concurrent use.
type Supervisor struct {
	log     *slog.Logger
	id      string // marks the children's environment
	records records
	lock    *os.File
	closing chan struct{}
	running sync.WaitGroup

	launch func(spec Spec, marker string) (*child, error)
	adopt  func(id identity, started time.Time) (*child, error)

	mu          sync.Mutex
	closed      bool
	processes   map[string]*process
	onFile      map[string]*record // left by an earlier supervisor and not yet claimed
	subscribers map[*func(string)]struct{}
}

// lockPatience is how long New waits for an earlier supervisor's last child to be past its exec.
const lockPatience = 2 * time.Second

// New opens the folder that a supervisor keeps its files in, making it if it is not there. Nothing is started, stopped or
// adopted before it is asked for. Descriptors that this program has inherited (a CI system's pipe, make's job server) are
// marked close-on-exec, or processes that outlive us would hold them open. It is an error if another supervisor works in the folder, or if the kernel is too old (it
// must have pidfds that can be polled: Linux 5.10).
func New(dir string, log *slog.Logger) (*Supervisor, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		log.Warn("inherited descriptors stay open in processes", "error", err) // before Linux 5.11
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Supervisor{
		log:         log,
		records:     records{dir},
		lock:        lock,
		closing:     make(chan struct{}),
		launch:      launch,
		adopt:       adopt,
		processes:   map[string]*process{},
		subscribers: map[*func(string)]struct{}{},
	}
	if err := s.load(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	s.running.Go(s.rotateLogs)
	return s, nil
}

// lockDir makes sure that the folder is ours alone, and that no child of an earlier supervisor is still between fork and
// exec, when its environment does not show yet whose it is: such a child has a copy of the lock's descriptor until its exec
// closes it, and so holds the lock.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for patience := time.After(lockPatience); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		select {
		case <-tick.C:
		case <-patience:
			_ = f.Close()
			return nil, fmt.Errorf("%s is in use by another running supervisor", dir)
		}
	}
}

func (s *Supervisor) load() (err error) {
	if s.id, err = loadID(filepath.Join(s.records.dir, "id")); err != nil {
		return err
	}
	s.onFile, err = s.records.load(func(file string, err error) {
		s.log.Error("process file cannot be read; its process will be looked for", "file", file, "error", err)
	})
	if err != nil {
		return err
	}
	return settle(s.onFile, s.id)
}

// loadID reads the supervisor's id, making it at first use.
func loadID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id := rand.Text()
	return id, atomicfile.Write(path, []byte(id+"\n"), 0o600)
}

// Ensure makes a process run by spec. It returns when the process exists, which is not to say that it is ready:
//   - if it runs by an equal spec, here or left by an earlier supervisor, it goes on;
//   - if it runs by another spec it is stopped first, as Stop does;
//   - if it does not run it is started.
//
// From then on the process is started again whenever it ends, until Stop. An error says that it does not run now: it could
// not be started, or has ended by itself and waits for its next start; the supervisor goes on trying either way. Other
// errors: ctx ended, a later Ensure or Stop overtook this one, ErrClosed, or the spec makes no sense.
func (s *Supervisor) Ensure(ctx context.Context, spec Spec) error {
	if err := spec.validate(); err != nil {
		return err
	}
	spec = spec.clone()
	if err := s.request(ctx, spec.Name, &spec); err != nil {
		return fmt.Errorf("running %s: %w", spec.Name, err)
	}
	return nil
}

// Stop ends a process and forgets it: SIGTERM, SIGKILL after the StopTimeout of its spec, and its file removed once it is
// gone. It works for a process that is only known from an earlier supervisor's files, and is content if there is none. If ctx
// ends first the stop goes on without the caller. Only the process itself is signalled: what it started is its own affair.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	if err := s.request(ctx, name, nil); err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return nil
}

// request has the process of this name do as asked.
func (s *Supervisor) request(ctx context.Context, name string, spec *Spec) error {
	for {
		p, err := s.process(name, spec != nil)
		if err != nil || p == nil {
			return err
		}
		r := request{spec: spec, reply: make(chan error, 1)}
		select {
		case p.requests <- r:
		case <-p.done:
			continue // it was just forgotten; begin a new one
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case err := <-r.reply:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// process finds the named process, makes it of what is on file, or else, if create says so, of nothing.
func (s *Supervisor) process(name string, create bool) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if p := s.processes[name]; p != nil {
		return p, nil
	}
	rec := s.onFile[name]
	if rec == nil && !create {
		return nil, nil
	}
	var c *child
	if rec != nil {
		var err error
		if c, err = s.adopt(rec.identity, rec.Started); err != nil {
			return nil, err // it may be alive: nothing is started in its place
		}
	}
	delete(s.onFile, name)
	p := newProcess(s, name)
	s.processes[name] = p
	s.running.Go(func() { p.run(rec, c) })
	return p, nil
}

// drop takes a process that is gone for good out of the list.
func (s *Supervisor) drop(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.processes, p.name)
}

// Status is what there is to know of a process; false if it was never ensured here, or has been stopped. Its memory is not
// in it: see Status.WithMemory.
func (s *Supervisor) Status(name string) (Status, bool) {
	s.mu.Lock()
	p := s.processes[name]
	s.mu.Unlock()
	if p == nil {
		return Status{}, false
	}
	st, _ := p.snapshot()
	return st, true
}

// List is the Status of every process, by name.
func (s *Supervisor) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, 0, len(s.processes))
	for _, p := range s.processes {
		st, _ := p.snapshot()
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// OnFile names the processes that an earlier supervisor left and that have been neither ensured nor stopped since. They may
// or may not run. A caller that knows what it wants stops those that it does not.
func (s *Supervisor) OnFile() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.onFile))
}

// Subscribe has f called with a process's name after every change of its state, until cancel. f is called by the process's
// own keeper, so it must return at once and may not call Ensure, Stop or WaitReady; Status is fine.
func (s *Supervisor) Subscribe(f func(name string)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers[&f] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, &f)
	}
}

func (s *Supervisor) notify(name string) {
	s.mu.Lock()
	subscribers := slices.Collect(maps.Keys(s.subscribers))
	s.mu.Unlock()
	for _, f := range subscribers {
		(*f)(name)
	}
}

// Close stops supervising and leaves the processes running, for the next supervisor to adopt.
func (s *Supervisor) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.closing)
	}
	s.running.Wait()
	if first {
		_ = s.lock.Close()
	}
}
