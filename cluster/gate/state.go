package gate

import (
	"cmp"
	"errors"
	"maps"
	"slices"
)

// RouteState is what the gate made of a route.
type RouteState struct {
	ClusterID string `json:"clusterId"`
	Port      int    `json:"port"`
	// Listening is whether clients can connect at every address of the gate.
	Listening bool `json:"listening"`
	// Error says why not, or what is wrong with the route; empty when all is well.
	Error string `json:"error,omitempty"`
	// Backends are where new connections go.
	Backends []string `json:"backends"`
	// Open counts the connections by the backend that serves them, those of earlier generations included.
	Open map[string]int `json:"open"`
}

func (e *endpoint) state() RouteState {
	t := e.target.Load()
	e.mu.Lock()
	defer e.mu.Unlock()
	errs := []error{e.routeErr}
	for _, addr := range slices.Sorted(maps.Keys(e.bindErr)) {
		errs = append(errs, e.bindErr[addr])
	}
	s := RouteState{
		ClusterID: e.cluster,
		Port:      e.port,
		Listening: !e.closed && len(e.bindErr) == 0,
		Backends:  append([]string{}, t.backends...),
		Open:      e.openByBackend(),
	}
	if err := errors.Join(errs...); err != nil {
		s.Error = err.Error()
	}
	return s
}

// States is what became of every route, by cluster id.
func (p *Ports) States() []RouteState {
	p.mu.Lock()
	defer p.mu.Unlock()
	states := make([]RouteState, 0, len(p.endpoints))
	for _, e := range p.endpoints {
		states = append(states, e.state())
	}
	slices.SortFunc(states, func(a, b RouteState) int { return cmp.Compare(a.ClusterID, b.ClusterID) })
	return states
}

func (p *Ports) state(cluster string) (RouteState, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.endpoints[cluster]
	if !ok {
		return RouteState{}, false
	}
	return e.state(), true
}
