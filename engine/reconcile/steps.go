package reconcile

import (
	"context"
	"fmt"
)

// Step is one part of a reconcile of T. Run begins by asking whether there is anything to do; it changes obj, which the caller
// commits once after all steps.
type Step[T any] struct {
	Name string
	Run  func(ctx context.Context, obj *T) (Result, error)
}

// RunSteps runs steps in order, up to the first that fails or says Stop. The result has the shortest RequeueAfter of all that
// ran, and Stop if one of them said so; it counts beside an error, too. An error carries the step's name.
func RunSteps[T any](ctx context.Context, steps []Step[T], obj *T) (Result, error) {
	var all Result
	for _, step := range steps {
		res, err := step.Run(ctx, obj)
		all = all.and(res)
		if err != nil {
			return all, fmt.Errorf("%s: %w", step.Name, err)
		}
		if res.Stop {
			break
		}
	}
	return all, nil
}

// and joins two results: the shorter wait, and Stop if either says so.
func (r Result) and(s Result) Result {
	if r.RequeueAfter == 0 || s.RequeueAfter > 0 && s.RequeueAfter < r.RequeueAfter {
		r.RequeueAfter = s.RequeueAfter
	}
	r.Stop = r.Stop || s.Stop
	return r
}
