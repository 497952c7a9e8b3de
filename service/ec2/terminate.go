package ec2

import (
	"context"
	"errors"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// terminatedFor is how long a terminated instance can still be described; AWS says "usually within an hour".
const terminatedFor = time.Hour

// Reasons of state changes that EC2 has words for (EC2 API reference, StateReason).
var (
	reasonUserShutdown = InstanceReason{Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown"}
)

// TerminateOps moves instances to shutting-down: the ops that do it, none for those that are on their way already or gone. A
// commit that fails with store.ErrConflict met another change: ask again. The reason's time is set here.
func (s *Service) TerminateOps(ctx context.Context, scope minato.Scope, ids []string, reason InstanceReason) ([]store.Op, error) {
	var ops []store.Op
	for _, id := range ids {
		item, ok, err := get(ctx, s.instances(), scope, id)
		if err != nil {
			return nil, err
		}
		if !ok || item.Value.Ended() {
			continue
		}
		s.moveTo(&item.Value, InstanceShuttingDown, reason)
		ops = append(ops, s.instances().UpdateOp(item))
	}
	return ops, nil
}

// Ended is whether the instance has been told to go, or is gone.
func (i Instance) Ended() bool {
	return i.State == InstanceShuttingDown || i.State == InstanceTerminated
}

func (s *Service) moveTo(i *Instance, state InstanceState, reason InstanceReason) {
	reason.At = s.Now().UTC()
	i.State, i.Reason = state, &reason
}

// Running says that a pending instance has come up. One in another state stays in it.
func (s *Service) Running(ctx context.Context, scope minato.Scope, id string) error {
	return s.commit(ctx, func() ([]store.Op, error) {
		item, ok, err := get(ctx, s.instances(), scope, id)
		if err != nil || !ok || item.Value.State != InstancePending {
			return nil, err
		}
		item.Value.State = InstanceRunning
		return []store.Op{s.instances().UpdateOp(item)}, nil
	})
}

// Terminated says that nothing is left of an instance, and gives back its interface and addresses. A reason with a code takes
// the place of the one that it was told to go with. The record stays for an hour, as on AWS.
func (s *Service) Terminated(ctx context.Context, scope minato.Scope, id string, reason InstanceReason) error {
	err := s.commit(ctx, func() ([]store.Op, error) {
		item, ok, err := get(ctx, s.instances(), scope, id)
		if err != nil || !ok || item.Value.State == InstanceTerminated {
			return nil, err
		}
		ops, err := s.giveInterface(ctx, scope, item.Value.InterfaceID)
		if err != nil {
			return nil, err
		}
		if reason.Code == "" && item.Value.Reason != nil {
			reason = *item.Value.Reason
		}
		s.moveTo(&item.Value, InstanceTerminated, reason)
		return append(ops, s.instances().UpdateOp(item)), nil
	})
	if err != nil {
		return err
	}
	now := s.Now()
	if last, ok := s.forgot.Load(scope); ok && now.Sub(last.(time.Time)) < forgetEvery {
		return nil
	}
	s.forgot.Store(scope, now)
	return s.forget(ctx, scope)
}

// forgetEvery is how often records are looked for that nobody sees any more.
const forgetEvery = time.Minute

// giveInterface removes a network interface and gives its addresses back to the subnet.
func (s *Service) giveInterface(ctx context.Context, scope minato.Scope, id string) ([]store.Op, error) {
	nic, ok, err := get(ctx, s.interfaces(), scope, id)
	if err != nil || !ok {
		return nil, err
	}
	ops := []store.Op{s.interfaces().DeleteOp(nic)}
	subnet, ok, err := get(ctx, s.subnets(), scope, nic.Value.SubnetID)
	if err != nil || !ok {
		return ops, err
	}
	subnet.Value.give(nic.Value.Addresses)
	return append(ops, s.subnets().UpdateOp(subnet)), nil
}

// forgotten is whether a terminated instance is no longer shown.
func (s *Service) forgotten(i Instance) bool {
	return i.State == InstanceTerminated && i.Reason != nil && s.Now().Sub(i.Reason.At) > terminatedFor
}

// forget removes the records of instances that are no longer shown.
func (s *Service) forget(ctx context.Context, scope minato.Scope) error {
	page, err := s.instances().List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return readError(s.instances().Prefix(), err)
	}
	for _, item := range page.Items {
		if !s.forgotten(item.Value) {
			continue
		}
		if err := s.instances().Delete(ctx, item.ID, item.Revision); ignoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// ignoreNotFound forgives that somebody else has just removed it.
func ignoreNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
