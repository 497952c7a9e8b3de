package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// retryAfter is how long get waits before it asks again.
const retryAfter = 200 * time.Millisecond

// get prints what is served at a URL. An answer that is not 2xx is printed and ends in a code of 1. Where nobody answers it tries
// again: a pod, its name and its Service come one after the other.
func get(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	timeout := flags.Duration("timeout", 30*time.Second, "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("get: %w\n%s", err, usage)
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("get: want one URL\n%s", usage)
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	resp, err := reach(ctx, flags.Arg(0))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	awaitListener(ctx, os.Stdin)
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", flags.Arg(0), resp.Status)
	}
	return nil
}

// reach asks until somebody answers. What is said when ctx ends is why nobody did before.
func reach(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	var failed error
	for {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			return resp, nil
		}
		if ctx.Err() == nil || failed == nil {
			failed = err
		}
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
			return nil, failed
		}
		select {
		case <-ctx.Done():
			return nil, failed
		case <-time.After(retryAfter):
		}
	}
}
