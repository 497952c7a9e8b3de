package supervisor

// event is what can happen to a process.
type event string

const (
	started event = "started" // the process exists, ours or adopted
	failed  event = "failed"  // it could not be started
	ready   event = "ready"
	unready event = "unready" // it was ready and is no longer, which is no reason to restart it
	ended   event = "ended"
	stop    event = "stop" // somebody wants it to end
)

// transitions are all state changes there are. What is not here cannot happen.
//
//	            started            ready
//	Stopped ──────────────▶ Starting ◀──▶ Running
//	   ▲ │ failed      started ▲ │  unready  │
//	   │ └───────────▶ Backoff ┘ │           │
//	   │  stop            │ ▲    │ ended     │ ended
//	   ├──────────────────┘ └────┴───────────┤
//	   │  ended                     stop     │
//	   └────────── Stopping ◀────────────────┘
var transitions = map[State]map[event]State{
	Stopped:  {started: Starting, failed: Backoff},
	Starting: {ready: Running, ended: Backoff, stop: Stopping},
	Running:  {unready: Starting, ended: Backoff, stop: Stopping},
	Backoff:  {started: Starting, failed: Backoff, stop: Stopped},
	Stopping: {ended: Stopped},
}

// move is the one place where a process changes its state: status, log line, waiters and subscribers all follow from here.
func (p *process) move(e event, change func(*Status)) {
	p.mu.Lock()
	from := p.status.State
	to, ok := transitions[from][e]
	if !ok {
		p.mu.Unlock()
		panic("supervisor: " + p.name + " is " + string(from) + " and cannot be " + string(e))
	}
	p.status.State = to
	if change != nil {
		change(&p.status)
	}
	now := p.status
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()

	p.logMove(e, from, now)
	p.sup.notify(p.name)
}

func (p *process) logMove(e event, from State, now Status) {
	log := p.sup.log.With("process", p.name, "from", string(from), "to", string(now.State))
	switch e {
	case started:
		log.Info("process runs", "pid", now.PID, "adopted", now.Adopted)
	case ready:
		log.Info("process is ready", "pid", now.PID)
	case unready:
		log.Warn("process is no longer ready", "pid", now.PID, "error", now.LastError)
	case failed:
		log.Warn("process could not be started", "error", now.LastError)
	case ended:
		if now.State == Backoff {
			log.Warn("process ended by itself", "exit", now.LastExit)
			return
		}
		log.Info("process ended", "exit", now.LastExit)
	case stop:
		log.Info("process is to stop", "pid", now.PID)
	}
}
