package eks

import (
	"context"
	"net/netip"
	"slices"

	"minato.dev/minato"
)

// RemoteNetworks is remoteNetworkConfig: where a cluster's hybrid nodes and their pods are. It marshals as in the records.
type RemoteNetworks struct {
	Nodes []netip.Prefix `json:"nodes,omitempty"`
	Pods  []netip.Prefix `json:"pods,omitempty"`
}

// RemoteNetworksRequest is remoteNetworkConfig as it is asked for.
type RemoteNetworksRequest struct{ Nodes, Pods []string }

// maxRemoteCIDRs is how many networks each list may have (EKS user guide, hybrid nodes).
const maxRemoteCIDRs = 15

// remoteRanges are where remote networks must lie (EKS user guide, "Prepare networking for hybrid nodes").
var remoteRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
}

// remoteNetworks checks the remote networks of a cluster; nil where none are asked for.
func (s *Service) remoteNetworks(ctx context.Context, scope minato.Scope, spec *ClusterSpec, r *RemoteNetworksRequest) (*RemoteNetworks, error) {
	if r == nil || len(r.Nodes)+len(r.Pods) == 0 {
		return nil, nil
	}
	if len(r.Nodes) == 0 {
		return nil, minato.Errorf(minato.Invalid, "remoteNodeNetworks must be given with remotePodNetworks")
	}
	if spec.AuthenticationMode == modeConfigMap {
		return nil, minato.Errorf(minato.Invalid, "remoteNetworkConfig needs the authentication mode API or API_AND_CONFIG_MAP")
	}
	taken, err := s.Network.CIDRs(ctx, scope, spec.VPCID)
	if err != nil {
		return nil, err
	}
	if service, err := netip.ParsePrefix(spec.ServiceIPv4CIDR); err == nil {
		taken = append(slices.Clone(taken), service)
	}
	out := &RemoteNetworks{}
	for _, list := range []struct {
		name string
		in   []string
		out  *[]netip.Prefix
	}{{"remoteNodeNetworks", r.Nodes, &out.Nodes}, {"remotePodNetworks", r.Pods, &out.Pods}} {
		if len(list.in) > maxRemoteCIDRs {
			return nil, minato.Errorf(minato.Invalid, "%s has %d CIDRs, at most %d are allowed", list.name, len(list.in), maxRemoteCIDRs)
		}
		for _, cidr := range list.in {
			p, err := netip.ParsePrefix(cidr)
			if err != nil || p != p.Masked() || !slices.ContainsFunc(remoteRanges, func(r netip.Prefix) bool { return r.Overlaps(p) && r.Bits() <= p.Bits() }) {
				return nil, minato.Errorf(minato.Invalid, "%s: %q is not an IPv4 network within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10", list.name, shorten(cidr))
			}
			if i := slices.IndexFunc(taken, p.Overlaps); i >= 0 {
				return nil, minato.Errorf(minato.Invalid, "%s: %s overlaps %s, which is of the VPC, of Services or another remote network", list.name, p, taken[i])
			}
			taken = append(taken, p)
			*list.out = append(*list.out, p)
		}
	}
	return out, nil
}

func (s *Service) changeRemoteNetworks(r RemoteNetworksRequest) change {
	return change{kind: "RemoteNetworkConfigUpdate", apply: func(ctx context.Context, scope minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		networks, err := s.remoteNetworks(ctx, scope, spec, &r)
		if err != nil {
			return nil, err
		}
		if wire(networks) == wire(spec.RemoteNetworks) {
			return nil, minato.Errorf(minato.Invalid, "No changes needed for the remote network config provided")
		}
		spec.RemoteNetworks = networks
		return []UpdateParam{{"RemoteNetworkConfig", wire(map[string]any{
			"remoteNodeNetworks": []any{map[string]any{"cidrs": r.Nodes}}, "remotePodNetworks": []any{map[string]any{"cidrs": r.Pods}},
		})}}, nil
	}}
}
