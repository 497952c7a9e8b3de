package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/backoff"
)

// restarts is how long a process that ended by itself waits for its next start, unless its Spec has another limit.
var restarts = backoff.Policy{Min: 200 * time.Millisecond, Max: 30 * time.Second}

const (
	healthyAfter       = time.Minute // ready for so long, a process has its failures forgiven
	defaultStopTimeout = 10 * time.Second
)

// The errors that end a request that something else overtook.
var (
	errStopped    = errors.New("it was stopped meanwhile")
	errSuperseded = errors.New("it was given another spec meanwhile")
	// ErrClosed is the answer of a supervisor that has been closed.
	ErrClosed = errors.New("supervisor is closed")
)

// request asks for a process to run by a spec, or to stop if there is none.
type request struct {
	spec  *Spec
	reply chan error // has room for the one answer
}

// process is one supervised process. Its run goroutine alone acts, on what it is asked and on what it sees; others send it
// requests and read its status.
type process struct {
	sup      *Supervisor
	name     string
	requests chan request
	done     chan struct{} // closed when run has ended
	ask      atomic.Pointer[func(context.Context) error]

	mu      sync.Mutex
	status  Status
	spec    Spec          // of the process that runs or ran last
	changed chan struct{} // closed and replaced at every change of state

	// What follows belongs to run.
	want      *Spec   // nil is to be stopped
	rec       *record // of what runs or was last tried; nil if nothing was
	child     *child  // nil when nothing runs
	waiting   []request
	failures  int       // ends and failed starts in a row
	crashed   bool      // the next start is a restart
	down      error     // why nothing runs, in Backoff
	readyAt   time.Time // zero while not ready
	retry     *time.Timer
	kill      *time.Timer
	probes    chan error
	endProbes context.CancelFunc // nil while nobody probes
}

func newProcess(s *Supervisor, name string) *process {
	return &process{
		sup:      s,
		name:     name,
		requests: make(chan request),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		status:   Status{Name: name, State: Stopped},
		retry:    newTimer(),
		kill:     newTimer(),
	}
}

// newTimer is a timer that has not been set.
func newTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run keeps the process as it is wanted, until it is stopped for good or the supervisor closes. It begins with what an
// earlier supervisor left: a record and the child that still runs; both may be nil.
func (p *process) run(rec *record, c *child) {
	defer close(p.done)
	p.rec = rec
	if c != nil {
		p.attach(c)
	}
	for {
		var exited <-chan string
		if p.child != nil {
			exited = p.child.exited
		}
		select {
		case r := <-p.requests:
			p.accept(r)
		case how := <-exited:
			p.onExit(how)
		case err := <-p.probes:
			p.onProbe(err)
		case <-p.retry.C:
			p.start()
		case <-p.kill.C:
			p.sup.log.Warn("process did not stop in time, killing it", "process", p.name, "pid", p.child.PID)
			p.send(unix.SIGKILL)
		case <-p.sup.closing:
			p.abandon()
			return
		}
		if p.converge() {
			return
		}
	}
}

// accept makes a request what is wanted. Those waiting for something else are told so.
func (p *process) accept(r request) {
	p.waiting = append(p.waiting, r)
	if p.want = r.spec; r.spec == nil {
		p.answer(errStopped, func(w request) bool { return w.spec != nil })
		return
	}
	p.ask.Store(&r.spec.Ready)
	p.answer(errSuperseded, func(w request) bool { return w.spec != nil && !sameSpec(*w.spec, *r.spec) })
	if !p.runsBy(*r.spec) { // what is known of another spec's failures says nothing of this one
		p.failures, p.crashed = 0, false
		p.retry.Stop()
		p.setStatus(func(s *Status) { s.Restarts = 0 })
	}
}

// runsBy is whether spec is what runs, or was last tried.
func (p *process) runsBy(spec Spec) bool { return p.rec != nil && sameSpec(p.rec.Spec, spec) }

// converge takes the next step from what is to what is wanted. It is true when the process is gone for good.
func (p *process) converge() (over bool) {
	state := p.state()
	switch {
	case state == Stopping: // the exit comes
	case p.child != nil && (p.want == nil || !p.runsBy(*p.want)):
		p.beginStop()
	case p.child != nil:
		p.beginProbes()
		p.answer(nil, request.ensures)
	case p.want == nil:
		p.forget()
		return true
	case state == Backoff && p.runsBy(*p.want): // the retry comes
		p.answer(p.down, request.ensures)
	default:
		p.start()
		return p.converge() // it runs now, or waits for its retry
	}
	return false
}

// start makes the wanted process, or waits for the next try.
func (p *process) start() {
	p.rec = newRecord(*p.want)
	c, err := p.launch()
	if err != nil {
		p.failures++
		p.down = err
		p.retry.Reset(p.pause())
		p.move(failed, func(s *Status) { s.LastError = err.Error() })
		return
	}
	p.attach(c)
}

func (p *process) launch() (*child, error) {
	if err := p.sup.records.write(p.rec); err != nil {
		return nil, fmt.Errorf("recording the start of %s: %w", p.name, err)
	}
	c, err := p.sup.launch(p.rec.Spec, marker(p.sup.id, p.rec.Nonce, p.name))
	if err != nil {
		return nil, err
	}
	p.rec.identity, p.rec.Started = c.identity, c.started
	if err := p.sup.records.write(p.rec); err != nil {
		p.sup.log.Error("pid not recorded; the next supervisor will have to look for the process", "process", p.name, "error", err)
	}
	return c, nil
}

// attach makes c the process.
func (p *process) attach(c *child) {
	p.child = c
	restarted := p.crashed
	p.crashed = false
	p.move(started, func(s *Status) {
		p.spec = p.rec.Spec
		s.Group, s.PID, s.Started, s.Adopted = p.rec.Spec.Group, c.PID, c.started, c.adopted
		s.LastError = ""
		if restarted {
			s.Restarts++
		}
	})
}

// beginProbes starts to ask whether the process is ready, unless that goes on already.
func (p *process) beginProbes() {
	if p.endProbes != nil {
		return
	}
	var ctx context.Context
	ctx, p.endProbes = context.WithCancel(context.Background())
	p.probes = make(chan error)
	go watchReady(ctx, func(ctx context.Context) error {
		if ask := *p.ask.Load(); ask != nil {
			return ask(ctx)
		}
		return nil
	}, p.probes)
}

func (p *process) stopProbes() {
	if p.endProbes != nil {
		p.endProbes()
	}
	p.endProbes, p.probes = nil, nil
}

// onProbe takes an answer of the readiness probe.
func (p *process) onProbe(err error) {
	switch running := p.state() == Running; {
	case err == nil:
		p.readyAt = time.Now()
		p.move(ready, func(s *Status) { s.LastError = "" })
	case running:
		p.forgive()
		p.move(unready, func(s *Status) { s.LastError = err.Error() })
	default:
		p.setStatus(func(s *Status) { s.LastError = err.Error() })
	}
}

// forgive ends a time of readiness, and forgets earlier failures if it was long.
func (p *process) forgive() {
	if !p.readyAt.IsZero() && time.Since(p.readyAt) >= healthyAfter {
		p.failures = 0
	}
	p.readyAt = time.Time{}
}

// onExit takes note that the process has ended: as asked, or by itself, and then it will be started again.
func (p *process) onExit(how string) {
	stopping := p.state() == Stopping
	p.child.release()
	p.child = nil
	p.stopProbes()
	p.kill.Stop()
	p.forgive()
	if stopping {
		p.failures = 0
		if p.want != nil {
			p.answer(nil, request.stops)
		}
	} else {
		p.failures++
		p.crashed = true
		p.down = fmt.Errorf("%s ended by itself (%s) and waits to be started again", p.name, how)
		p.retry.Reset(p.pause())
	}
	p.move(ended, func(s *Status) { s.PID, s.LastExit = 0, how })
}

// beginStop asks the process to end, with the patience of the spec that it runs by.
func (p *process) beginStop() {
	p.stopProbes()
	p.move(stop, nil)
	patience := p.rec.Spec.StopTimeout
	if patience <= 0 {
		patience = defaultStopTimeout
	}
	p.kill.Reset(patience)
	p.send(unix.SIGTERM)
}

func (p *process) send(sig unix.Signal) {
	if err := p.child.signal(sig); err != nil {
		p.sup.log.Error("process cannot be signalled", "process", p.name, "signal", sig.String(), "error", err)
	}
}

// forget is the end of a process that is not wanted any more and does not run.
func (p *process) forget() {
	if p.state() == Backoff {
		p.retry.Stop()
		p.move(stop, nil)
	}
	err := p.sup.records.remove(p.name)
	p.sup.drop(p)
	p.answer(err, request.stops)
}

// abandon leaves the child to the next supervisor.
func (p *process) abandon() {
	p.stopProbes()
	p.retry.Stop()
	p.kill.Stop()
	if p.child != nil {
		p.child.release()
	}
	p.answer(ErrClosed, func(request) bool { return true })
}

func (r request) ensures() bool { return r.spec != nil }
func (r request) stops() bool   { return r.spec == nil }

// answer ends the wait of those requests that match.
func (p *process) answer(err error, match func(request) bool) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w request) bool {
		if !match(w) {
			return false
		}
		w.reply <- err
		return true
	})
}

func (p *process) state() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.State
}

// setStatus changes what is told about the state, and not the state.
func (p *process) setStatus(change func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.status)
}

// pause is how long this process waits for its next start.
func (p *process) pause() time.Duration {
	policy := restarts
	if p.rec != nil && p.rec.Spec.MaxPause > 0 {
		policy.Max = p.rec.Spec.MaxPause
	}
	return policy.Delay(p.failures)
}
