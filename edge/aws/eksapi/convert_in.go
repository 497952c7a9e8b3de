package eksapi

import (
	"encoding/json"
	"maps"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/edge/aws/restjson"
	"minato.dev/minato/service/eks"
)

// otherMembers are the members that CreateCluster and UpdateClusterConfig share and that the service takes as wire JSON.
var otherMembers = []string{
	"computeConfig", "controlPlaneScalingConfig", "kubeApiServerConfig", "kubeControllerManagerConfig", "kubeSchedulerConfig",
	"storageConfig", "zonalShiftConfig",
}

func createRequest(in *awseks.CreateClusterInput) eks.CreateClusterRequest {
	r := eks.CreateClusterRequest{
		Name:               value(in.Name),
		Version:            value(in.Version),
		RoleARN:            value(in.RoleArn),
		BootstrapAddons:    in.BootstrapSelfManagedAddons,
		Logging:            loggingIn(in.Logging),
		DeletionProtection: in.DeletionProtection,
		Tags:               in.Tags,
		RemoteNetworks:     remoteNetworksIn(in.RemoteNetworkConfig),
		Other:              restjson.MarshalMembers(schemas.CreateClusterRequest, in, append(otherMembers, "encryptionConfig", "outpostConfig")...),
		ClientRequestToken: value(in.ClientRequestToken),
	}
	if v := vpcIn(in.ResourcesVpcConfig); v != nil {
		r.VPC = *v
	}
	if a := in.AccessConfig; a != nil {
		r.AuthenticationMode = string(a.AuthenticationMode)
		r.BootstrapCreatorAdmin = a.BootstrapClusterCreatorAdminPermissions
	}
	if p := in.UpgradePolicy; p != nil {
		r.SupportType = string(p.SupportType)
	}
	if k := in.KubernetesNetworkConfig; k != nil {
		r.IPFamily = string(k.IpFamily)
		r.ServiceIPv4CIDR = value(k.ServiceIpv4Cidr)
		maps.Copy(r.Other, restjson.MarshalMembers(schemas.KubernetesNetworkConfigRequest, k, "elasticLoadBalancing"))
	}
	return r
}

func updateRequest(in *awseks.UpdateClusterConfigInput) eks.UpdateClusterConfigRequest {
	r := eks.UpdateClusterConfigRequest{
		Name:               value(in.Name),
		VPC:                vpcIn(in.ResourcesVpcConfig),
		Logging:            loggingIn(in.Logging),
		DeletionProtection: in.DeletionProtection,
		RemoteNetworks:     remoteNetworksIn(in.RemoteNetworkConfig),
		Other:              updateOther(in),
		ClientRequestToken: value(in.ClientRequestToken),
	}
	if a := in.AccessConfig; a != nil {
		r.AuthenticationMode = new(string(a.AuthenticationMode))
	}
	if p := in.UpgradePolicy; p != nil {
		r.SupportType = new(string(p.SupportType))
	}
	return r
}

func updateOther(in *awseks.UpdateClusterConfigInput) map[string]json.RawMessage {
	other := restjson.MarshalMembers(schemas.UpdateClusterConfigRequest, in, otherMembers...)
	maps.Copy(other, restjson.MarshalMembers(schemas.KubernetesNetworkConfigRequest, in.KubernetesNetworkConfig,
		"elasticLoadBalancing", "ipFamily", "serviceIpv4Cidr"))
	return other
}

func vpcIn(v *ekstypes.VpcConfigRequest) *eks.VPCRequest {
	if v == nil {
		return nil
	}
	return &eks.VPCRequest{
		SubnetIDs:              v.SubnetIds,
		SecurityGroupIDs:       v.SecurityGroupIds,
		EndpointPublicAccess:   v.EndpointPublicAccess,
		EndpointPrivateAccess:  v.EndpointPrivateAccess,
		PublicAccessCIDRs:      v.PublicAccessCidrs,
		ControlPlaneEgressMode: string(v.ControlPlaneEgressMode),
	}
}

// remoteNetworksIn has one list of CIDRs where the API has a list with at most one member that has a list.
func remoteNetworksIn(n *ekstypes.RemoteNetworkConfigRequest) *eks.RemoteNetworksRequest {
	if n == nil {
		return nil
	}
	r := &eks.RemoteNetworksRequest{}
	for _, nodes := range n.RemoteNodeNetworks {
		r.Nodes = append(r.Nodes, nodes.Cidrs...)
	}
	for _, pods := range n.RemotePodNetworks {
		r.Pods = append(r.Pods, pods.Cidrs...)
	}
	return r
}

// loggingIn keeps apart a logging member that is absent, nil, and one that names nothing.
func loggingIn(l *ekstypes.Logging) []eks.LogSetup {
	if l == nil {
		return nil
	}
	setups := []eks.LogSetup{}
	for _, setup := range l.ClusterLogging {
		types := []string{}
		for _, t := range setup.Types {
			types = append(types, string(t))
		}
		setups = append(setups, eks.LogSetup{Types: types, Enabled: value(setup.Enabled)})
	}
	return setups
}
