package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestShowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := &Clock{}
		if got := c.Showed(start); !got.Equal(start) {
			t.Errorf("a clock that was never moved showed %s at %s", got, start)
		}
		var asked []time.Time
		for i := range 3 {
			asked = append(asked, time.Now())
			time.Sleep(time.Minute)
			c.SetOffset(time.Duration(i+1) * time.Hour)
			c.SetOffset(time.Duration(i+1) * time.Hour) // which moves nothing
		}
		for i, at := range append(asked, time.Now()) {
			if got, want := c.Showed(at), at.Add(time.Duration(i)*time.Hour); !got.Equal(want) {
				t.Errorf("after %d moves it showed %s at %s, want %s", i, got, at, want)
			}
		}
	})
}
