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
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
)

// askClients is how many ask at once in a flood that is to take all that the machine has.
const askClients = 32

// question is a review to send to a webhook, and what a right answer holds.
type question struct {
	body []byte
	want []byte
}

// asker puts questions to a webhook, in turn, as a kube-apiserver does.
type asker struct {
	client    *http.Client
	url       string
	questions []question
	prepare   func(r *http.Request, body []byte) error // signs a request; nil leaves it as it is
	next      atomic.Int64
}

// hookAsker puts questions to a webhook of ours, such as "authenticate", with the identity of a cluster.
func (s *server) hookAsker(clusterID, webhook string, questions []question) (*asker, error) {
	dir := home.Dir(s.home)
	cfg, err := dir.LoadConfig()
	if err != nil {
		return nil, err
	}
	ca, err := etcd.PKI(dir.PKI()).Authority()
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(tenantRequest(clusterID))
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("https://127.0.0.1:%d/clusters/%s/%s", cfg.HookPort, clusterID, webhook)
	return newAsker(url, dir.PublicCA(), questions, cert)
}

// newAsker puts questions to the webhook at a URL whose certificate a CA has signed.
func newAsker(url, caFile string, questions []question, client ...tls.Certificate) (*asker, error) {
	caPEM, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(caPEM)
	return &asker{url: url, questions: questions, client: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, Certificates: client},
		ForceAttemptHTTP2:   true, // kube-apiserver speaks it to every webhook that does
		MaxIdleConnsPerHost: askClients,
	}}}, nil
}

// tenantRequest asks for a certificate like the one that the cluster's kube-apiserver shows.
func tenantRequest(clusterID string) pki.Request {
	return pki.Request{CommonName: etcd.TenantUser(clusterID), Client: true, Validity: time.Hour}
}

// ask puts the next question and checks the answer, which it returns.
func (a *asker) ask(ctx context.Context) ([]byte, error) {
	q := a.questions[int(a.next.Add(1))%len(a.questions)]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.prepare != nil {
		if err := a.prepare(req, q.body); err != nil {
			return nil, err
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(b, q.want) {
		return nil, fmt.Errorf("want %s in the answer of %s, got %s: %s", q.want, a.url, resp.Status, b)
	}
	return b, nil
}

const (
	// inFlight is how many questions a paced run puts at once: fewer than the streams of one connection, so that a moment's
	// standstill does not become a storm of handshakes.
	inFlight = 128
	// timerSlack is how late time.Sleep wakes up, which is not the webhook's fault.
	timerSlack = time.Millisecond
)

// paced asks at a fixed rate. A question that comes late because answers did counts from when it was due.
func (a *asker) paced(ctx context.Context, rate int, d time.Duration) ([]time.Duration, error) {
	latencies := make([]time.Duration, int(float64(rate)*d.Seconds()))
	gap := time.Second / time.Duration(rate)
	started := time.Now()
	var group errgroup.Group
	group.SetLimit(inFlight)
	for i := range latencies {
		due := started.Add(time.Duration(i) * gap)
		time.Sleep(time.Until(due))
		begun := due.Add(min(time.Since(due), timerSlack))
		group.Go(func() error {
			_, err := a.ask(ctx)
			latencies[i] = time.Since(begun)
			return err
		})
	}
	return latencies, group.Wait()
}

// flood has clients ask without a pause, and returns how long that took too.
func (a *asker) flood(ctx context.Context, clients int, d time.Duration) ([]time.Duration, time.Duration, error) {
	perClient := make([][]time.Duration, clients)
	started := time.Now()
	var group errgroup.Group
	for i := range perClient {
		group.Go(func() error {
			for begun := started; begun.Sub(started) < d; {
				if _, err := a.ask(ctx); err != nil {
					return err
				}
				now := time.Now()
				perClient[i] = append(perClient[i], now.Sub(begun))
				begun = now
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(perClient...), time.Since(started), err
}

// cpuSeconds is the processor time that processes have used (utime and stime of proc(5), in ticks of 10 ms).
func cpuSeconds(pids ...int) (sum float64) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		sum += (user + system) / 100
	}
	return sum
}
