package controlplane

import (
	"context"
	"errors"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// networkStep gives the control plane its network interfaces in the cluster's subnets, or moves them to others.
type networkStep struct {
	store  store.Store
	ensure func(ctx context.Context, c *eks.Cluster) error
}

// networkCodes are EKS's codes for what EC2 refuses, by EC2's: that of a health issue, and that of an update's error.
var networkCodes = map[string]struct{ issue, update string }{
	"InvalidSubnetID.NotFound":          {"Ec2SubnetNotFound", "SubnetNotFound"},
	"InvalidGroup.NotFound":             {"Ec2SecurityGroupNotFound", "SecurityGroupNotFound"},
	"InsufficientFreeAddressesInSubnet": {"InsufficientFreeAddresses", "IpNotAvailable"},
}

func (s networkStep) do(ctx context.Context, p *pass) error {
	err := s.ensure(ctx, &p.cluster)
	refused, ok := errors.AsType[*minato.Error](err)
	if !ok {
		return err
	}
	codes, known := networkCodes[refused.Reason]
	if !known {
		return err
	}
	update, lookErr := eks.RunningUpdate(ctx, s.store, &p.cluster, eks.VPCConfigUpdate)
	if lookErr != nil {
		return lookErr
	}
	if !p.neverActive() && update == nil {
		return nil // it goes on with those that it has, if any; its health tells what is missing
	}
	return &problem{reason: "NoInterfaces", code: codes.issue, updateCode: codes.update, message: err.Error(), fatal: true, err: err}
}

// removeNetworkStep removes those interfaces.
type removeNetworkStep struct {
	remove func(ctx context.Context, c *eks.Cluster) error
}

func (s removeNetworkStep) do(ctx context.Context, p *pass) error { return s.remove(ctx, &p.cluster) }
