package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// Settings are the server's own, the same for every cluster. All but Advertise stand in arguments or in files that are read
// once, so that changing them means a new generation of every control plane.
type Settings struct {
	Advertise     []string // names and addresses that clients may use, the first of them in endpoints and issuers
	TLSPort       int      // where issuers are served
	HookPort      int      // of the webhooks, on loopback
	EtcdEndpoints []string
	// VPCs is whether there are real ones, through which kube-apiservers reach nodes, pods, webhooks and aggregated APIs.
	VPCs bool
}

// plan is everything that the arguments and the configuration files of one generation follow from. It is made from records
// and settings only, so that the same records give the same arguments after a restart.
type plan struct {
	ClusterID   string
	ClusterName string
	Version     kube.Version
	Binary      string
	UID         uint32
	Generation  int
	Ports       Ports
	ServiceCIDR string
	Issuer      string
	Keys        []EncryptionKey
	// SigningKeys are the ids of the keys of ServiceAccount tokens, nil for a cluster that has its first.
	SigningKeys []string
	// OIDC is the identity provider beside IAM, nil for none. kube-apiserver takes it up while it runs.
	OIDC     *eks.IdentityProvider
	Settings Settings
	Dir      runDir
	LogDir   string
}

// apiServerAddress is what kube-apiserver advertises, and where pods find it behind the kubernetes Service. kube-apiserver
// would refuse a loopback address. It is in the certificate from the first day.
var apiServerAddress = gate.VPCAddress

// apiAudience is the audience of ServiceAccount tokens meant for the Kubernetes API, the same as on EKS. The audience of STS
// must not be here: a token made for AWS would open the cluster too.
const apiAudience = "https://kubernetes.default.svc"

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// spec is what the three processes have in common.
func (p plan) spec(component string, args, env []string) supervisor.Spec {
	return supervisor.Spec{
		Name:  processName(p.ClusterID, component, p.Generation),
		Path:  p.Binary,
		Args:  append([]string{component}, args...),
		Env:   env,
		UID:   p.UID,
		Log:   filepath.Join(p.LogDir, component+".log"),
		Group: p.ClusterID,
	}
}

// serviceIP is the first address of the Service network, which the kubernetes Service gets.
func (p plan) serviceIP() (net.IP, error) {
	prefix, err := netip.ParsePrefix(p.ServiceCIDR)
	if err != nil {
		return nil, fmt.Errorf("service network %q: %w", p.ServiceCIDR, err)
	}
	return net.IP(prefix.Masked().Addr().Next().AsSlice()), nil
}

// fingerprint is over everything that only a new generation can change: programs, arguments, environments and the files read
// once. What belongs to a generation itself, its number and ports, is left out, and so is the identity provider.
func (p plan) fingerprint() string {
	p.Generation, p.Ports, p.OIDC = 0, Ports{}, nil
	content := struct {
		Patch string
		Specs []supervisor.Spec
		Files []file
		Keys  []string `json:",omitempty"`
	}{p.Version.Patch, []supervisor.Spec{p.apiServer(), p.controllerManager(), p.scheduler()}, p.configFiles(), p.SigningKeys}
	b, err := json.Marshal(content)
	if err != nil {
		panic("controlplane: fingerprint: " + err.Error()) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
