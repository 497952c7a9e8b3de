package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"minato.dev/minato/internal/ports"
	"minato.dev/minato/server/control"
)

// server is a Minato server of the bench's own.
type server struct {
	minato string
	home   string
	cmd    *exec.Cmd
	env    map[string]string
	role   string
	subnet []string // in two zones, for clusters
	vpc    string   // the default one
}

// startServer runs `minato up` in a new home and prepares what clusters need.
func startServer(ctx context.Context, o options) (*server, error) {
	home, err := os.MkdirTemp(o.dir, "home-")
	if err != nil {
		return nil, err
	}
	free, release, err := ports.Free(ctx, 1)
	if err != nil {
		return nil, err
	}
	release()
	s := &server{minato: filepath.Join(o.bin, "minato"), home: home, env: map[string]string{}}
	s.cmd = exec.Command(s.minato, "up", "--home", home, "--listen", fmt.Sprintf("127.0.0.1:%d", free[0]))
	log, err := os.Create(filepath.Join(o.dir, filepath.Base(home)+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) waitReady(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if st, err := s.status(ctx); err == nil && st.Ready {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("minato up was not ready after a minute: see %s", s.home)
}

func (s *server) prepare(ctx context.Context) error {
	out, err := s.run(ctx, "env")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			k, v, _ := strings.Cut(rest, "=")
			s.env[k] = strings.Trim(v, "'")
		}
	}
	return s.prepareAccount(ctx)
}

func (s *server) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.minato, append(args, "--home", s.home)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("minato %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

func (s *server) status(ctx context.Context) (st control.Status, err error) {
	out, err := s.run(ctx, "status", "-o", "json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(out, &st)
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, _ = s.run(ctx, "down", "--purge")
	_ = s.cmd.Wait()
}

// cluster is what the bench needs of one.
type cluster struct {
	name     string
	endpoint string
	client   *http.Client
}

func newCluster(name, endpoint, caData string) (*cluster, error) {
	ca, err := base64.StdEncoding.DecodeString(caData)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &cluster{name: name, endpoint: endpoint, client: &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
	}}, nil
}

// again is the cluster for a client with a connection of its own, over HTTP/2 as client-go's, and without a limit of time.
func (k *cluster) again() (*cluster, error) {
	transport, ok := k.client.Transport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("the client of cluster %s has a transport of type %T", k.name, k.client.Transport)
	}
	own := transport.Clone()
	own.ForceAttemptHTTP2 = true
	return &cluster{name: k.name, endpoint: k.endpoint, client: &http.Client{Transport: own}}, nil
}

// defaultServiceAccount is what a control plane makes last: when it is there, everything works.
const defaultServiceAccount = "/api/v1/namespaces/default/serviceaccounts/default"

// waitFor asks again and again, as `kubectl get` in a loop would, until the answer is there.
func waitFor(ctx context.Context, client *http.Client, url string, token func() string) error {
	var last string
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token())
		resp, err := client.Do(req)
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		last = resp.Status + " " + string(body)
	}
	return fmt.Errorf("%s: not there after 3 minutes: %s", url, last)
}

// privateBytes is the memory that belongs to a process alone.
func privateBytes(pid int) (sum int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if strings.HasPrefix(line, "Private_Clean:") || strings.HasPrefix(line, "Private_Dirty:") {
			_, _ = fmt.Sscan(strings.Fields(line)[1], &kib)
			sum += kib << 10
		}
	}
	return sum
}
