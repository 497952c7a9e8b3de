package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/server/control"
)

const (
	authRate     = 2000 // reviews a second in the paced run
	authDuration = 10 * time.Second
	authClients  = 32
	authTokens   = 200 // distinct tokens, so that nothing is answered from a cache of one
)

// benchAuth asks the authentication webhook as a kube-apiserver does: paced, for its latency, and as fast as it goes, for
// what one core of it can do.
func benchAuth(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if _, err := s.createCluster(ctx, o, "auth"); err != nil {
		return nil, err
	}
	st, err := s.status(ctx)
	if err != nil {
		return nil, err
	}
	asker, err := newAsker(ctx, s, st)
	if err != nil {
		return nil, err
	}
	hook := 0
	for _, p := range st.Processes {
		if p.Name == "hook" {
			hook = p.PID
		}
	}
	latencies, err := asker.paced(ctx)
	if err != nil {
		return nil, err
	}
	before := cpuSeconds(hook)
	count, took, err := asker.flood(ctx)
	if err != nil {
		return nil, err
	}
	cpu := cpuSeconds(hook) - before
	return []Row{
		{Name: fmt.Sprintf("authentication at %d/s, p50", authRate), Minato: percentile(latencies, 50) * 1000, Unit: "ms"},
		{Name: fmt.Sprintf("authentication at %d/s, p99", authRate), Minato: percentile(latencies, 99) * 1000, Unit: "ms", Goal: "< 1"},
		{Name: "authentication, as fast as it goes", Minato: float64(count) / took.Seconds(), Unit: "1/s"},
		{Name: "authentication, per second of the hook's CPU time", Minato: float64(count) / cpu, Unit: "1/s", Goal: ">= 2000"},
	}, nil
}

// asker sends token reviews to the webhook with the identity of a cluster.
type asker struct {
	client *http.Client
	url    string
	bodies [][]byte
	next   atomic.Int64
}

func newAsker(ctx context.Context, s *server, st control.Status) (*asker, error) {
	dir := home.Dir(s.home)
	cfg, err := dir.LoadConfig()
	if err != nil {
		return nil, err
	}
	id := st.Clusters[0].ID
	ca, err := etcd.PKI(dir.PKI()).Authority()
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(tenantRequest(id))
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	caPEM, err := os.ReadFile(dir.PublicCA())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(caPEM)
	a := &asker{
		url: fmt.Sprintf("https://127.0.0.1:%d/clusters/%s/authenticate", cfg.HookPort, id),
		client: &http.Client{Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
			MaxIdleConnsPerHost: authClients,
		}},
	}
	for i := range authTokens {
		token := s.tokenAt(ctx, "auth", time.Now().Add(-time.Duration(i)*time.Second))
		review := fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":%q}}`, token)
		a.bodies = append(a.bodies, []byte(review))
	}
	return a, nil
}

func (a *asker) ask(ctx context.Context) error {
	body := a.bodies[int(a.next.Add(1))%len(a.bodies)]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !bytes.Contains(b, []byte(`"authenticated":true`)) {
		return fmt.Errorf("a good token was refused: %s: %s", resp.Status, b)
	}
	return nil
}

// paced asks at a fixed rate. A request that comes late because others were slow counts from when it was due.
func (a *asker) paced(ctx context.Context) ([]time.Duration, error) {
	n := int(authRate * authDuration.Seconds())
	latencies := make([]time.Duration, n)
	errs := make(chan error, 1)
	gap := time.Second / authRate
	started := time.Now()
	var i atomic.Int64
	var wg sync.WaitGroup
	for range authClients {
		wg.Go(func() {
			for {
				k := int(i.Add(1)) - 1
				if k >= n {
					return
				}
				due := started.Add(time.Duration(k) * gap)
				time.Sleep(time.Until(due))
				if err := a.ask(ctx); err != nil {
					select {
					case errs <- err:
					default:
					}
					return
				}
				latencies[k] = time.Since(due)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
		return latencies, nil
	}
}

// flood asks without a pause.
func (a *asker) flood(ctx context.Context) (int64, time.Duration, error) {
	started := time.Now()
	var count atomic.Int64
	errs := make(chan error, authClients)
	var wg sync.WaitGroup
	for range authClients {
		wg.Go(func() {
			for time.Since(started) < authDuration {
				if err := a.ask(ctx); err != nil {
					errs <- err
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(started)
	select {
	case err := <-errs:
		return 0, 0, err
	default:
		return count.Load(), took, nil
	}
}

// cpuSeconds is the processor time that a process has used (utime and stime of proc(5), in ticks of 10 ms).
func cpuSeconds(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// tenantRequest asks for a certificate like the one that the cluster's kube-apiserver shows.
func tenantRequest(clusterID string) pki.Request {
	return pki.Request{CommonName: etcd.TenantUser(clusterID), Client: true, Validity: time.Hour}
}
