package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/node/podagent"
)

const (
	agentTokens   = 1000
	agentRequests = 20000
)

// benchPodAgent asks the Pod Identity agent for credentials that it has, with a thousand tokens in turn, beside a plain net/http server
// that answers as many bytes. The agent's limit of a thousand a second is off.
func benchPodAgent(ctx context.Context, _ options) ([]Row, error) {
	handler := podagent.NewHandler(podagent.HandlerConfig{
		Hosts: []string{"127.0.0.1"}, Unlimited: true, Log: slog.New(slog.DiscardHandler),
		Assume: func(_ context.Context, token string) (podagent.Credentials, error) {
			return podagent.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "s", Token: token, Expiration: time.Now().Add(6 * time.Hour)}, nil
		},
	})
	tokens := make([]string, agentTokens)
	for i := range tokens {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"aud": []string{podAudience}, "sub": fmt.Sprintf("system:serviceaccount:dev:app-%d", i), "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString([]byte("bench"))
		if err != nil {
			return nil, err
		}
		tokens[i] = token
	}
	recorded := httptest.NewRecorder()
	first := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/v1/credentials", nil)
	first.Header.Set("Authorization", tokens[0])
	handler.ServeHTTP(recorded, first)
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(recorded.Body.Bytes())
	})
	theirs, theirRate, err := askAgent(ctx, plain, tokens)
	if err != nil {
		return nil, err
	}
	if _, _, err := askAgent(ctx, handler, tokens); err != nil { // so that all are kept
		return nil, err
	}
	ours, ourRate, err := askAgent(ctx, handler, tokens)
	if err != nil {
		return nil, err
	}
	return []Row{
		against("Pod Identity agent, cached, 1,000 tokens, beside a plain net/http server", ourRate, theirRate, "requests/s", ""),
		against("Pod Identity agent, cached, 1,000 tokens, p99, beside the same", percentile(ours, 99)*1000, percentile(theirs, 99)*1000, "ms", ""),
	}, nil
}

// askAgent asks with all tokens in turn, as many at once as in a flood: how long each took, and how many there were a second.
func askAgent(ctx context.Context, h http.Handler, tokens []string) (took []time.Duration, perSecond float64, err error) {
	server := httptest.NewServer(h)
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		return nil, 0, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: askClients}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for worker := range askClients {
		group.Go(func() error {
			var own []time.Duration
			for i := worker; i < agentRequests; i += askClients {
				began := time.Now()
				if err := askOnce(ctx, client, net.JoinHostPort(at.Hostname(), at.Port()), tokens[i%len(tokens)]); err != nil {
					return err
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			took = slices.Concat(took, own)
			return nil
		})
	}
	err = group.Wait()
	return took, float64(len(took)) / time.Since(begin).Seconds(), err
}

func askOnce(ctx context.Context, client *http.Client, addr, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v1/credentials", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", token)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}
