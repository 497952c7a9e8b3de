package kubehook

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/pki"
)

// minato is a Client with the certificate of a name.
func (w *world) minato(t *testing.T, name string) *Client {
	t.Helper()
	own := w.pair(w.ca, pki.Request{CommonName: name, Client: true})
	c := NewClient(w.addr, &tls.Config{RootCAs: w.ca.Pool(), Certificates: []tls.Certificate{own}})
	t.Cleanup(c.Close)
	return c
}

func TestClientWaitsForRevisions(t *testing.T) {
	t.Parallel()
	w := start(t, letIn)
	for name, tt := range map[string]struct {
		c    *Client
		rev  store.Revision
		want string // part of the error, empty for none
	}{
		"applied":             {w.minato(t, "root"), 10, ""},
		"to come":             {w.minato(t, "root"), 11, "have not applied revision 11"},
		"not Minato's own":    {w.minato(t, "k8s-"+cluster), 10, "403"},
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

func TestClientAsksForAWSAuth(t *testing.T) {
	t.Parallel()
	w := start(t, letIn)
	in, err := w.minato(t, "root").AWSAuth(t.Context(), cluster)
	if diff := cmp.Diff(inForce, in); err != nil || diff != "" {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
	for _, tt := range []struct{ name, id, want string }{{"root", "another", "has not been read yet"}, {"k8s-" + cluster, cluster, "403"}} {
		if _, err := w.minato(t, tt.name).AWSAuth(t.Context(), tt.id); !minato.Is(err, minato.Unavailable) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("asked by %s about %s: %v", tt.name, tt.id, err)
		}
	}
}
