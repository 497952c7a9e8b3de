package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/testclock"
)

// hookBallast is memory that is never touched, and so never there: the heap, of some 10 MB, may grow by as much more before it is
// collected. What a collection takes from the reviews that wait meanwhile, a few milliseconds on a small machine, is most of their p99.
const hookBallast = 32 << 20

// Hook answers the webhooks of a home's kube-apiservers until ctx ends.
func Hook(ctx context.Context, dir home.Dir) error {
	defer runtime.KeepAlive(make([]byte, hookBallast))
	cfg, err := dir.LoadConfig()
	if err != nil {
		return err
	}
	sealer, err := seal.Open(dir.SealKey())
	if err != nil {
		return err
	}
	s, closeStore, err := openStore(dir, cfg, etcd.Hook)
	if err != nil {
		return err
	}
	defer closeStore()
	log := logger("hook")

	clk := &clock.Clock{}
	clk.Begin(cfg.ClockOffset)
	clockView := testclock.Follow(s, clk)
	keyring := iam.NewKeyring(s, sealer, clk)
	clusterView, entryView := store.NewView(eks.Clusters(s)), store.NewView(eks.AccessEntries(s))
	associationView := store.NewView(eks.PodIdentityAssociations(s))
	policyView, profileView := store.NewView(eks.CustomPolicies(s)), store.NewView(eks.FargateProfiles(s))
	clusters, entries := access.NewClusters(clusterView), access.NewEntries(entryView)
	hosts, err := access.OwnHosts(cfg.Listen, cfg.TLSPort, cfg.AdvertiseAddress)
	if err != nil {
		return err
	}
	awsAuth := newAWSAuthFollower(dir, s, clusterView, clusters, log)
	instances := newInstanceNames(s)
	mappers := access.Mappers{entries.Mapper(instances.privateDNSName), access.CreatorAdmin, awsAuth.auths.Mapper(instances.privateDNSName)}
	server, err := hookServer(dir, cfg, log)
	if err != nil {
		return err
	}
	server.Authenticate = access.New(access.Config{
		Cluster: clusters.ByID, Credentials: keyring.Credentials, Hosts: hosts, Mappers: mappers,
	}).Authenticate
	server.Authorize = access.NewAuthorizer(access.AuthorizerConfig{
		Cluster: clusters.ByID, Entries: entries, Mappers: mappers, Policy: access.NewCustomPolicies(policyView, log).Lookup,
	}).Authorize
	server.AWSAuth = awsAuth.auths.Of
	server.Ready = func() error {
		return errors.Join(read(clusterView.Ready(), "clusters"), read(entryView.Ready(), "access entries"),
			read(policyView.Ready(), "access policies"), read(instances.view.Ready(), "instances"),
			read(profileView.Ready(), "Fargate profiles"), read(associationView.Ready(), "Pod Identity associations"), read(clockView.Ready(), "clock"), keyring.Ready())
	}
	server.WaitFor = func(ctx context.Context, rev store.Revision) error {
		return errors.Join(clusterView.WaitFor(ctx, rev), entryView.WaitFor(ctx, rev), policyView.WaitFor(ctx, rev),
			instances.view.WaitFor(ctx, rev), profileView.WaitFor(ctx, rev), associationView.WaitFor(ctx, rev), clockView.WaitFor(ctx, rev), keyring.WaitFor(ctx, rev))
	}
	identities := newIdentities(dir, cfg, clusters, associationView, awsAuth.planes)
	server.Associated, server.Annotations, server.PodSettings = identities.associated, identities.annotations, identities.settings
	server.Profiles = func(clusterID, namespace string, labels map[string]string) []string {
		return fargateProfiles(profileView, clusterID, namespace, labels)
	}
	return group(ctx, clockView.Run, clusterView.Run, entryView.Run, policyView.Run, instances.view.Run, profileView.Run, associationView.Run, keyring.Run, awsAuth.run, kubehook.New(server).Run)
}

// fargateProfiles are the names of the profiles of a cluster that are for a pod.
func fargateProfiles(profiles *store.View[eks.FargateProfile], clusterID, namespace string, labels map[string]string) (names []string) {
	for item := range profiles.All() { // by name
		p := &item.Value
		if p.ClusterID == clusterID && p.Status != eks.FargateDeleting && p.Status != eks.FargateCreateFailed && p.Matches(namespace, labels) {
			names = append(names, p.Name)
		}
	}
	return names
}

// read is nil once a view is ready, else says what is missing.
func read(ready <-chan struct{}, what string) error {
	select {
	case <-ready:
		return nil
	default:
		return errors.New("the " + what + " have not been read from the store yet")
	}
}

func hookServer(dir home.Dir, cfg home.Config, log *slog.Logger) (kubehook.Config, error) {
	ca, err := os.ReadFile(etcd.PKI(dir.PKI()).AuthorityFile())
	if err != nil {
		return kubehook.Config{}, err
	}
	clientCAs := x509.NewCertPool()
	if !clientCAs.AppendCertsFromPEM(ca) {
		return kubehook.Config{}, fmt.Errorf("the tenant CA of %s is not a certificate", dir)
	}
	return kubehook.Config{
		Addr: loopback(cfg.HookPort),
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(dir.Path("pki", "hook.crt"), dir.Path("pki", "hook.key"))
			return &cert, err
		},
		ClientCAs: clientCAs,
		Root:      string(etcd.Root),
		Log:       log,
	}, nil
}
