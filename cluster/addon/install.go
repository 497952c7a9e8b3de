package addon

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"

	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/service/eks"
)

// manager is the field manager that add-ons are applied by, as on EKS.
const manager = "eks"

// render is the objects of a version of an add-on for a cluster, which has been ACTIVE.
func render(d Deps, cluster *eks.Cluster, a catalogue.Addon, v catalogue.Version, in catalogue.Install) ([]object, error) {
	endpoint, err := url.Parse(cluster.Status.Endpoint)
	if err != nil || endpoint.Port() == "" {
		return nil, fmt.Errorf("the endpoint %q of cluster %s has no port", cluster.Status.Endpoint, cluster.Name)
	}
	in.Server = "https://" + net.JoinHostPort(d.Address, endpoint.Port())
	in.API, in.ClusterName, in.Region = d.API, cluster.Name, string(cluster.Scope.Region)
	if len(d.APICA) > 0 {
		in.APICA = base64.StdEncoding.EncodeToString(d.APICA)
	}
	in.ServiceCIDR = cluster.Spec.ServiceIPv4CIDR
	rendered, err := a.Render(v, in)
	if err != nil {
		return nil, err
	}
	objects := make([]object, len(rendered))
	for i, o := range rendered {
		if objects[i], err = asObject(o); err != nil {
			return nil, err
		}
	}
	return objects, nil
}
