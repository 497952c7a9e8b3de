package reconcile

import (
	"testing"
	"time"
)

func TestSetCondition(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var list []Condition
	for i, c := range []struct {
		next    Condition
		changed bool
	}{
		{Condition{Type: "PKI", OK: true}, true},
		{Condition{Type: "PKI", OK: true}, false},
		{Condition{Type: "PKI", Since: start.Add(time.Hour), OK: true}, false},
		{Condition{Type: "APIServer", Reason: "Starting"}, true},
		{Condition{Type: "APIServer", Reason: "Starting", Message: "for a minute"}, true},
		{Condition{Type: "APIServer", Reason: "Crashed", Message: "for a minute"}, true},
		{Condition{Type: "APIServer", Reason: "Crashed", Message: "for a minute"}, false},
		{Condition{Type: "APIServer", OK: true}, true},
	} {
		now := start.Add(time.Duration(i) * time.Minute)
		if changed := SetCondition(&list, c.next, now); changed != c.changed {
			t.Errorf("%d: changed = %t, want %t", i, changed, c.changed)
		}
	}
	want := []Condition{
		{Type: "PKI", OK: true, Since: start},
		{Type: "APIServer", OK: true, Since: start.Add(7 * time.Minute)},
	}
	if len(list) != 2 || list[0] != want[0] || list[1] != want[1] {
		t.Errorf("conditions = %+v, want %+v", list, want)
	}
}
