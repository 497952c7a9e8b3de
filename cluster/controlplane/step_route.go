package controlplane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// routeStep keeps the cluster's route at the gate.
type routeStep struct {
	store   store.Store
	applied func(ctx context.Context, rev store.Revision) error
	state   func(ctx context.Context, clusterID string) (gate.RouteState, error)
}

// begin writes the route where there is none, so that the gate is listening by the time that kube-apiserver is, and keeps its
// list of who may connect. While a next generation is on its way, connections go where they went; if it was given up after they
// had gone to it, they come back.
func (s routeStep) begin(ctx context.Context, p *pass) error {
	backends, leaving := backendsOf(p.plane.Value.Active), []string(nil)
	if item, err := gate.Routes(s.store).Get(ctx, p.cluster.ID); err == nil {
		switch now := item.Value; {
		case p.plane.Value.Next != nil, slices.Equal(now.Backends, backends):
			backends, leaving = now.Backends, now.Leaving
		default:
			leaving = now.Backends
		}
	}
	return s.set(ctx, p, backends, leaving...)
}

// set makes the route what the records say, with these backends, and with those whose connections are to end.
func (s routeStep) set(ctx context.Context, p *pass, backends []string, leaving ...string) error {
	want := gate.Route{
		ClusterID:  p.cluster.ID,
		Port:       p.plane.Value.Port,
		Backends:   backends,
		Leaving:    leaving,
		AllowCIDRs: publicCIDRs(p.cluster.Spec),

		VPCID:         p.cluster.Spec.VPCID,
		SecurityGroup: p.cluster.Spec.ClusterSecurityGroup,
	}
	routes := gate.Routes(s.store)
	item, err := routes.Get(ctx, p.cluster.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		item, err = routes.Create(ctx, p.cluster.ID, want)
	case isCorrupt(err):
		// It follows from our own record: write it anew.
		item, err = routes.Put(ctx, store.Item[gate.Route]{ID: p.cluster.ID, Value: want, Revision: store.AnyRevision})
	case err == nil && !sameRoute(item.Value, want):
		item.Value = want
		item, err = routes.Put(ctx, item)
	}
	if err != nil {
		return fmt.Errorf("writing route: %w", err)
	}
	p.routed = item.Revision
	return nil
}

func backendsOf(g Generation) []string { return []string{loopback(g.Ports.APIServer)} }

// obeyed waits until the gate follows the route, and tells what came of it.
func (s routeStep) obeyed(ctx context.Context, p *pass) (gate.RouteState, error) {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	if err := s.applied(ctx, p.routed); err != nil {
		return gate.RouteState{}, fmt.Errorf("waiting for the gate: %w", err)
	}
	return s.state(ctx, p.cluster.ID)
}

// drainLimit is how long the gate may take to close the connections of backends that are about to end. Those that are left then,
// with requests that take longer, see kube-apiserver end them itself.
const drainLimit = 4 * time.Second

// drained waits until no connection goes to the leaving backends any more.
func (s routeStep) drained(ctx context.Context, p *pass) error {
	item, err := gate.Routes(s.store).Get(ctx, p.cluster.ID)
	if err != nil || len(item.Value.Leaving) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	_ = poll(ctx, "the connections of the last generation to end", func(ctx context.Context) error {
		state, err := s.state(ctx, p.cluster.ID)
		if err != nil {
			return err
		}
		for _, addr := range item.Value.Leaving {
			if state.Open[addr] > 0 {
				return errConnected
			}
		}
		return nil
	})
	return nil
}

var errConnected = errors.New("there are connections still")

func sameRoute(a, b gate.Route) bool {
	return a.Port == b.Port && slices.Equal(a.Backends, b.Backends) && slices.Equal(a.Leaving, b.Leaving) && slices.Equal(a.AllowCIDRs, b.AllowCIDRs) &&
		a.VPCID == b.VPCID && a.SecurityGroup == b.SecurityGroup
}

// publicCIDRs are the networks that may connect to the endpoint from outside of the VPC: none when it is private.
func publicCIDRs(spec eks.ClusterSpec) []string {
	if !spec.EndpointPublicAccess {
		return nil
	}
	return spec.PublicAccessCIDRs
}

// removeRouteStep takes the route away and waits until the gate has closed the port.
type removeRouteStep struct {
	store   store.Store
	applied func(ctx context.Context, rev store.Revision) error
}

func (s removeRouteStep) do(ctx context.Context, p *pass) error {
	rev, err := s.store.Commit(ctx, store.Delete(gate.Routes(s.store).Key(p.cluster.ID), store.AnyRevision))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing route: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	return s.applied(ctx, rev)
}
