package server

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/engine/store/mirror"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/s3"
)

// startEtcd runs our own etcd, or joins the external one, and opens the store on it.
func (s *Server) startEtcd(ctx context.Context) (string, error) {
	s.etcdPKI = etcd.PKI(s.dir.PKI())
	if s.cfg.ExternalEtcd {
		if err := s.importExternal(); err != nil {
			return "", err
		}
	} else if err := s.etcdPKI.Ensure(); err != nil {
		return "", err
	}
	client, err := etcd.Connect(s.etcdPKI.Target(etcd.Root, s.cfg.EtcdEndpoints...))
	if err != nil {
		return "", err
	}
	s.onStop(func() { _ = client.Close() })
	if s.etcd, err = etcd.NewAdmin(client, s.etcdPKI, s.log.With("part", "etcd")); err != nil {
		return "", err
	}
	if err := s.bootstrapEtcd(ctx); err != nil {
		return "", err
	}
	records := newMirror(etcdstore.New(client))
	s.store = records
	s.goRun("records in memory", records.Run)
	if err := s.publishClock(ctx); err != nil {
		return "", err
	}
	s.goRun("etcd maintenance", s.etcd.Maintain)
	h, err := s.etcd.Health(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, revision %d", s.cfg.EtcdEndpoints[0], h.Revision), nil
}

// newMirror keeps in memory what is read with every request: who signs, what policies say, which buckets there are. Nobody but this
// process writes it.
func newMirror(s store.Store) *mirror.Store {
	return mirror.New(s, "/minato/", iam.Prefix, iam.AccessKeysPrefix, iam.SessionsPrefix, s3.BucketsPrefix)
}

// importExternal takes the files of an external etcd over into the home. At a later start without the flags the copies serve.
func (s *Server) importExternal() error {
	if s.o.Etcd == (etcd.External{}) {
		if _, err := s.etcdPKI.Authority(); err == nil {
			return nil
		}
	}
	return s.etcdPKI.Import(s.o.Etcd)
}

func (s *Server) bootstrapEtcd(ctx context.Context) error {
	if s.cfg.ExternalEtcd {
		return s.etcd.BootstrapExternal(ctx)
	}
	if err := s.sup.Ensure(ctx, s.ownProcess(etcdProcess, s.etcd.Ready)); err != nil {
		return err
	}
	if err := s.sup.WaitReady(ctx, etcdProcess); err != nil {
		return err
	}
	return s.etcd.Bootstrap(ctx)
}

// Names of our own processes in the supervisor, of their logs and of their subcommands.
const (
	etcdProcess     = "etcd"
	hookProcess     = "hook"
	gateProcess     = "gate"
	registryProcess = "registry"
	vpcProcess      = "vpc"
	serverLog       = "minato.log"
)

// ownMaxPause is short: every cluster waits for these processes, and what keeps them from starting (a full disk) passes.
const ownMaxPause = 3 * time.Second

// ownProcess is a process beside us, made of the same binary. Its environment names our version, so that a newer Minato that
// takes over starts it anew.
func (s *Server) ownProcess(name string, ready func(context.Context) error) supervisor.Spec {
	return supervisor.Spec{
		Name:        name,
		Path:        s.o.Executable,
		Args:        []string{"minato", name, "--home", string(s.dir)},
		Env:         []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MINATO_VERSION=" + s.o.MinatoVersion},
		Log:         s.dir.Logs(name + ".log"),
		StopTimeout: 20 * time.Second,
		MaxPause:    ownMaxPause,
		Ready:       ready,
	}
}
