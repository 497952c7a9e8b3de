package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"minato.dev/minato/internal/home"
)

// Status is how far a node is.
type Status struct {
	// Ready is whether kubelet answers.
	Ready bool `json:"ready"`
	// Phases are the steps of starting that are done, with when they were since the process began.
	Phases []Phase `json:"phases"`
	Failed string  `json:"failed,omitempty"`
}

// Phase is a step of starting.
type Phase struct {
	Name string        `json:"name"`
	At   time.Duration `json:"at"` // nanoseconds
}

// status is the Status as it becomes.
type status struct {
	mu  sync.Mutex
	now Status
}

func newStatus() *status { return &status{} }

func (s *status) phase(name string, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Phases = append(s.now.Phases, Phase{name, at})
}

func (s *status) setReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Ready = ready
}

func (s *status) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Ready, s.now.Failed = false, err.Error()
}

func (s *status) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.now)
}

// serveStatus answers those who ask for the node's status, on a socket in its run folder that root alone can reach.
func (h *host) serveStatus() (stop func(), err error) {
	path := runFile(h.Home, h.spec.InstanceID, statusSocket)
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: h.status, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	return func() { _ = server.Close() }, nil
}

// AskStatus asks a node's process how far it is.
func AskStatus(ctx context.Context, h home.Dir, id string) (s Status, err error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", runFile(h, id, statusSocket))
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node/", nil)
	if err != nil {
		return s, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }()
	return s, json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&s)
}

// Ready is a readiness probe of a node's process.
func Ready(h home.Dir, id string) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := AskStatus(ctx, h, id)
		switch {
		case err != nil:
			return err
		case s.Failed != "":
			return errors.New(s.Failed)
		case s.Ready:
			return nil
		case len(s.Phases) == 0:
			return errors.New("the node has not begun to start")
		}
		return fmt.Errorf("kubelet does not answer; the last thing done was %s", s.Phases[len(s.Phases)-1].Name)
	}
}
