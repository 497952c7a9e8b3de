// Package control is how `minato status`, `minato logs` and `minato down` talk to a running server: HTTP over a unix socket
// that only the server's own user can open.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/insights/scan"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/eksauth"
)

// Status is what a server says about itself.
type Status struct {
	Version   string              `json:"version"`
	Home      string              `json:"home"`
	PID       int                 `json:"pid"`
	Ready     bool                `json:"ready"`
	Endpoint  string              `json:"endpoint"`
	Region    string              `json:"region"`
	Accounts  []string            `json:"accounts"`
	Started   time.Time           `json:"started"`
	Clock     time.Time           `json:"clock"` // Minato's time; differs from the machine's with --test-clock
	TestClock bool                `json:"testClock"`
	RSSBytes  int64               `json:"rssBytes"`
	Etcd      Etcd                `json:"etcd"`
	Minors    []string            `json:"kubernetesMinors"` // built
	Processes []supervisor.Status `json:"processes"`        // Minato's own: etcd, hook, gate; and those of clusters in Corrupt
	Clusters  []Cluster           `json:"clusters"`
	Corrupt   []string            `json:"corrupt,omitempty"` // clusters' records that cannot be read, and why
}

// Etcd is the state of the store.
type Etcd struct {
	Endpoints []string `json:"endpoints"`
	External  bool     `json:"external"`
	DBBytes   int64    `json:"dbBytes"`
	Quota     int64    `json:"quotaBytes,omitempty"`
	Alarms    []string `json:"alarms,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// Cluster is one cluster in Status.
type Cluster struct {
	Account      string   `json:"account"`
	Region       string   `json:"region"`
	Name         string   `json:"name"`
	ID           string   `json:"id"`
	Version      string   `json:"version"`
	Status       string   `json:"status"`
	Endpoint     string   `json:"endpoint,omitempty"`
	PrivateBytes int64    `json:"privateBytes"` // of its processes
	Keys         int64    `json:"etcdKeys"`
	KeyBytes     int64    `json:"etcdBytes"`
	Issues       []string `json:"issues,omitempty"`
	// Upcoming says which upgrade the support calendar has for the cluster within the next months, if any.
	Upcoming     string              `json:"upcomingUpgrade,omitempty"`
	LoggingTypes []string            `json:"loggingTypes,omitempty"`
	Processes    []supervisor.Status `json:"processes"`
	// SimulatedNodes are those of its nodes that kwok makes up.
	SimulatedNodes int `json:"simulatedNodes,omitempty"`
}

// Server answers on the control socket.
type Server struct {
	Status   func(ctx context.Context) Status
	Shutdown func() // asks the server to stop everything; returns at once
	// ExplainAccess says why a principal may do something on a cluster, or not. An error is for whoever asked.
	ExplainAccess func(ctx context.Context, q AccessQuestion) (*access.Explanation, error)
	// ExplainIdentity says which credentials pods have, and what these may do. An error is for whoever asked.
	ExplainIdentity func(ctx context.Context, q IdentityQuestion) (*eksauth.Explanation, error)
	// ConnectCluster says who signs the tokens of a registered cluster. An error is for whoever asked.
	ConnectCluster func(ctx context.Context, q ConnectRequest) error
	// Manifest is what is to be applied to a registered cluster, in YAML. An error is for whoever asked.
	Manifest func(ctx context.Context, q ManifestRequest) (string, error)
	// Costs are what the clusters would cost elsewhere.
	Costs func(ctx context.Context) (Costs, error)
	// AdvanceClock moves the clock. An error is for whoever asked.
	AdvanceClock func(ctx context.Context, by time.Duration) (Clock, error)
	// ScanCluster looks for APIs that end in what lives in a cluster. An error is for whoever asked.
	ScanCluster func(ctx context.Context, q ScanRequest) (*scan.Report, error)
	// Policies keeps the access policies that customers make.
	Policies Policies
}

// Serve listens on the home's control socket until ctx ends.
func (s Server) Serve(ctx context.Context, dir home.Dir) error {
	path := dir.ControlSocket()
	if err := dir.MakeRun(); err != nil {
		return err
	}
	// The home's lock is held: a socket that is still there is left over.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Status(r.Context()))
	})
	mux.HandleFunc("POST /shutdown", func(w http.ResponseWriter, _ *http.Request) {
		// All of the answer is on its way before the server, this listener with it, begins to end.
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		s.Shutdown()
	})
	mux.HandleFunc("POST "+accessPath, answering(maxQuestion, s.ExplainAccess))
	mux.HandleFunc("POST "+identityPath, answering(maxQuestion, s.ExplainIdentity))
	mux.HandleFunc("POST "+connectPath, answering(maxConnect, func(ctx context.Context, q ConnectRequest) (struct{}, error) {
		return struct{}{}, s.ConnectCluster(ctx, q)
	}))
	mux.HandleFunc("POST "+manifestPath, answering(maxQuestion, s.Manifest))
	mux.HandleFunc("POST "+clockPath, s.advance)
	mux.HandleFunc("GET "+costPath, s.cost)
	mux.HandleFunc("POST "+scanPath, answering(maxQuestion, s.ScanCluster))
	s.Policies.register(mux)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ErrNotRunning is a home whose server does not answer.
var ErrNotRunning = errors.New("no server is running in this home: start one with `minato up`")

// GetStatus asks the running server for its status.
func GetStatus(ctx context.Context, dir home.Dir) (Status, error) {
	var st Status
	body, err := request(ctx, dir, http.MethodGet, "/status")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(body, &st)
}

// Shutdown asks the running server to stop everything.
func Shutdown(ctx context.Context, dir home.Dir) error {
	_, err := request(ctx, dir, http.MethodPost, "/shutdown")
	return err
}

func request(ctx context.Context, dir home.Dir, method, path string) ([]byte, error) {
	_, body, err := exchange(ctx, askTimeout, dir, method, path, nil)
	return body, err
}

// maxAnswer bounds an answer.
const maxAnswer = 64 << 20

// exchange makes one request on the control socket.
func exchange(ctx context.Context, timeout time.Duration, dir home.Dir, method, path string, in []byte) (status int, body []byte, err error) {
	client := &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				conn, err := d.DialContext(ctx, "unix", dir.ControlSocket())
				if err != nil {
					return nil, fmt.Errorf("%w (%s)", ErrNotRunning, dir)
				}
				return conn, nil
			},
		},
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://minato"+path, bytes.NewReader(in))
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(err, ErrNotRunning) {
			return 0, nil, fmt.Errorf("%w (home %s)", ErrNotRunning, dir)
		}
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the server's answer is longer than %d MiB", maxAnswer>>20)
	}
	return resp.StatusCode, body, err
}
