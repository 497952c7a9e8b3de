// Package server is the composition root: it makes the parts of Minato out of its settings, starts them in order, and stops
// them in the reverse order. It is the only package that knows all others, and holds no meaning of its own.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"gopkg.in/natefinch/lumberjack.v2"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/insights"
	"minato.dev/minato/cluster/node/simulated"
	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/progress"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/s3"
	"minato.dev/minato/service/ssm"
	"minato.dev/minato/service/sts"
)

// stopTimeout bounds an orderly stop of all processes; each is killed when it takes longer than its own bound.
const stopTimeout = 2 * time.Minute

// Server is a running Minato.
type Server struct {
	o        Options
	dir      home.Dir
	cfg      home.Config
	settings sync.Mutex // held while cfg changes
	log      *slog.Logger
	out      io.Writer
	progress *progress.Progress
	step     *progress.Step // of starting, the one under way
	clock    *clock.Clock
	started  time.Time
	ready    atomic.Bool

	listener    net.Listener // the AWS APIs
	tlsListener net.Listener // issuers, and the AWS APIs over TLS

	sealer   *seal.Sealer
	ca       *pki.Authority
	sup      *supervisor.Supervisor
	etcdPKI  etcd.PKI
	etcd     *etcd.Admin
	store    store.Store
	iam      *iam.Service
	sts      *sts.Service
	ec2      *ec2.Service
	eks      *eks.Service
	ssm      *ssm.Service
	eksauth  *eksauth.Service
	s3       *s3.Service
	pods     *podRecords
	planes   *controlplane.Controller
	insights *insights.Controller
	hook     *kubehook.Client

	simulated *simulated.Controller

	running  *errgroup.Group // what runs in the background until runCtx ends
	runCtx   context.Context
	shutdown context.CancelFunc
	atStop   []func()
}

// Run starts a server and returns when ctx has ended, or somebody asked it to stop, and everything is stopped.
func Run(ctx context.Context, o Options) error {
	release, err := o.Home.Acquire()
	if errors.Is(err, home.ErrLocked) {
		return fmt.Errorf("%w; see `minato status`, or stop it with `minato down`", err)
	}
	if err != nil {
		return err
	}
	defer release()
	s := &Server{o: o, dir: o.Home, out: o.Out, started: time.Now(), clock: &clock.Clock{}}
	if s.cfg, err = resolve(ctx, o); err != nil {
		return err
	}
	s.clock.Begin(s.cfg.ClockOffset)
	if err := s.openLog(); err != nil {
		return err
	}
	return s.run(ctx)
}

// step is one part of starting. It tells what it did for the progress report.
type step struct {
	name string
	do   func(context.Context) (string, error)
}

func (s *Server) run(ctx context.Context) error {
	ctx, s.shutdown = context.WithCancel(ctx)
	defer s.shutdown()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	s.running, s.runCtx = errgroup.WithContext(background)
	s.progress = progress.New(s.out)
	defer s.progress.Close()

	err := s.start(ctx,
		step{"listeners", s.listen},
		step{"keys and certificates", s.openKeys},
		step{"etcd", s.startEtcd},
		step{"accounts", s.ensureAccounts},
		step{"objects", s.openObjects},
		step{"webhooks, gate and registry", s.startHelpers},
		step{"control planes", s.startControlPlanes},
		step{"nodes", s.startNodes},
		step{"simulated nodes", s.startSimulatedNodes},
		step{"nodegroups", s.startNodegroups},
		step{"add-ons", s.startAddons},
		step{"insights", s.startInsights},
		step{"support calendar", s.startCalendar},
		step{"AWS APIs", s.serveAPIs},
		step{"clusters that were up", s.waitClusters},
		step{"cluster", s.ensureCluster},
	)
	orderly := err == nil
	if orderly {
		s.ready.Store(true)
		s.progress.Close()
		s.printWelcome()
		err = s.wait(ctx)
		orderly = err == nil
	}
	s.ready.Store(false)
	return errors.Join(err, s.stop(stopBackground, orderly))
}

func (s *Server) start(ctx context.Context, steps ...step) error {
	for _, st := range steps {
		s.step = s.progress.Step(st.name)
		detail, err := st.do(ctx)
		if err != nil {
			s.step.Fail(err)
			s.log.Error("start failed", "step", st.name, "error", err)
			return fmt.Errorf("starting %s: %w", st.name, err)
		}
		s.step.Done(detail)
		s.log.Info("started", "step", st.name, "detail", detail)
	}
	return nil
}

// wait lasts until ctx ends or a background part fails, which none does in a healthy server.
func (s *Server) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.runCtx.Done():
		return context.Cause(s.runCtx)
	}
}

// stop ends everything: first what serves and reconciles, then the processes. When the server stops because of a failure of
// its own, the processes that it took over go on without it: clusters outlive the API.
func (s *Server) stop(stopBackground func(), orderly bool) error {
	fmt.Fprintln(s.out, "stopping")
	stopBackground()
	err := s.running.Wait()
	if s.sup != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		err = errors.Join(err, stopProcesses(ctx, s.sup, func(p supervisor.Status) bool { return orderly || !p.Adopted }))
		s.sup.Close()
	}
	if orderly && err == nil {
		err = vpc.RemoveAll(s.dir)
	}
	for i := len(s.atStop) - 1; i >= 0; i-- {
		s.atStop[i]()
	}
	if err == nil {
		fmt.Fprintln(s.out, "stopped")
	}
	return err
}

// goRun runs a part in the background. Its failure stops the server.
func (s *Server) goRun(name string, run func(context.Context) error) {
	s.running.Go(func() error {
		if err := run(s.runCtx); err != nil && s.runCtx.Err() == nil {
			s.log.Error("a part of the server failed", "part", name, "error", err)
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// onStop is done last, in reverse order.
func (s *Server) onStop(f func()) { s.atStop = append(s.atStop, f) }

// openLog sends the structured log to minato.log in the home.
func (s *Server) openLog() error {
	if err := os.MkdirAll(s.dir.Logs(), 0o711); err != nil {
		return err
	}
	file := &lumberjack.Logger{Filename: s.dir.Logs(serverLog), MaxSize: 20, MaxBackups: 3}
	s.log = slog.New(slog.NewJSONHandler(file, nil))
	s.onStop(func() { _ = file.Close() })
	return nil
}

// openKeys reads, or makes at the first start, the sealing key and the public CA, and takes over the processes that an earlier
// server left.
func (s *Server) openKeys(context.Context) (_ string, err error) {
	if s.sealer, err = seal.Open(s.dir.SealKey()); err != nil {
		return "", err
	}
	if s.ca, err = publicAuthority(s.dir); err != nil {
		return "", err
	}
	if err := ensureHookCertificate(s.dir, s.ca); err != nil {
		return "", err
	}
	if err := ensureTunnelCertificate(s.dir, s.ca, s.cfg.AdvertiseAddress); err != nil {
		return "", err
	}
	s.sup, err = supervisor.New(s.dir.Processes(), s.log.With("part", "supervisor"))
	return "", err
}
