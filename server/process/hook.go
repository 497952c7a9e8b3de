package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

// Hook answers the webhooks of a home's kube-apiservers until ctx ends.
func Hook(ctx context.Context, dir home.Dir) error {
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
	clk.SetOffset(cfg.ClockOffset)
	keyring := iam.NewKeyring(s, sealer, clk)
	view := store.NewView(eks.Clusters(s))
	clusters := access.NewClusters(view)
	hosts, err := access.OwnHosts(cfg.Listen, cfg.TLSPort, cfg.AdvertiseAddress)
	if err != nil {
		return err
	}
	authenticator := access.New(access.Config{
		Cluster:     clusters.ByID,
		Credentials: keyring.Credentials,
		Hosts:       hosts,
		Mappers:     []access.Mapper{access.CreatorAdmin},
	})
	server, err := hookServer(dir, cfg, authenticator, log)
	if err != nil {
		return err
	}
	server.Ready = func() error {
		select {
		case <-view.Ready():
			return keyring.Ready()
		default:
			return errors.New("the clusters have not been read from the store yet")
		}
	}
	server.WaitFor = func(ctx context.Context, rev store.Revision) error {
		return errors.Join(view.WaitFor(ctx, rev), keyring.WaitFor(ctx, rev))
	}
	return group(ctx, view.Run, keyring.Run, kubehook.New(server).Run)
}

func hookServer(dir home.Dir, cfg home.Config, authenticator *access.Authenticator, log *slog.Logger) (kubehook.Config, error) {
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
		ClientCAs:    clientCAs,
		Root:         string(etcd.Root),
		Authenticate: authenticator.Authenticate,
		Log:          log,
	}, nil
}
