package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRunSteps(t *testing.T) {
	t.Parallel()
	rain := errors.New("it rains")
	type answer struct {
		res Result
		err error
	}
	after := func(d time.Duration) answer { return answer{res: Result{RequeueAfter: d}} }
	for name, c := range map[string]struct {
		steps   []answer
		wantRan int
		want    Result
		wantErr string
	}{
		"none":                    {},
		"all":                     {steps: []answer{{}, {}, {}}, wantRan: 3},
		"the shortest wait wins":  {steps: []answer{after(3), after(1), {}, after(2)}, wantRan: 4, want: Result{RequeueAfter: 1}},
		"stop":                    {steps: []answer{after(2), {res: Result{Stop: true}}, after(1)}, wantRan: 2, want: Result{RequeueAfter: 2, Stop: true}},
		"error":                   {steps: []answer{after(2), {err: rain}, after(1)}, wantRan: 2, want: Result{RequeueAfter: 2}, wantErr: "b: it rains"},
		"error with its own wait": {steps: []answer{after(2), {Result{RequeueAfter: 1}, rain}}, wantRan: 2, want: Result{RequeueAfter: 1}, wantErr: "b: it rains"},
	} {
		var steps []Step[int]
		for i, a := range c.steps {
			steps = append(steps, Step[int]{string(rune('a' + i)), func(_ context.Context, ran *int) (Result, error) {
				if *ran != i {
					t.Errorf("%s: step %d runs after %d others", name, i, *ran)
				}
				*ran++
				return a.res, a.err
			}})
		}
		ran := 0
		got, err := RunSteps(t.Context(), steps, &ran)
		if ran != c.wantRan || got != c.want {
			t.Errorf("%s: %d steps ran, result %+v; want %d, %+v", name, ran, got, c.wantRan, c.want)
		}
		if (err != nil) != (c.wantErr != "") || err != nil && (err.Error() != c.wantErr || !errors.Is(err, rain)) {
			t.Errorf("%s: err = %v, want %q", name, err, c.wantErr)
		}
	}
}

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
