package vpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"minato.dev/minato/internal/home"
)

// adminSocket is where the process that keeps VPCs answers, to root alone.
func adminSocket(h home.Dir) string { return h.Run("vpc.sock") }

// ServeAdmin answers on a socket in the run folder until ctx ends: GET /readyz is 200 once all VPCs have been looked at.
func ServeAdmin(ctx context.Context, h home.Dir, c *Controller) error {
	if err := h.MakeRun(); err != nil {
		return err
	}
	if err := os.Remove(adminSocket(h)); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", adminSocket(h))
	if err != nil {
		return err
	}
	if err := os.Chmod(adminSocket(h), 0o600); err != nil {
		_ = l.Close()
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-c.Ready():
			fmt.Fprintln(w, "ok")
		default:
			http.Error(w, "the records have not been read from the store yet", http.StatusServiceUnavailable)
		}
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("vpc: serving %s: %w", adminSocket(h), err)
	}
	return nil
}

// Ready asks the process that keeps a home's VPCs whether it has looked at all of them.
func Ready(ctx context.Context, h home.Dir) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", adminSocket(h))
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vpc/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the VPCs' process answers %s", resp.Status)
	}
	return nil
}
