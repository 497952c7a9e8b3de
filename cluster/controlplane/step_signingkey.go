package controlplane

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// How ServiceAccount signing keys come and go. The first two are by Minato's clock, the last by real time, as tokens are.
const (
	// signsFor is how long a key signs, as on EKS.
	signsFor = 7 * 24 * time.Hour
	// keyLead is how long a key is published before it signs: longer than verifiers may keep what was published before.
	keyLead = 2 * time.Minute
	// keyStays is how long a key that signs no more verifies: kube-apiserver gives tokens that pods refresh a year, so that those who do not
	// refresh them go on.
	keyStays = 366 * 24 * time.Hour
)

// signingKeyStep changes the ServiceAccount signing key every week. It takes two generations, so that no kube-apiserver and no verifier
// meets a token of a key that it does not know: first all learn the next key, then it signs.
type signingKeyStep struct {
	records *store.Collection[ControlPlane]
	store   store.Store
	sealer  *seal.Sealer
	clock   *clock.Clock
	planFor func(p *pass, g Generation, v kube.Version) plan
	newKey  func() (*rsa.PrivateKey, error)
	log     *slog.Logger
}

func (s signingKeyStep) do(ctx context.Context, p *pass) error {
	plane := &p.plane.Value
	if p.cluster.Status.Status != eks.ClusterActive || plane.Next != nil || plane.Active.Fingerprint == "" {
		return nil
	}
	now := s.clock.Now()
	switch next := plane.NextSigningKey; {
	case next == nil && now.Sub(plane.SigningKeys[0].Since) >= signsFor:
		return s.announce(ctx, p, now)
	case next != nil && now.Sub(next.Since) >= keyLead && s.known(p):
		return s.promote(ctx, p, now)
	}
	return nil
}

// known is whether the active generation knows the next key.
func (s signingKeyStep) known(p *pass) bool {
	version, ok := kube.Lookup(p.cluster.Spec.Version)
	return ok && s.planFor(p, Generation{}, version).fingerprint() == p.plane.Value.Active.Fingerprint
}

// announce makes the next key, for everybody to know it.
func (s signingKeyStep) announce(ctx context.Context, p *pass, now time.Time) error {
	private, err := s.newKey()
	if err != nil {
		return fmt.Errorf("making service account key: %w", err)
	}
	public, err := newSigningKey(private.Public(), now)
	if err != nil {
		return err
	}
	keys, plane := p.keys, p.plane.Value
	if keys.NextServiceAccount, err = pki.EncodeKey(private); err != nil {
		return fmt.Errorf("encoding service account key: %w", err)
	}
	plane.NextSigningKey = &public
	s.log.InfoContext(ctx, "a new key will sign the tokens of ServiceAccounts", "cluster", p.cluster.Name, "kid", public.KeyID)
	return s.write(ctx, p, plane, keys)
}

// promote has the next key sign, and drops those whose tokens are all over.
func (s signingKeyStep) promote(ctx context.Context, p *pass, now time.Time) error {
	keys, plane, realNow := p.keys, p.plane.Value, time.Now()
	next := *plane.NextSigningKey
	next.Since = now
	old := slices.Clone(plane.SigningKeys)
	old[0].Retired = realNow
	old = slices.DeleteFunc(old, func(k SigningKey) bool { return realNow.Sub(k.Retired) > keyStays })
	plane.SigningKeys, plane.NextSigningKey = append([]SigningKey{next}, old...), nil
	keys.ServiceAccount, keys.NextServiceAccount = keys.NextServiceAccount, nil
	s.log.InfoContext(ctx, "the new key signs the tokens of ServiceAccounts", "cluster", p.cluster.Name, "kid", next.KeyID)
	return s.write(ctx, p, plane, keys)
}

func (s signingKeyStep) write(ctx context.Context, p *pass, plane ControlPlane, keys Keys) error {
	sealed, err := sealKeys(s.sealer, p.cluster.ID, keys)
	if err != nil {
		return err
	}
	plane.Sealed = sealed
	item := p.plane
	item.Value = plane
	rev, err := s.store.Commit(ctx, s.records.UpdateOp(item))
	if err != nil {
		return fmt.Errorf("writing signing keys: %w", err)
	}
	item.Revision = rev
	p.plane, p.keys = item, keys
	return nil
}

// VerifyingKeys are the public keys of all tokens that are good: those of SigningKeys, and the next one.
func (c *ControlPlane) VerifyingKeys() []SigningKey {
	if c.NextSigningKey == nil {
		return c.SigningKeys
	}
	return append(slices.Clone(c.SigningKeys), *c.NextSigningKey)
}

// keyIDs are what a kube-apiserver has read of the keys: that which signs, then the others. They are nil for the first key of a cluster.
func (c *ControlPlane) keyIDs() (ids []string) {
	if len(c.SigningKeys) == 1 && c.NextSigningKey == nil {
		return nil
	}
	for _, k := range c.VerifyingKeys() {
		ids = append(ids, k.KeyID)
	}
	return ids
}
