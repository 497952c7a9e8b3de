package server

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/testclock"
)

// publishClock makes the record that other processes follow say what this home's settings say.
func (s *Server) publishClock(ctx context.Context) error {
	_, err := testclock.Set(ctx, s.store, s.cfg.ClockOffset)
	return err
}

// advanceClock moves the clock ahead, for this server and the processes beside it, and for those after a restart. When it returns,
// all decide by it.
func (s *Server) advanceClock(ctx context.Context, by time.Duration) (control.Clock, error) {
	s.settings.Lock()
	defer s.settings.Unlock()
	cfg := s.cfg
	switch {
	case !cfg.TestClock:
		return control.Clock{}, minato.Errorf(minato.WrongState, "this server goes by the machine's clock: start it with --test-clock DATE to be able to move it")
	case by <= 0:
		return control.Clock{}, minato.Errorf(minato.Invalid, "the clock goes forward only: %s is not a positive duration", by)
	case by > testclock.Limit:
		by = testclock.Limit + 1 // which Set refuses, without an overflow before
	}
	cfg.ClockOffset += by
	rev, err := testclock.Set(ctx, s.store, cfg.ClockOffset)
	if err != nil {
		return control.Clock{}, err
	}
	if err := s.dir.SaveConfig(cfg); err != nil {
		return control.Clock{}, err
	}
	s.cfg.ClockOffset = cfg.ClockOffset
	s.clock.SetOffset(cfg.ClockOffset)
	s.log.Info("the clock has been moved", "by", by, "to", s.clock.Now())
	return s.clockNow(), s.hookApplied(ctx, rev)
}

func (s *Server) clockNow() control.Clock {
	return control.Clock{Now: s.clock.Now().UTC(), Test: s.cfg.TestClock, Ahead: s.clock.Offset().Round(time.Second)}
}
