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
)

// askClients is how many questions are under way at once.
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

// paced asks at a fixed rate. A question that comes late because others were slow counts from when it was due.
func (a *asker) paced(ctx context.Context, rate int, d time.Duration) ([]time.Duration, error) {
	n := int64(float64(rate) * d.Seconds())
	gap := time.Second / time.Duration(rate)
	started := time.Now()
	var i atomic.Int64
	return a.many(func() (time.Duration, bool, error) {
		k := i.Add(1) - 1
		if k >= n {
			return 0, false, nil
		}
		due := started.Add(time.Duration(k) * gap)
		time.Sleep(time.Until(due))
		_, err := a.ask(ctx)
		return time.Since(due), true, err
	})
}

// flood asks without a pause, and returns how long that took too.
func (a *asker) flood(ctx context.Context, d time.Duration) ([]time.Duration, time.Duration, error) {
	started := time.Now()
	latencies, err := a.many(func() (time.Duration, bool, error) {
		begun := time.Now()
		if begun.Sub(started) > d {
			return 0, false, nil
		}
		_, err := a.ask(ctx)
		return time.Since(begun), true, err
	})
	return latencies, time.Since(started), err
}

// many lets all clients ask until one says that there is no more, or one fails.
func (a *asker) many(one func() (latency time.Duration, more bool, err error)) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	for range askClients {
		wg.Go(func() {
			var own []time.Duration
			var err error
			for {
				latency, more, e := one()
				if err = e; err != nil || !more {
					break
				}
				own = append(own, latency)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			if failed == nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return all, failed
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
