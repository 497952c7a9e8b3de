package main

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/server/control"
)

const (
	authRate     = 2000 // reviews a second in a paced run
	authDuration = 10 * time.Second
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
	var questions []question
	for i := range authTokens {
		questions = append(questions, tokenReview(s.tokenAt(ctx, "auth", time.Now().Add(-time.Duration(i)*time.Second))))
	}
	asker, err := s.hookAsker(st.Clusters[0].ID, "authenticate", questions)
	if err != nil {
		return nil, err
	}
	latencies, err := asker.paced(ctx, authRate, authDuration)
	if err != nil {
		return nil, err
	}
	hook := hookPID(st)
	before := cpuSeconds(hook)
	flooded, took, err := asker.flood(ctx, askClients, authDuration)
	if err != nil {
		return nil, err
	}
	cpu, count := cpuSeconds(hook)-before, float64(len(flooded))
	return []Row{
		{Name: fmt.Sprintf("authentication at %d/s, p50", authRate), Minato: percentile(latencies, 50) * 1000, Unit: "ms"},
		{Name: fmt.Sprintf("authentication at %d/s, p99", authRate), Minato: percentile(latencies, 99) * 1000, Unit: "ms", Goal: "< 1"},
		{Name: "authentication, as fast as it goes", Minato: count / took.Seconds(), Unit: "1/s"},
		{Name: "authentication, per second of the hook's CPU time", Minato: count / cpu, Unit: "1/s", Goal: ">= 2000"},
	}, nil
}

// tokenReview asks about a good token.
func tokenReview(token string) question {
	return question{
		body: fmt.Appendf(nil, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":%q}}`, token),
		want: []byte(`"authenticated":true`),
	}
}

func hookPID(st control.Status) int {
	for _, p := range st.Processes {
		if p.Name == "hook" {
			return p.PID
		}
	}
	return 0
}
