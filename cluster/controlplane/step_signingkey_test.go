package controlplane

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSigningKeyChanges: everybody knows the next key before it signs, and the old one goes on verifying until its tokens are over.
func TestSigningKeyChanges(t *testing.T) {
	t.Parallel()
	h := newHarbour(t)
	id := h.active("prod")
	first := h.plane(id)
	signs := func() []byte {
		b, err := os.ReadFile(newRunDir(h.home, first.ClusterID).pki("sa.key"))
		must(t, err)
		return b
	}
	private := signs()
	pass := func(after time.Duration, generation, keys int) ControlPlane {
		t.Helper()
		h.deps.Clock.SetOffset(h.deps.Clock.Offset() + after)
		h.pass(id)
		plane := h.plane(id)
		if plane.Active.Number != generation || len(plane.VerifyingKeys()) != keys || plane.Next != nil {
			t.Fatalf("generation %d (next %v), %d keys; want generation %d, %d keys", plane.Active.Number, plane.Next, len(plane.VerifyingKeys()), generation, keys)
		}
		public, err := os.ReadFile(newRunDir(h.home, plane.ClusterID).pki("sa.pub"))
		must(t, err)
		if n := bytes.Count(public, []byte("BEGIN PUBLIC KEY")); n != keys {
			t.Errorf("kube-apiserver verifies with %d keys, want %d", n, keys)
		}
		return plane
	}
	pass(6*24*time.Hour, 1, 1)
	announced := pass(25*time.Hour, 2, 2)
	if !bytes.Equal(signs(), private) {
		t.Error("the next key signs before everybody knows it")
	}
	pass(time.Minute, 2, 2)
	h.restart() // a new server goes on where the last one was
	changed := pass(2*time.Minute, 3, 2)
	if changed.SigningKeys[0].KeyID != announced.NextSigningKey.KeyID || changed.SigningKeys[1].KeyID != first.SigningKeys[0].KeyID || bytes.Equal(signs(), private) {
		t.Errorf("keys %+v, want the announced one to sign", changed.SigningKeys)
	}
	pass(time.Hour, 3, 2)

	records := Records(h.store)
	item, err := records.Get(t.Context(), first.ClusterID)
	must(t, err)
	item.Value.SigningKeys[1].Retired = time.Now().Add(-keyStays - time.Hour)
	_, err = h.store.Commit(t.Context(), records.UpdateOp(item))
	must(t, err)
	pass(8*24*time.Hour, 4, 3)
	if last := pass(3*time.Minute, 5, 2); last.SigningKeys[1].KeyID != changed.SigningKeys[0].KeyID {
		t.Errorf("keys %+v, want the oldest to be gone", last.SigningKeys)
	}
}

// testSigningKey changes the signing key of a real cluster under a client with a token of the old one.
func (w *world) testSigningKey(t *testing.T, id string) {
	w.signsSince(t, id, w.clock.Now())
	before := w.planeOf(t, id)
	old := w.serviceAccountToken(t, id)
	ctx, stop := context.WithCancel(t.Context())
	refused := make(chan error, 1)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			err = w.asServiceAccount(t, id, old)
		}
		refused <- err
	}()
	for _, after := range []time.Duration{8 * 24 * time.Hour, 5 * time.Minute} {
		w.clock.SetOffset(w.clock.Offset() + after)
		w.pass(t, id)
	}
	after, fresh := w.planeOf(t, id), w.serviceAccountToken(t, id)
	if after.Active.Number != before.Active.Number+2 || !hasKey(t, old, before.SigningKeys[0]) || !hasKey(t, fresh, after.SigningKeys[0]) ||
		after.SigningKeys[0].KeyID == before.SigningKeys[0].KeyID {
		t.Errorf("generation %d, key %s; want generation %d and tokens of a new key", after.Active.Number, after.SigningKeys[0].KeyID, before.Active.Number+2)
	}
	must(t, w.asServiceAccount(t, id, fresh))
	must(t, w.asServiceAccount(t, id, old))
	stop()
	if err := <-refused; err != nil {
		t.Errorf("the old token meanwhile: %v", err)
	}
	w.clock.SetOffset(0)
}

// signsSince has the first signing key of a cluster sign since then.
func (w *world) signsSince(t *testing.T, id string, since time.Time) {
	t.Helper()
	item, err := Records(w.store).Get(t.Context(), w.cluster(t, id).ID)
	must(t, err)
	item.Value.SigningKeys[0].Since = since
	_, err = w.store.Commit(t.Context(), Records(w.store).UpdateOp(item))
	must(t, err)
}

func (w *world) planeOf(t *testing.T, id string) ControlPlane {
	t.Helper()
	item, err := Records(w.store).Get(t.Context(), w.cluster(t, id).ID)
	must(t, err)
	return item.Value
}

func (w *world) serviceAccountToken(t *testing.T, id string) string {
	t.Helper()
	answer, err := w.client(t, id).Do(t.Context(), http.MethodPost, "/api/v1/namespaces/default/serviceaccounts/default/token", doc{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": doc{},
	})
	must(t, err)
	var token struct{ Status struct{ Token string } }
	must(t, json.Unmarshal(answer, &token))
	return token.Status.Token
}

// asServiceAccount is nil if the token is good. What gets no answer is asked again, as client-go does.
func (w *world) asServiceAccount(t *testing.T, id, token string) error {
	c := w.cluster(t, id)
	client := anonymousClient(t, c)
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Status.Endpoint+"/api", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil && t.Context().Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode == http.StatusOK {
			return err
		}
		return errors.New(resp.Status)
	}
}

// hasKey is whether a token says that a key signed it.
func hasKey(t *testing.T, token string, key SigningKey) bool {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	must(t, err)
	return bytes.Contains(b, []byte(key.KeyID))
}
