package aws_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"minato.dev/minato/edge/aws"
	"minato.dev/minato/internal/sigv4"
)

// slowAPI reads its body and works for longer than the server's times are, as a copy of a large object does.
type slowAPI struct{ works time.Duration }

func (slowAPI) SigningName() string { return "slow" }
func (slowAPI) MaxBody() int64      { return 1 << 20 }

func (slowAPI) ResourcePath(r *http.Request) string { return r.URL.EscapedPath() }
func (a slowAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err == nil {
		select {
		case <-r.Context().Done():
			err = context.Cause(r.Context())
		case <-time.After(a.works):
		}
	}
	if err != nil {
		a.WriteError(w, r, err)
		return
	}
	_, _ = w.Write(append([]byte("done:"), b...))
}
func (slowAPI) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// TestStreamsOutlastTheServersTimes is that the times of a connection, which bound other requests, do not end a stream's work nor
// keep its answer back.
func TestStreamsOutlastTheServersTimes(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	server := httptest.NewUnstartedServer(aws.New(aws.Config{
		Region: "eu-west-1", Credentials: credentials, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		APIs: []aws.API{slowAPI{works: 3 * limit}},
	}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	t.Cleanup(server.Close)
	for _, body := range []string{"", "content", strings.Repeat("x", 100<<10)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		key := sigv4.Key{AccessKeyID: keyID, SecretAccessKey: secret}
		if err := sigv4.Sign(r, []byte(body), key, "eu-west-1", "slow", time.Now()); err != nil {
			t.Fatal(err)
		}
		resp, got := send(t, r)
		if resp.StatusCode != http.StatusOK || got != "done:"+body {
			t.Errorf("%d bytes: %s %.100q", len(body), resp.Status, got)
		}
	}
}
