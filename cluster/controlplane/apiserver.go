package controlplane

import (
	"path/filepath"
	"strconv"
	"strings"

	"minato.dev/minato/engine/supervisor"
)

const (
	apiServerComponent         = "kube-apiserver"
	controllerManagerComponent = "kube-controller-manager"
	schedulerComponent         = "kube-scheduler"
)

// AuditLog is the file in a cluster's LogDir that its kube-apiservers write audit events to, one a line.
const AuditLog = "audit.log"

// neverRotate is an audit file size, in MiB, that is never reached: kube-apiserver would rotate by renaming, which cannot be
// done to a descriptor. The supervisor rotates by copy and truncate.
const neverRotate = 1 << 30

// neverCompact is as good as never: Minato compacts, as this cluster's etcd role reaches its own prefix only. With 0, kube-apiserver
// would not look how far history has been compacted either, and go on answering pages of lists from before.
const neverCompact = "87600h"

// apiServer is the kube-apiserver of a generation.
func (p plan) apiServer() supervisor.Spec {
	args := []string{
		"--v=2",
		"--profiling=false",

		"--bind-address=127.0.0.1", // only the gate and the other two processes reach it
		"--secure-port=" + strconv.Itoa(p.Ports.APIServer),
		"--advertise-address=" + apiServerAddress.String(),
		// kube-apiserver would publish its private port, and take the address away whenever a generation ends.
		// Minato writes the endpoints of the kubernetes Service itself: see serviceEndpoints.
		"--endpoint-reconciler-type=none",
		// A watch would keep a kube-apiserver that ends for its next generation from ending, until it is killed.
		"--shutdown-watch-termination-grace-period=1s",
		"--tls-cert-file=" + p.Dir.pki("apiserver.crt"),
		"--tls-private-key-file=" + p.Dir.pki("apiserver.key"),

		"--etcd-servers=" + strings.Join(p.Settings.EtcdEndpoints, ","),
		"--etcd-prefix=" + EtcdPrefix(p.ClusterID),
		"--etcd-cafile=" + p.Dir.pki("etcd-ca.crt"),
		"--etcd-certfile=" + p.Dir.pki("tenant.crt"),
		"--etcd-keyfile=" + p.Dir.pki("tenant.key"),
		"--etcd-compaction-interval=" + neverCompact,
		"--encryption-provider-config=" + p.Dir.generation(p.Generation, "encryption.yaml"),

		"--client-ca-file=" + p.Dir.pki("ca.crt"),
		"--authentication-config=" + p.Dir.generation(p.Generation, authenticationFile),
		"--authentication-token-webhook-config-file=" + p.Dir.generation(p.Generation, "webhook.kubeconfig"),
		"--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=0s", // kube-apiserver keeps a good token for 10 s all the same
		"--authorization-config=" + p.Dir.generation(p.Generation, "authorization.yaml"),
		"--enable-admission-plugins=NodeRestriction",
		"--admission-control-config-file=" + p.Dir.generation(p.Generation, admissionFile),

		"--service-account-issuer=" + p.Issuer,
		"--service-account-jwks-uri=" + p.Issuer + "/keys",
		"--service-account-signing-key-file=" + p.Dir.pki("sa.key"),
		"--service-account-key-file=" + p.Dir.pki("sa.pub"),
		"--api-audiences=" + apiAudience,
		"--service-cluster-ip-range=" + p.ServiceCIDR,

		"--requestheader-client-ca-file=" + p.Dir.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + frontProxyName,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + p.Dir.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + p.Dir.pki("front-proxy-client.key"),
		"--enable-aggregator-routing=true",

		"--allow-privileged=true",
		"--kubelet-client-certificate=" + p.Dir.pki("kubelet-client.crt"),
		"--kubelet-client-key=" + p.Dir.pki("kubelet-client.key"),
		"--kubelet-certificate-authority=" + p.Dir.pki("ca.crt"), // kubelets have their serving certificates of the cluster's CA
		"--kubelet-preferred-address-types=InternalIP",

		"--audit-policy-file=" + p.Dir.generation(p.Generation, "audit.yaml"),
		"--audit-log-path=/proc/self/fd/3", // the first of the Spec's Streams
		"--audit-log-maxsize=" + strconv.Itoa(neverRotate),
		"--audit-log-maxbackup=0", // newer minors would look for old files to remove
		"--audit-log-maxage=0",
	}
	if p.Settings.VPCs {
		args = append(args, "--egress-selector-config-file="+p.Dir.generation(p.Generation, egressFile))
	}
	if len(p.Version.FeatureGates) > 0 {
		args = append(args, "--feature-gates="+strings.Join(p.Version.FeatureGates, ","))
	}
	spec := p.spec(apiServerComponent, args, append(memory(), "SSL_CERT_DIR="+p.Dir.trustedRoots()))
	spec.Streams = []string{filepath.Join(p.LogDir, AuditLog)}
	return spec
}

// EtcdPrefix is where a cluster's Kubernetes objects lie in etcd.
func EtcdPrefix(clusterID string) string { return "/k8s/" + clusterID }

// memory is the environment that makes a program collect garbage sooner than Go's default of 100 does. An idle kube-apiserver
// has some 85 MiB of live heap; this takes a tenth off its private memory, and costs a tenth more processor time while it
// starts. Lower values cost more than they bring.
func memory() []string { return []string{"GOGC=65"} }
