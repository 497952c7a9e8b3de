// Package progress tells a person what long work is doing: on a terminal one live line per step, elsewhere (a pipe, a log
// file, CI) a plain line whenever something is known. Both carry the time that each step has taken.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
)

// Progress is a list of steps on one writer. It is safe for concurrent use.
type Progress struct {
	mu   sync.Mutex
	out  io.Writer
	bars *mpb.Progress // nil where lines are plain
}

// New reports to w, live when w is a terminal that can move its cursor.
func New(w io.Writer) *Progress {
	p := &Progress{out: w}
	if f, ok := w.(*os.File); ok && cwriter.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.bars = mpb.New(mpb.WithOutput(f), mpb.WithRefreshRate(100*time.Millisecond))
	}
	return p
}

// Step begins a step. It must end in Done or Fail.
func (p *Progress) Step(name string) *Step {
	s := &Step{progress: p, name: name, started: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars != nil {
		s.live = newLiveLine(p.bars, s)
	}
	return s
}

// Close draws the last frame of a terminal and gives it back; steps that have not ended are left as they stand. Steps begun
// later report in plain lines.
func (p *Progress) Close() {
	p.mu.Lock()
	bars := p.bars
	p.bars = nil
	p.mu.Unlock()
	if bars != nil {
		bars.Shutdown()
	}
}

func (p *Progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format, args...) // nobody to tell when the terminal is gone
}

// Step is one thing that takes time.
type Step struct {
	progress *Progress
	name     string
	started  time.Time
	live     *liveLine // nil where lines are plain

	mu    sync.Mutex
	text  string
	ended bool
	took  time.Duration
	err   error
}

// Update says what the step is at now. A plain report gets a line only when the text changed.
func (s *Step) Update(text string) {
	text = oneLine(text)
	s.mu.Lock()
	changed := text != s.text && !s.ended
	if changed {
		s.text = text
	}
	s.mu.Unlock()
	if changed && s.live == nil {
		s.progress.printf("  %s: %s (%s)\n", s.name, text, elapsed(time.Since(s.started)))
	}
}

// Done ends the step well; detail, which may be empty, says what came of it.
func (s *Step) Done(detail string) { s.end(oneLine(detail), nil) }

// Fail ends the step with the error that stopped it.
func (s *Step) Fail(err error) { s.end(oneLine(err.Error()), err) }

func (s *Step) end(text string, err error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.text, s.err, s.took = true, text, err, time.Since(s.started)
	line := s.line()
	s.mu.Unlock()
	if s.live != nil {
		s.live.end()
		return
	}
	s.progress.printf("%s\n", line)
}

// line is the step as it stands; the caller holds mu.
func (s *Step) line() string {
	mark, took := " ", time.Since(s.started)
	switch {
	case s.ended && s.err != nil:
		mark, took = "✗", s.took
	case s.ended:
		mark, took = "✓", s.took
	}
	line := fmt.Sprintf("%s %s (%s)", mark, s.name, elapsed(took))
	if s.text != "" {
		line += ": " + s.text
	}
	return line
}

// elapsed rounds a duration to what a person wants to know of it.
func elapsed(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// oneLine keeps a message from breaking the display.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
