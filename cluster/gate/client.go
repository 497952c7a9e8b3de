package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// maxAnswer bounds what is read of an answer: the states of some ten thousand routes.
const maxAnswer = 8 << 20

// Applied waits until the gate whose admin address is given has applied revision rev: from then on new connections go where
// the routes of that revision say. It asks on, also while the gate is restarting, until ctx ends.
func Applied(ctx context.Context, adminAddr string, rev store.Revision) error {
	for {
		code, body, err := get(ctx, adminAddr, fmt.Sprintf("/applied?revision=%d", rev))
		switch {
		case err == nil && code == http.StatusOK:
			return nil
		case err == nil && code == http.StatusBadRequest:
			return fmt.Errorf("asking the gate for revision %d: %s", rev, body)
		case err == nil:
			err = fmt.Errorf("%s", body)
		}
		if wait(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return minato.Errorf(minato.Unavailable, "the gate at %s has not applied revision %d: %w", adminAddr, rev, err)
		}
	}
}

// State asks the gate what it made of a cluster's route. The error is of kind NotFound when it has none, Unavailable when
// the gate does not answer.
func State(ctx context.Context, adminAddr, clusterID string) (RouteState, error) {
	return getJSON[RouteState](ctx, adminAddr, "/routes/"+url.PathEscape(clusterID))
}

// States asks the gate what it made of every route.
func States(ctx context.Context, adminAddr string) ([]RouteState, error) {
	return getJSON[[]RouteState](ctx, adminAddr, "/routes")
}

func getJSON[T any](ctx context.Context, adminAddr, path string) (answer T, err error) {
	code, body, err := get(ctx, adminAddr, path)
	switch {
	case err != nil:
		return answer, minato.Errorf(minato.Unavailable, "the gate at %s does not answer: %w", adminAddr, err)
	case code == http.StatusNotFound:
		return answer, minato.Errorf(minato.NotFound, "the gate has no route %s", path)
	case code != http.StatusOK:
		return answer, minato.Errorf(minato.Unavailable, "the gate at %s answers %d: %s", adminAddr, code, body)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("reading the gate's answer to %s: %w", path, err)
	}
	return answer, nil
}

// client is not http.DefaultClient, which would obey proxy settings of the environment even for loopback.
var client = &http.Client{Transport: &http.Transport{IdleConnTimeout: 30 * time.Second}}

func get(ctx context.Context, adminAddr, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+adminAddr+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, []byte(strings.TrimSpace(string(body))), err
}
