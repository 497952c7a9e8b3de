package oidc

import (
	"context"
	"crypto"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
)

// TestIssuerThatIsAway is asked once in ten seconds, whoever wants its keys; those that it has given are good for five minutes all the same.
func TestIssuerThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, away := 0, true
		f := &Fetcher{fetch: func(context.Context, string, []string) (map[string]crypto.PublicKey, error) {
			if asked++; away {
				return nil, unavailable("nobody is there")
			}
			return map[string]crypto.PublicKey{"k": "key"}, nil
		}}
		want := func(kind minato.Kind, id string, times int) {
			t.Helper()
			for range 100 {
				if _, err := f.Key(t.Context(), "https://issuer", nil, id); minato.KindOf(err) != kind {
					t.Fatalf("got %v, want an error of kind %q", err, kind)
				}
			}
			if asked != times {
				t.Errorf("it was asked %d times, want %d", asked, times)
			}
		}
		want(minato.Unavailable, "k", 1)
		time.Sleep(failureLasts)
		want(minato.Unavailable, "k", 2)
		away = false
		time.Sleep(failureLasts)
		want("", "k", 3)
		want(minato.NotFound, "forged", 3)
		away = true
		time.Sleep(keysAsked + time.Second)
		want(minato.Unavailable, "forged", 4)
		want("", "k", 4)
		time.Sleep(keysLast)
		want(minato.Unavailable, "k", 5)
	})
}
