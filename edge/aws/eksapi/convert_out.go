package eksapi

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/restjson"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// clusterOut is a cluster as the API shows it. What AWS leaves absent must be absent: an empty object instead makes Terraform
// see a difference for ever.
func clusterOut(c *eks.Cluster) (*ekstypes.Cluster, error) {
	if c.Connector != nil {
		return connectedOut(c), nil
	}
	out := &ekstypes.Cluster{
		Name:               &c.Name,
		Arn:                new(c.ARN().String()),
		CreatedAt:          &c.CreatedAt,
		Version:            new(c.Serving()),
		RoleArn:            new(c.Spec.RoleARN.String()),
		Status:             ekstypes.ClusterStatus(c.Status.Status),
		ClientRequestToken: present(c.ClientRequestToken),
		Endpoint:           present(c.Status.Endpoint),
		PlatformVersion:    present(c.Status.PlatformVersion),
		Tags:               tagsOut(c.Tags),
		Health:             healthOut(c.Status.Health),
		Logging:            loggingOut(&c.Spec),
		ResourcesVpcConfig: vpcOut(&c.Spec),
		DeletionProtection: &c.Spec.DeletionProtection,
		AccessConfig:       &ekstypes.AccessConfigResponse{AuthenticationMode: ekstypes.AuthenticationMode(c.Spec.AuthenticationMode)},
		UpgradePolicy:      &ekstypes.UpgradePolicyResponse{SupportType: ekstypes.SupportType(c.Spec.SupportType)},
		KubernetesNetworkConfig: &ekstypes.KubernetesNetworkConfigResponse{
			IpFamily:             ekstypes.IpFamilyIpv4,
			ServiceIpv4Cidr:      &c.Spec.ServiceIPv4CIDR,
			ElasticLoadBalancing: &ekstypes.ElasticLoadBalancing{Enabled: new(false)},
		},
	}
	out.RemoteNetworkConfig = remoteNetworksOut(c.Spec.RemoteNetworks)
	if c.Status.CAData != "" {
		out.CertificateAuthority = &ekstypes.Certificate{Data: &c.Status.CAData}
	}
	if c.Status.Issuer != "" {
		out.Identity = &ekstypes.Identity{Oidc: &ekstypes.OIDC{Issuer: &c.Status.Issuer}}
	}
	return out, echo(c.Spec.Echoed, out)
}

// connectedOut is a cluster that runs elsewhere. There is no activation in it: see docs/adr/0013-connected-clusters.md.
func connectedOut(c *eks.Cluster) *ekstypes.Cluster {
	out := &ekstypes.Cluster{
		Name: &c.Name, Arn: new(c.ARN().String()), CreatedAt: &c.CreatedAt, Status: ekstypes.ClusterStatus(c.Status.Status), Tags: tagsOut(c.Tags),
		ClientRequestToken: present(c.ClientRequestToken),
		ConnectorConfig:    &ekstypes.ConnectorConfigResponse{Provider: &c.Connector.Provider, RoleArn: new(c.Connector.RoleARN.String())},
	}
	if c.Status.Issuer != "" {
		out.Identity = &ekstypes.Identity{Oidc: &ekstypes.OIDC{Issuer: &c.Status.Issuer}}
	}
	return out
}

// echo puts members that are kept as wire JSON into the cluster.
func echo(members map[string]json.RawMessage, out *ekstypes.Cluster) error {
	if len(members) == 0 {
		return nil
	}
	object, err := json.Marshal(members)
	if err == nil {
		err = restjson.Unmarshal(schemas.Cluster, object, out)
	}
	if err != nil {
		return minato.Errorf(minato.Internal, "the record of cluster %s echoes what it should not: %w", *out.Name, err)
	}
	return nil
}

func vpcOut(s *eks.ClusterSpec) *ekstypes.VpcConfigResponse {
	return &ekstypes.VpcConfigResponse{
		SubnetIds:              s.SubnetIDs,
		SecurityGroupIds:       append([]string{}, s.SecurityGroupIDs...),
		ClusterSecurityGroupId: present(s.ClusterSecurityGroup),
		VpcId:                  &s.VPCID,
		EndpointPublicAccess:   s.EndpointPublicAccess,
		EndpointPrivateAccess:  s.EndpointPrivateAccess,
		PublicAccessCidrs:      s.PublicAccessCIDRs,
		ControlPlaneEgressMode: ekstypes.ControlPlaneEgressModeTypeAwsManaged,
	}
}

func remoteNetworksOut(n *eks.RemoteNetworks) *ekstypes.RemoteNetworkConfigResponse {
	if n == nil {
		return nil
	}
	texts := func(networks []netip.Prefix) (out []string) {
		for _, p := range networks {
			out = append(out, p.String())
		}
		return out
	}
	out := &ekstypes.RemoteNetworkConfigResponse{RemoteNodeNetworks: []ekstypes.RemoteNodeNetwork{{Cidrs: texts(n.Nodes)}}}
	if len(n.Pods) > 0 {
		out.RemotePodNetworks = []ekstypes.RemotePodNetwork{{Cidrs: texts(n.Pods)}}
	}
	return out
}

// loggingOut has one setup for the types that are on and one for those that are off, without empty ones.
func loggingOut(s *eks.ClusterSpec) *ekstypes.Logging {
	l := &ekstypes.Logging{ClusterLogging: []ekstypes.LogSetup{}}
	add := func(types []string, enabled bool) {
		if len(types) == 0 {
			return
		}
		setup := ekstypes.LogSetup{Enabled: &enabled}
		for _, t := range types {
			setup.Types = append(setup.Types, ekstypes.LogType(t))
		}
		l.ClusterLogging = append(l.ClusterLogging, setup)
	}
	add(s.LoggingTypes, true)
	add(s.LoggingOff(), false)
	return l
}

func healthOut(issues []eks.HealthIssue) *ekstypes.ClusterHealth {
	h := &ekstypes.ClusterHealth{Issues: []ekstypes.ClusterIssue{}}
	for _, i := range issues {
		h.Issues = append(h.Issues, ekstypes.ClusterIssue{
			Code: ekstypes.ClusterIssueCode(i.Code), Message: &i.Message, ResourceIds: append([]string{}, i.ResourceIDs...),
		})
	}
	return h
}

func tagsOut(tags minato.Tags) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}

func updateOut(u *eks.Update) *ekstypes.Update {
	out := &ekstypes.Update{
		Id: &u.ID, Status: ekstypes.UpdateStatus(u.Status), Type: ekstypes.UpdateType(u.Type), CreatedAt: &u.CreatedAt,
		Params: []ekstypes.UpdateParam{}, Errors: []ekstypes.ErrorDetail{},
	}
	for _, p := range u.Params {
		out.Params = append(out.Params, ekstypes.UpdateParam{Type: ekstypes.UpdateParamType(p.Type), Value: &p.Value})
	}
	for _, e := range u.Errors {
		out.Errors = append(out.Errors, ekstypes.ErrorDetail{
			ErrorCode: ekstypes.ErrorCode(e.Code), ErrorMessage: &e.Message, ResourceIds: append([]string{}, e.ResourceIDs...),
		})
	}
	return out
}

// versionOut shows the support state in both of its members in capitals, as the real service does although the model of the
// older one has small letters: eksctl compares it with "UNSUPPORTED".
func versionOut(v eks.VersionInfo) ekstypes.ClusterVersionInformation {
	return ekstypes.ClusterVersionInformation{
		ClusterVersion:           &v.Minor,
		ClusterType:              new("eks"),
		DefaultVersion:           v.IsDefault,
		DefaultPlatformVersion:   new(v.PlatformVersion()),
		KubernetesPatchVersion:   new(strings.TrimPrefix(v.Patch, "v")),
		ReleaseDate:              day(v.Released),
		EndOfStandardSupportDate: day(v.EndOfStandardSupport),
		EndOfExtendedSupportDate: day(v.EndOfExtendedSupport),
		Status:                   ekstypes.ClusterVersionStatus(v.Support),
		VersionStatus:            ekstypes.VersionStatus(v.Support),
	}
}

// day is absent where EKS has published no date.
func day(d kube.Date) *time.Time {
	if d.IsZero() {
		return nil
	}
	return &d.Time
}
