package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/kube"
)

// change is one kind of change to a cluster's spec. apply makes it and gives the update's parameters; an error means that the
// change is not possible, or changes nothing.
type change struct {
	kind  string // the update's type: "LoggingUpdate"
	apply func(context.Context, minato.Scope, *ClusterSpec) ([]UpdateParam, error)
	// announced is the record that announced the update; nil where none did.
	announced *store.Item[Update]
}

// UpdateClusterConfig begins one change of a cluster: the new spec, the status UPDATING and the update that records it are
// written together. The same request with the same token gives the same update again.
func (s *Service) UpdateClusterConfig(ctx context.Context, c Caller, r UpdateClusterConfigRequest) (Update, error) {
	var update Update
	_, err := s.modify(ctx, c, "eks:UpdateClusterConfig", r.Name, func(cluster *Cluster) (ops []store.Op, err error) {
		update, ops, err = s.beginUpdate(ctx, cluster, r.ClientRequestToken, hashOf(r), func() (change, error) { return s.chooseChange(r) })
		return ops, withCluster(err, r.Name)
	}, updateConditions(r))
	if err != nil {
		return Update{}, err
	}
	return update, nil
}

// beginUpdate makes the change that choose gives, unless a request of this token and hash has done so before.
func (s *Service) beginUpdate(ctx context.Context, cluster *Cluster, token, hash string, choose func() (change, error)) (Update, []store.Op, error) {
	if before, err := s.updatedBefore(ctx, cluster, token, hash); err != nil || before != nil {
		if before != nil {
			return *before, nil, errUnchanged
		}
		return Update{}, nil, err
	}
	chosen, err := choose()
	if err != nil {
		return Update{}, nil, err
	}
	switch cluster.Status.Status {
	case ClusterUpdating:
		return Update{}, nil, errUpdating(chosen.kind, cluster)
	case ClusterActive:
	default:
		return Update{}, nil, minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", cluster.Name)
	}
	before := cluster.Spec // the changes replace its slices and never write into them
	params, err := chosen.apply(ctx, cluster.Scope, &cluster.Spec)
	if err != nil {
		return Update{}, nil, err
	}
	cluster.Spec.Generation++
	update := s.newUpdate(cluster, chosen.kind, params)
	update.Before = &before
	update.ClientRequestToken, update.RequestHash = token, hash
	ops := []store.Op{s.recordUpdate(cluster, &update, chosen.announced)}
	if before.AuthenticationMode == modeConfigMap && cluster.Spec.AuthenticationMode != modeConfigMap {
		entry, err := s.creatorEntry(ctx, cluster)
		if err != nil {
			return Update{}, nil, err
		}
		ops = append(ops, entry...)
	}
	return update, ops, cluster.Transition(ClusterUpdating, ByAPI)
}

// recordUpdate writes a new update, in the place of the one that announced it.
func (s *Service) recordUpdate(cluster *Cluster, update *Update, announced *store.Item[Update]) store.Op {
	if announced == nil {
		return Updates(s.Store).CreateOp(UpdatesOf(cluster)+update.ID, *update)
	}
	begun := update.CreatedAt
	update.ID, update.CreatedAt, update.BegunAt = announced.Value.ID, announced.Value.CreatedAt, &begun
	return Updates(s.Store).UpdateOp(store.Item[Update]{ID: announced.ID, Value: *update, Revision: announced.Revision})
}

// chooseChange is the one change that a request asks for. EKS takes one kind of change in a call.
func (s *Service) chooseChange(r UpdateClusterConfigRequest) (change, error) {
	var asked []change
	if r.Logging != nil {
		asked = append(asked, changeLogging(r.Logging))
	}
	if r.AuthenticationMode != nil {
		asked = append(asked, changeAuthenticationMode(*r.AuthenticationMode))
	}
	if r.SupportType != nil {
		asked = append(asked, s.changeSupportType(*r.SupportType))
	}
	if r.DeletionProtection != nil {
		asked = append(asked, changeDeletionProtection(*r.DeletionProtection))
	}
	if v := r.VPC; v != nil {
		if err := checkEgressMode(v.ControlPlaneEgressMode); err != nil {
			return change{}, err
		}
		if v.EndpointPublicAccess != nil || v.EndpointPrivateAccess != nil || v.PublicAccessCIDRs != nil {
			asked = append(asked, s.changeEndpointAccess(*v))
		}
		if v.SubnetIDs != nil || v.SecurityGroupIDs != nil {
			asked = append(asked, s.changeVPC(*v))
		}
	}
	if r.RemoteNetworks != nil {
		asked = append(asked, s.changeRemoteNetworks(*r.RemoteNetworks))
	}
	if _, err := checkOther(r.Other); err != nil {
		return change{}, err
	}
	switch len(asked) {
	case 0:
		if len(r.Other) > 0 || r.VPC != nil {
			return change{}, minato.Errorf(minato.Invalid, "No changes needed for the configuration provided")
		}
		return change{}, minato.Errorf(minato.Invalid, "The type for cluster update was not provided.")
	case 1:
		return asked[0], nil
	}
	return change{}, minato.Errorf(minato.Invalid, "Only one type of update can be allowed. This request has %d: %s and %s", len(asked), asked[0].kind, asked[1].kind)
}

func changeLogging(setups []LogSetup) change {
	return change{kind: "LoggingUpdate", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		types, err := applyLogging(spec.LoggingTypes, setups)
		if err != nil {
			return nil, err
		}
		if slices.Equal(types, spec.LoggingTypes) {
			return nil, minato.Errorf(minato.Invalid, "No changes needed for the logging config provided")
		}
		spec.LoggingTypes = types
		return []UpdateParam{{"ClusterLogging", wire(map[string]any{"clusterLogging": setups})}}, nil
	}}
}

func changeAuthenticationMode(mode string) change {
	return change{kind: "AccessConfigUpdate", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		if !slices.Contains(authenticationModes, mode) {
			return nil, unknownMode(mode)
		}
		from := slices.Index(authenticationModes, spec.AuthenticationMode)
		if to := slices.Index(authenticationModes, mode); to != from+1 {
			return nil, minato.Errorf(minato.Invalid, "Unsupported authentication mode update from %s to %s", spec.AuthenticationMode, mode)
		}
		spec.AuthenticationMode = mode
		return []UpdateParam{{"AuthenticationMode", wire(mode)}}, nil
	}}
}

func (s *Service) changeSupportType(supportType string) change {
	return change{kind: "UpgradePolicyUpdate", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		if spec.SupportType == supportType {
			return nil, minato.Errorf(minato.Invalid, "No changes needed for the upgrade policy provided")
		}
		if v, _ := kube.Lookup(spec.Version); v.SupportAt(s.Now()) != kube.StandardSupport {
			return nil, minato.Errorf(minato.Invalid, "The upgrade policy can be changed only while the cluster's Kubernetes version is in standard support: %s is not", spec.Version)
		}
		spec.SupportType = supportType
		return []UpdateParam{{"UpgradePolicy", wire(map[string]string{"supportType": supportType})}}, checkSpec(*spec)
	}}
}

func changeDeletionProtection(on bool) change {
	return change{kind: "DeletionProtectionUpdate", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		if spec.DeletionProtection == on {
			return nil, minato.Errorf(minato.Invalid, "No changes needed for the deletion protection provided")
		}
		spec.DeletionProtection = on
		return []UpdateParam{{"DeletionProtection", wire(on)}}, nil
	}}
}

func (s *Service) changeEndpointAccess(v VPCRequest) change {
	return change{kind: "EndpointAccessUpdate", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		before := *spec
		spec.EndpointPublicAccess = orDefault(v.EndpointPublicAccess, spec.EndpointPublicAccess)
		spec.EndpointPrivateAccess = orDefault(v.EndpointPrivateAccess, spec.EndpointPrivateAccess)
		if v.PublicAccessCIDRs != nil {
			spec.PublicAccessCIDRs = v.PublicAccessCIDRs
		}
		if len(spec.PublicAccessCIDRs) == 0 {
			spec.PublicAccessCIDRs = []string{"0.0.0.0/0"}
		}
		if err := s.checkEndpointAccess(*spec); err != nil {
			return nil, err
		}
		if err := checkSpec(*spec); err != nil {
			return nil, err
		}
		if spec.EndpointPublicAccess == before.EndpointPublicAccess && spec.EndpointPrivateAccess == before.EndpointPrivateAccess &&
			slices.Equal(spec.PublicAccessCIDRs, before.PublicAccessCIDRs) {
			return nil, minato.Errorf(minato.Invalid, "Cluster is already at the desired configuration with endpointPrivateAccess: %t , endpointPublicAccess: %t, and Public Endpoint Restrictions: %v",
				spec.EndpointPrivateAccess, spec.EndpointPublicAccess, spec.PublicAccessCIDRs)
		}
		return []UpdateParam{
			{"EndpointPublicAccess", fmt.Sprint(spec.EndpointPublicAccess)},
			{"EndpointPrivateAccess", fmt.Sprint(spec.EndpointPrivateAccess)},
			{"PublicAccessCidrs", wire(spec.PublicAccessCIDRs)},
		}, nil
	}}
}

func (s *Service) changeVPC(v VPCRequest) change {
	return change{kind: VPCConfigUpdate, apply: func(ctx context.Context, scope minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		var params []UpdateParam
		if v.SubnetIDs != nil && !slices.Equal(v.SubnetIDs, spec.SubnetIDs) {
			vpcID, zones, err := s.checkSubnets(ctx, scope, v.SubnetIDs)
			if err != nil {
				return nil, err
			}
			if vpcID != spec.VPCID {
				return nil, minato.Errorf(minato.Invalid, "Subnets specified must be in %s, the VPC of the cluster, not in %s", spec.VPCID, vpcID)
			}
			if len(spec.Zones) > 0 && !slices.Equal(zones, spec.Zones) {
				return nil, minato.Errorf(minato.Invalid, "Provided subnets belong to the AZs '%s'. But they should belong to the exact set of AZs '%s' in which subnets were provided during cluster creation.",
					strings.Join(zones, ","), strings.Join(spec.Zones, ","))
			}
			spec.SubnetIDs = v.SubnetIDs
			params = append(params, UpdateParam{"Subnets", wire(v.SubnetIDs)})
		}
		if v.SecurityGroupIDs != nil && !slices.Equal(v.SecurityGroupIDs, spec.SecurityGroupIDs) {
			if err := s.checkSecurityGroups(ctx, scope, spec.VPCID, v.SecurityGroupIDs); err != nil {
				return nil, err
			}
			spec.SecurityGroupIDs = v.SecurityGroupIDs
			params = append(params, UpdateParam{"SecurityGroups", wire(v.SecurityGroupIDs)})
		}
		if params == nil {
			return nil, minato.Errorf(minato.Invalid, "No changes needed for the subnets and security groups provided")
		}
		return params, nil
	}}
}

// wire is a value as it stands in an update's parameters: JSON.
func wire(v any) string {
	b, _ := json.Marshal(v) // strings, bools and lists and maps of them
	return string(b)
}
