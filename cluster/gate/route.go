package gate

import "minato.dev/minato/engine/store"

// RoutesPrefix is where the routes lie, one record for each cluster that has an endpoint.
const RoutesPrefix = "/minato/routes/" // + cluster id

// Route gives a cluster its endpoint port. The control plane's reconciler writes it, the gate and the VPCs follow it.
type Route struct {
	ClusterID string `json:"clusterId"`
	// Port is listened on at every address of the gate. It does not change while the cluster lives.
	Port int `json:"port"`
	// Backends are the host:port addresses of the ready kube-apiservers. New connections go to them in turn; open ones stay
	// with the backend that they began with. With none, connections wait a little for one to appear.
	Backends []string `json:"backends,omitempty"`
	// Leaving are backends that are about to end. Their connections are closed as soon as no request is under way on them.
	Leaving []string `json:"leaving,omitempty"`
	// AllowCIDRs are the client networks that may connect (publicAccessCidrs), such as 0.0.0.0/0. None lets nobody in.
	AllowCIDRs []string `json:"allowCidrs,omitempty"`
	// VPCID is the VPC that has the endpoint inside as well, at VPCAddress and the same port. Who is in there may connect.
	VPCID string `json:"vpcId,omitempty"`
	// SecurityGroup is the one that the control plane is a member of when it connects to anything in the VPC.
	SecurityGroup string `json:"securityGroup,omitempty"`
}

// Routes is the collection of routes; a record's id is the cluster's id.
func Routes(s store.Store) *store.Collection[Route] {
	return store.NewCollection[Route](s, RoutesPrefix)
}
