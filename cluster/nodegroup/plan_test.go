package nodegroup

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// read makes states of words: a letter for fresh (f) or old (o), then R if it is Ready, D if it drains, and the zone.
func read(words string) (states []state) {
	for i, w := range strings.Fields(words) {
		states = append(states, state{
			id: fmt.Sprintf("%d", i), zone: w[len(w)-1:], current: w[0] == 'f', ready: strings.Contains(w, "R"), draining: strings.Contains(w, "D"),
			age: len(words) - i,
		})
	}
	return states
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		states string
		w      wanted
		launch int
		drain  string
	}{
		"nothing to do":              {"fRa fRb", wanted{desired: 2, unavailable: 1}, 0, ""},
		"all are missing":            {"", wanted{desired: 3, unavailable: 1}, 3, ""},
		"one is coming":              {"fRa fb", wanted{desired: 2, unavailable: 1}, 0, ""},
		"one drains for repair":      {"fRa fRDb", wanted{desired: 2, unavailable: 1}, 1, ""},
		"too many":                   {"fRa fRb fRa", wanted{desired: 2, unavailable: 1}, 0, "0"},
		"too many, one not ready":    {"fRa fb fRa", wanted{desired: 2, unavailable: 1}, 0, "1"},
		"to nothing":                 {"fRa fRb", wanted{desired: 0, unavailable: 1}, 0, "0 1"},
		"a roll begins":              {"oRa oRb", wanted{desired: 2, unavailable: 1}, 1, ""},
		"a roll waits for the new":   {"oRa oRb fa", wanted{desired: 2, unavailable: 1}, 0, ""},
		"a roll takes one":           {"oRa oRb fRa", wanted{desired: 2, unavailable: 1}, 0, "0"},
		"a roll waits for the drain": {"oRDa oRb fRa", wanted{desired: 2, unavailable: 1}, 0, ""},
		"a roll goes on":             {"oRb fRa", wanted{desired: 2, unavailable: 1}, 1, ""},
		"a roll ends":                {"oRb fRa fRa", wanted{desired: 2, unavailable: 1}, 0, "0"},
		"a wide roll":                {"oRa oRb oRa oRb", wanted{desired: 4, unavailable: 2}, 2, ""},
		"a wide roll takes two":      {"oRa oRb oRa oRb fRa fRb", wanted{desired: 4, unavailable: 2}, 0, "0 1"},
		"a minimal roll":             {"oRa oRb", wanted{desired: 2, unavailable: 1, minimal: true}, 0, "0"},
		"a minimal roll goes on":     {"oRb", wanted{desired: 2, unavailable: 1, minimal: true}, 1, ""},
		"broken old ones go first":   {"oa oRb", wanted{desired: 2, unavailable: 1}, 1, "0"},
		"smaller, and a roll":        {"oRa oRb oRa", wanted{desired: 1, unavailable: 1}, 0, "0"},
	} {
		launch, drain := plan(read(c.states), c.w)
		if launch != c.launch || !slices.Equal(drain, strings.Fields(c.drain)) {
			t.Errorf("%s: launch %d, drain %v; want %d, %s", name, launch, drain, c.launch, c.drain)
		}
	}
}

// TestPlanComesToAnEnd carries the plan out from many beginnings and looks that it never takes away more than it may.
func TestPlanComesToAnEnd(t *testing.T) {
	t.Parallel()
	for _, minimal := range []bool{false, true} {
		for desired := range 6 {
			for have := range 8 {
				for u := 1; u <= 3; u++ {
					carryOut(t, have, wanted{desired: desired, unavailable: u, minimal: minimal})
				}
			}
		}
	}
}

func carryOut(t *testing.T, have int, w wanted) {
	t.Helper()
	var states []state
	for i := range have {
		states = append(states, state{id: fmt.Sprint(i), zone: string(rune('a' + i%3)), ready: true, age: 100 - i})
	}
	floor := w.desired
	if w.minimal {
		floor -= w.unavailable
	}
	floor = min(floor, have)
	for round := range 100 {
		launch, drain := plan(states, w)
		if launch == 0 && len(drain) == 0 {
			if n := len(states); n != w.desired || slices.ContainsFunc(states, func(s state) bool { return !s.current }) {
				t.Errorf("%d nodes, %+v: stuck with %+v", have, w, states)
			}
			return
		}
		states = slices.DeleteFunc(states, func(s state) bool { return slices.Contains(drain, s.id) })
		if len(states) < floor {
			t.Errorf("%d nodes, %+v: only %d are left", have, w, len(states))
		}
		for i := range launch {
			states = append(states, state{id: fmt.Sprintf("new-%d-%d", round, i), zone: "a", current: true, ready: true})
		}
	}
	t.Errorf("%d nodes, %+v: no end", have, w)
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ count, percentage, desired, want int }{{2, 0, 10, 2}, {0, 33, 10, 3}, {0, 10, 2, 1}, {0, 0, 5, 1}} {
		if got := unavailable(c.count, c.percentage, c.desired); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
