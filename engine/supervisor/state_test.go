package supervisor

import (
	"log/slog"
	"strings"
	"testing"
)

// Every state with every event: the state after it, or - where the event cannot happen.
const matrix = `
          started   failed   ready    unready   ended    stop
stopped   starting  backoff  -        -         -        -
starting  -         -        running  -         backoff  stopping
running   -         -        -        starting  backoff  stopping
backoff   starting  backoff  -        -         -        stopped
stopping  -         -        -        -         stopped  -
`

func TestEveryTransition(t *testing.T) {
	t.Parallel()
	rows := strings.Split(strings.TrimSpace(matrix), "\n")
	events := strings.Fields(rows[0])
	cells := 0
	for _, row := range rows[1:] {
		fields := strings.Fields(row)
		from := State(fields[0])
		for i, e := range events {
			cells++
			want := State(fields[i+1])
			var told []string
			s := &Supervisor{log: slog.New(slog.DiscardHandler), subscribers: map[*func(string)]struct{}{}}
			s.Subscribe(func(name string) { told = append(told, name) })
			p := newProcess(s, "web")
			p.status.State = from
			_, changed := p.snapshot()
			if !tryMove(p, event(e)) {
				if want != "-" {
					t.Errorf("%s and %s: refused, want %s", from, e, want)
				}
				if now := p.state(); now != from || len(told) != 0 {
					t.Errorf("%s and %s: refused, and yet it is %s and told %v", from, e, now, told)
				}
				continue
			}
			if now := p.state(); now != want {
				t.Errorf("%s and %s: it is %s, want %s", from, e, now, want)
			}
			if len(told) != 1 || told[0] != "web" {
				t.Errorf("%s and %s: told %v", from, e, told)
			}
			select {
			case <-changed:
			default:
				t.Errorf("%s and %s: waiters were not woken", from, e)
			}
		}
	}
	if want := len(transitions) * 6; cells != want {
		t.Errorf("the matrix has %d cells, want %d", cells, want)
	}
}

func tryMove(p *process, e event) (moved bool) {
	defer func() { _ = recover() }()
	p.move(e, nil)
	return true
}
