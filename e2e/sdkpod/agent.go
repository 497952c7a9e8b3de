package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const kubernetesToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// question is one to the agent of the pod's node: as an SDK asks, but for what it says otherwise.
type question struct {
	method, url, host string
	token             string // or the name of one: own, forged, unsigned, kubernetes
}

func readQuestion(q url.Values) question {
	return question{method: q.Get("method"), url: q.Get("url"), host: q.Get("host"), token: cmp.Or(q.Get("token"), "own")}
}

// askAgent answers GET /ask: the status and the body that the agent gives.
func askAgent(ctx context.Context, q question) (string, error) {
	status, body, err := q.ask(ctx)
	return fmt.Sprint(status, " ", body), err
}

func (q question) ask(ctx context.Context) (status int, body string, err error) {
	own, err := os.ReadFile(os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
	if err != nil {
		return 0, "", err
	}
	kubernetes, err := os.ReadFile(kubernetesToken)
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(q.method, http.MethodGet), cmp.Or(q.url, os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")), nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = q.host
	head, rest, _ := strings.Cut(string(own), ".")
	claims, _, _ := strings.Cut(rest, ".")
	token := q.token
	switch name, salt, _ := strings.Cut(token, " "); name {
	case "own":
		token = string(own)
	case "forged":
		token = head + "." + claims + "." + base64.RawURLEncoding.EncodeToString([]byte("forged "+salt))
	case "unsigned":
		token = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + claims + ".e30"
	case "kubernetes":
		token = string(kubernetes)
	case "none":
		token = ""
	}
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(b), err
}

// flood answers GET /flood: it asks n times, some at once, and says how often which status came, 0 for none. Without a token it is garbage of
// all kinds.
func flood(ctx context.Context, q url.Values) (string, error) {
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil {
		return "", err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	next := make(chan int)
	for range 16 {
		all.Go(func() {
			for i := range next {
				ask := readQuestion(q)
				if !q.Has("token") {
					ask = garbage(i)
				}
				status, _, err := ask.ask(ctx)
				for failed := 0; err != nil && failed < 3; failed++ { // a connection may break on a busy machine
					status, _, err = ask.ask(ctx)
				}
				mu.Lock()
				counts[status]++
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return summary(counts), nil
}

// burst answers POST /burst: it shows all the tokens of the body to the agent at once, each as often as it is told, and says how often which
// status came. Who gets no answer asks again.
func burst(r *http.Request) (string, error) {
	var tokens []string
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&tokens); err != nil {
		return "", err
	}
	each, err := strconv.Atoi(r.URL.Query().Get("each"))
	if err != nil {
		return "", err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	for _, token := range tokens {
		for range each {
			all.Go(func() {
				ask := question{token: token}
				status, _, err := ask.ask(r.Context())
				for err != nil && r.Context().Err() == nil {
					status, _, err = ask.ask(r.Context())
				}
				mu.Lock()
				defer mu.Unlock()
				counts[status]++
			})
		}
	}
	all.Wait()
	return summary(counts), nil
}

// summary says how often which status came.
func summary(counts map[int]int) string {
	var out []string
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d: %d", status, counts[status]))
	}
	return strings.Join(out, ", ")
}

// garbage is what nobody gets credentials for.
func garbage(i int) question {
	kinds := []question{
		{token: "none"}, {token: "nonsense " + strings.Repeat("x", 4000)}, {token: "kubernetes"}, {token: fmt.Sprint("forged ", i)}, {token: "unsigned"},
		{token: "own", host: "agent.example"}, {token: "own", url: "http://169.254.170.23/latest/meta-data"}, {token: "own", method: http.MethodPost},
	}
	return kinds[i%len(kinds)]
}
