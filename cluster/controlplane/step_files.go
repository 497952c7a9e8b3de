package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
)

// filesStep makes the run folder: keys and certificates from the record, configuration from the plan. Certificates that fall
// due are issued afresh here; the programs see that their files have changed.
type filesStep struct {
	home           home.Dir
	clock          *clock.Clock
	log            *slog.Logger
	tenantIdentity func(clusterID string) (pki.Pair, error)
	etcdCA, hookCA []byte
}

func (s filesStep) do(ctx context.Context, p *pass) error {
	plane, pl := p.plane.Value, p.plan
	if err := s.home.MakeRun("clusters"); err != nil {
		return fmt.Errorf("making run folder: %w", err)
	}
	if err := pl.Dir.ensure(plane.UID, pl.Generation); err != nil {
		return err
	}
	// The supervisor makes the log files; their folder must be there.
	if err := os.MkdirAll(pl.LogDir, 0o700); err != nil {
		return fmt.Errorf("making log folder: %w", err)
	}
	for _, f := range []file{
		{"ca.crt", p.keys.ClusterCA.CertPEM},
		{"ca.key", p.keys.ClusterCA.KeyPEM},
		{"front-proxy-ca.crt", p.keys.FrontProxyCA.CertPEM},
		{"sa.key", p.keys.ServiceAccount},
		{"sa.pub", publicKeys(plane.VerifyingKeys())},
		{"etcd-ca.crt", s.etcdCA},
		{"hook-ca.crt", s.hookCA},
		{filepath.Join(trustFolder, "minato.crt"), s.hookCA},
	} {
		if err := pl.Dir.write(pl.Dir.pki(f.Name), f.Content, plane.UID); err != nil {
			return err
		}
	}
	if err := s.certificates(ctx, p); err != nil {
		return err
	}
	return pl.Dir.writeGeneration(pl.Generation, pl.configFiles(), plane.UID)
}

func (s filesStep) certificates(ctx context.Context, p *pass) error {
	cas, err := loadAuthorities(p.keys)
	if err != nil {
		return err
	}
	serviceIP, err := p.plan.serviceIP()
	if err != nil {
		return err
	}
	names, ips := servingNames(p.plan.Settings.Advertise, serviceIP)
	set := issuing{
		dir: p.plan.Dir, uid: p.plane.Value.UID, leaves: cas.leaves(names, ips), now: s.clock.Now(),
		tenant: func() (pki.Pair, error) { return s.tenantIdentity(p.cluster.ID) },
	}
	why := set.due()
	if why == "" {
		return nil
	}
	s.log.InfoContext(ctx, "issuing certificates", "cluster", p.cluster.Name, "because", why)
	return set.issue()
}

// LogDir holds the log files of a cluster, one for each component and audit.log.
func LogDir(h home.Dir, clusterID string) string { return h.Logs("clusters", clusterID) }

// removeFilesStep removes the run folder and the logs.
type removeFilesStep struct{ home home.Dir }

func (s removeFilesStep) do(_ context.Context, p *pass) error {
	for _, dir := range []string{string(newRunDir(s.home, p.cluster.ID)), LogDir(s.home, p.cluster.ID)} {
		// An empty id would name the folder of all clusters.
		if filepath.Base(dir) != p.cluster.ID {
			return fmt.Errorf("cluster has the impossible id %q", p.cluster.ID)
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing files: %w", err)
		}
	}
	return nil
}
