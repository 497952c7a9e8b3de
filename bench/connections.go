package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// disturbance is what clients saw while something happened to their cluster.
type disturbance struct {
	mu       sync.Mutex
	pauses   []time.Duration // the longest of each connection
	failed   int             // requests with an answer other than 2xx
	repeated int             // requests whose connection broke
}

// underLoad has watches and clients on a cluster, each with a connection of its own, while do happens.
func (s *server) underLoad(ctx context.Context, k *cluster, do func() error) (*disturbance, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d := &disturbance{}
	token := s.token(ctx, k.name)
	var clients, begun sync.WaitGroup
	for i := range upgradeWatches + upgradeClients {
		own, err := k.again()
		if err != nil {
			return nil, err
		}
		c := &connection{cluster: own, token: token, seen: d}
		begun.Add(1)
		clients.Go(func() {
			if i < upgradeWatches {
				c.watch(ctx, sync.OnceFunc(begun.Done))
			} else {
				c.ask(ctx, sync.OnceFunc(begun.Done))
			}
		})
	}
	begun.Wait()
	err := do()
	if err == nil {
		err = sleep(ctx, 2*time.Second) // what comes late belongs to it
	}
	stop()
	clients.Wait()
	return d, err
}

// connection is one client with a connection of its own.
type connection struct {
	cluster *cluster
	token   string
	seen    *disturbance
	longest time.Duration
}

func (c *connection) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cluster.endpoint+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	return c.cluster.client.Do(req)
}

func (c *connection) end() {
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	c.seen.pauses = append(c.seen.pauses, c.longest)
	c.cluster.client.CloseIdleConnections()
}

func (c *connection) count(what *int) {
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	*what++
}

// ask makes a request every 100 ms and repeats one whose connection broke. A pause is how long one took.
func (c *connection) ask(ctx context.Context, begun func()) {
	defer c.end()
	defer begun()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		for ctx.Err() == nil {
			resp, err := c.get(ctx, configMaps+"/object-1")
			if err != nil {
				c.count(&c.seen.repeated)
				_ = sleep(ctx, 10*time.Millisecond)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				c.count(&c.seen.failed)
			}
			c.longest = max(c.longest, time.Since(began))
			begun()
			break
		}
		<-tick.C
	}
}

// watch keeps a watch open, from where the last one ended. A pause is from its end until the next one is answered.
func (c *connection) watch(ctx context.Context, begun func()) {
	defer c.end()
	defer begun()
	version, ended := c.version(ctx), time.Time{}
	for ctx.Err() == nil {
		resp, err := c.get(ctx, fmt.Sprintf("%s?watch=1&resourceVersion=%s", configMaps, version))
		if err != nil {
			c.count(&c.seen.repeated)
			_ = sleep(ctx, 10*time.Millisecond)
			continue
		}
		if resp.StatusCode != http.StatusOK {
			c.count(&c.seen.failed)
		}
		if !ended.IsZero() {
			c.longest = max(c.longest, time.Since(ended))
		}
		begun()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			continue // nothing is written meanwhile
		}
		_ = resp.Body.Close()
		ended = time.Now()
	}
}

// version is where a watch begins.
func (c *connection) version(ctx context.Context) string {
	resp, err := c.get(ctx, configMaps+"?limit=1")
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	_ = json.NewDecoder(resp.Body).Decode(&list)
	return list.Metadata.ResourceVersion
}
