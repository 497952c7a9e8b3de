package progress

import (
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// liveLine is a step's line on a terminal, drawn again with every frame.
type liveLine struct{ bar *mpb.Bar }

// newLiveLine is nil when the terminal has been given back already.
func newLiveLine(bars *mpb.Progress, s *Step) *liveLine {
	text := func(decor.Statistics) string {
		s.mu.Lock()
		defer s.mu.Unlock()
		line := s.line()
		if !s.ended {
			line = spinner(time.Since(s.started)) + strings.TrimPrefix(line, " ")
		}
		return line
	}
	bar, err := bars.Add(0, mpb.NopStyle().Build(), mpb.BarFillerTrim(), mpb.PrependDecorators(decor.Any(text)))
	if err != nil {
		return nil
	}
	return &liveLine{bar: bar}
}

// end leaves the line as it stands now and waits until it has been drawn.
func (l *liveLine) end() {
	l.bar.SetTotal(-1, true)
	l.bar.Wait()
}

// spinner turns ten times a second.
func spinner(d time.Duration) string {
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return string(frames[int(d/(100*time.Millisecond))%len(frames)])
}
