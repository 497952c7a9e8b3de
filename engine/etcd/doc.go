// Package etcd runs and administers the etcd that holds Minato's records and every control plane's objects.
//
// One etcd serves everybody. Who may touch what is decided by etcd itself, from the common name of the client's certificate:
//
//	root         everything: the server and its reconcilers
//	minato-hook  read /minato/: the webhooks
//	minato-gate  read /minato/routes/: the gate
//	minato-vpc   read routes and what EC2 has of networks: the VPCs
//	k8s-<id>     read and write /k8s/<id>/, read compact_rev_key: the kube-apiservers of one cluster, a tenant
//
// PKI makes the certificates, Serve is the etcd process, Connect reaches it, and Admin keeps users, roles, tenants,
// compaction and space in order. An etcd of the user's own takes the place of Serve when its files were given to PKI.Import.
//
// Tenants together may fill nine tenths of the quota of our own etcd; the rest is for records, so that a cluster which has
// filled etcd can be deleted. An etcd of the user's own knows no such share.
//
// kube-apiservers never compact, for the key they would coordinate by lies outside their prefix: Admin.Maintain compacts for all of
// them, and they read there how far.
package etcd

// Where things lie in etcd.
const (
	recordsPrefix = "/minato/"
	routesPrefix  = "/minato/routes/"
	ec2Prefix     = "/minato/ec2/"
	hybridPrefix  = "/minato/ssm/instances/"
	tenantsPrefix = "/k8s/"
	// compactRevKey is where kube-apiservers look for the revision that history was compacted to.
	compactRevKey = "compact_rev_key"
)

// TenantPrefix is what a tenant's keys begin with: the kube-apiserver's --etcd-prefix is this without the last slash.
func TenantPrefix(id string) string { return tenantsPrefix + id + "/" }

// TenantUser is a tenant's user in etcd and the common name of its certificate.
func TenantUser(id string) string { return "k8s-" + id }
