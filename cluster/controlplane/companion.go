package controlplane

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/pki"
)

// Companion is what a program needs that works in a cluster beside its control plane, as a user of the cluster.
type Companion struct {
	// UID is its user on this machine, which cannot read the control plane's keys; zero where Minato does not run as root.
	UID uint32
	// Address is the active kube-apiserver's own host:port. It is another one in the next generation.
	Address string
	CA      []byte // PEM, that signed kube-apiserver's certificate
	Pair    pki.Pair
}

// Companion makes the user of a program beside a cluster's control plane; what it may do there is up to RBAC. An error is of kind
// Unavailable when the cluster has no control plane.
func (c *Controller) Companion(ctx context.Context, clusterID, user string) (out Companion, err error) {
	item, err := c.planes.Get(ctx, clusterID)
	if err != nil {
		return out, minato.Errorf(minato.Unavailable, "the cluster has no control plane yet: %w", err)
	}
	keys, err := unsealKeys(c.deps.Sealer, item.Value)
	if err != nil {
		return out, err
	}
	ca, err := pki.LoadAuthority(keys.ClusterCA)
	if err != nil {
		return out, fmt.Errorf("loading cluster CA: %w", err)
	}
	out = Companion{Address: loopback(item.Value.Active.Ports.APIServer), CA: ca.Pair.CertPEM}
	if out.UID, err = c.companionUID(ctx, item.Value); err != nil {
		return out, err
	}
	out.Pair, err = ca.Issue(pki.Request{CommonName: user, Client: true, Validity: leafValidity})
	return out, err
}

// companionUID is the uid of all programs beside a control plane. It is claimed at first use and goes with the cluster.
func (c *Controller) companionUID(ctx context.Context, plane ControlPlane) (uint32, error) {
	if !c.deps.OwnUIDs {
		return 0, nil
	}
	claims := uidClaims(c.deps.Store)
	page, err := claims.List(ctx, "", "", 0)
	if err != nil {
		return 0, fmt.Errorf("reading claims: %w", err)
	}
	for _, item := range page.Items {
		uid, err := strconv.ParseUint(item.ID, 10, 32)
		if err == nil && item.Value.ClusterID == plane.ClusterID && uint32(uid) != plane.UID {
			return uint32(uid), nil
		}
	}
	for range claimAttempts {
		uid := uint32(firstUID + rand.N(lastUID-firstUID+1))
		_, err = claims.Create(ctx, strconv.FormatUint(uint64(uid), 10), claim{plane.ClusterID})
		if !errors.Is(err, store.ErrExists) {
			return uid, err
		}
	}
	return 0, fmt.Errorf("claiming a uid: %w", err)
}
