package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"minato.dev/minato/engine/store"
)

// endpointStep waits until the cluster answers at its endpoint, as clients reach it.
type endpointStep struct {
	routes    routeStep
	records   *store.Collection[ControlPlane]
	store     store.Store
	freePorts func(ctx context.Context, n int) ([]int, func(), error)
}

func (s endpointStep) do(ctx context.Context, p *pass) error {
	state, err := s.routes.obeyed(ctx, p)
	for range claimAttempts {
		// Nobody knows the port of a cluster that has never been ACTIVE: another will do.
		if err != nil || state.Listening || !p.neverActive() {
			break
		}
		if err = s.anotherPort(ctx, p); err != nil {
			return err
		}
		state, err = s.routes.obeyed(ctx, p)
	}
	if err != nil {
		return err
	}
	if !state.Listening {
		return problemf("PortTaken", issueUnreachable,
			"another program has port %d of the cluster's endpoint (%s); stop it, and the endpoint comes back by itself", p.plane.Value.Port, state.Error)
	}
	if !allowsLoopback(publicCIDRs(p.cluster.Spec)) {
		return nil // the gate does not let us in either: that it listens, and that kube-apiserver is ready, must do
	}
	api, err := newAPI(p, loopback(p.plane.Value.Port))
	if err != nil {
		return err
	}
	defer api.Close()
	return poll(ctx, "the endpoint to answer", api.ready)
}

// anotherPort moves the endpoint to another port.
func (s endpointStep) anotherPort(ctx context.Context, p *pass) error {
	free, release, err := s.freePorts(ctx, 1)
	if err != nil {
		return err
	}
	defer release()
	old := p.plane.Value.Port
	p.plane.Value.Port = free[0]
	ops := append(releasePorts(s.store, old), claimPorts(s.store, p.cluster.ID, free[0])...)
	rev, err := s.store.Commit(ctx, append(ops, s.records.UpdateOp(p.plane))...)
	if err != nil {
		return fmt.Errorf("moving the endpoint from port %d, which another program has: %w", old, err)
	}
	p.plane.Revision = rev
	return s.routes.begin(ctx, p)
}

func allowsLoopback(cidrs []string) bool {
	for _, c := range cidrs {
		if prefix, err := netip.ParsePrefix(c); err == nil && prefix.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
			return true
		}
	}
	return false
}

// endpointURL is the endpoint as clients are told it.
func endpointURL(s Settings, port int) string {
	return "https://" + net.JoinHostPort(s.Advertise[0], strconv.Itoa(port))
}
