package controlplane

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/seal"
)

// Uids come from far above those of people, services and container runtimes' user namespaces.
const (
	firstUID = 1_000_000_000
	lastUID  = 2_000_000_000
)

// claimAttempts bounds how often another uid or other ports are tried: with the ranges that they come from, several attempts
// in a row that meet something taken mean that something else is wrong.
const claimAttempts = 10

// recordStep makes the control plane's private record: keys, issuer, uid, ports. Nothing runs before it is written.
type recordStep struct {
	records           *store.Collection[ControlPlane]
	store             store.Store
	sealer            *seal.Sealer
	settings          Settings
	clock             *clock.Clock
	ownUIDs           bool
	freePorts         func(ctx context.Context, n int) ([]int, func(), error)
	serviceAccountKey func() (*rsa.PrivateKey, error)
}

func (s recordStep) do(ctx context.Context, p *pass) error {
	item, err := s.records.Get(ctx, p.cluster.ID)
	if errors.Is(err, store.ErrNotFound) {
		if !p.neverActive() {
			return &problem{reason: "RecordLost", code: issueInternal, message: "the cluster's keys are not in the store any more"}
		}
		item, err = s.create(ctx, p)
	}
	if err != nil {
		return err
	}
	keys, err := unsealKeys(s.sealer, item.Value)
	if err != nil {
		return &problem{reason: "RecordCorrupt", code: issueInternal, message: err.Error(), fatal: true, err: err}
	}
	p.plane, p.keys = item, keys
	return nil
}

func (s recordStep) create(ctx context.Context, p *pass) (item store.Item[ControlPlane], err error) {
	serviceAccount, err := s.serviceAccountKey()
	if err != nil {
		return item, fmt.Errorf("making service account key: %w", err)
	}
	keys, signing, err := newKeys(serviceAccount, s.clock.Now())
	if err != nil {
		return item, err
	}
	sealed, err := sealKeys(s.sealer, p.cluster.ID, keys)
	if err != nil {
		return item, err
	}
	cp := ControlPlane{
		ClusterID:   p.cluster.ID,
		Cluster:     p.item.ID,
		Issuer:      issuer(s.settings, p.cluster.ID),
		SigningKeys: []SigningKey{signing},
		Sealed:      sealed,
	}
	for range claimAttempts {
		item, err = s.claim(ctx, cp)
		if !errors.Is(err, store.ErrExists) {
			return item, err
		}
	}
	return item, err
}

// claim gives the record a uid and ports that nobody else has, and writes it with them. The error wraps store.ErrExists when
// somebody else was faster.
func (s recordStep) claim(ctx context.Context, cp ControlPlane) (item store.Item[ControlPlane], err error) {
	free, release, err := s.freePorts(ctx, 4)
	if err != nil {
		return item, err
	}
	defer release()
	cp.Port = free[0]
	cp.Active = Generation{Number: 1, Ports: Ports{APIServer: free[1], ControllerManager: free[2], Scheduler: free[3]}}
	ops := claimPorts(s.store, cp.ClusterID, free...)
	if s.ownUIDs {
		cp.UID = uint32(firstUID + rand.N(lastUID-firstUID+1))
		ops = append(ops, uidClaims(s.store).CreateOp(strconv.FormatUint(uint64(cp.UID), 10), claim{cp.ClusterID}))
	}
	rev, err := s.store.Commit(ctx, append(ops, s.records.CreateOp(cp.ClusterID, cp))...)
	if err != nil {
		return item, fmt.Errorf("claiming uid and ports: %w", err)
	}
	return store.Item[ControlPlane]{ID: cp.ClusterID, Value: cp, Created: rev, Revision: rev}, nil
}

// issuer is the ServiceAccount token issuer of a new cluster.
func issuer(s Settings, clusterID string) string {
	return fmt.Sprintf("https://%s/id/%s", net.JoinHostPort(s.Advertise[0], strconv.Itoa(s.TLSPort)), clusterID)
}

func claimPorts(s store.Store, clusterID string, ports ...int) []store.Op {
	var ops []store.Op
	for _, port := range ports {
		ops = append(ops, portClaims(s).CreateOp(strconv.Itoa(port), claim{clusterID}))
	}
	return ops
}

func releasePorts(s store.Store, ports ...int) []store.Op {
	var ops []store.Op
	for _, port := range ports {
		ops = append(ops, store.Delete(portClaims(s).Key(strconv.Itoa(port)), store.AnyRevision))
	}
	return ops
}
