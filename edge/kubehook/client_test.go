package kubehook

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/pki"
)

func TestClientWaitsForRevisions(t *testing.T) {
	t.Parallel()
	w := start(t, letIn)
	client := func(name string) *Client {
		own := w.pair(w.ca, pki.Request{CommonName: name, Client: true})
		c := NewClient(w.addr, &tls.Config{RootCAs: w.ca.Pool(), Certificates: []tls.Certificate{own}})
		t.Cleanup(c.Close)
		return c
	}
	for name, tt := range map[string]struct {
		c    *Client
		rev  store.Revision
		want string // part of the error, empty for none
	}{
		"applied":             {client("root"), 10, ""},
		"to come":             {client("root"), 11, "have not applied revision 11"},
		"not Minato's own":    {client("k8s-" + cluster), 10, "403"},
		"nobody is listening": {NewClient("127.0.0.1:1", &tls.Config{}), 10, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if tt.want != "" {
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			err := tt.c.Applied(ctx, tt.rev)
			if (err == nil) != (tt.want == "") || err != nil && (!minato.Is(err, minato.Unavailable) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Applied = %v, want %q", err, tt.want)
			}
		})
	}
}
