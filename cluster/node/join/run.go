package join

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"minato.dev/minato/cluster/tunnel"
	"minato.dev/minato/engine/supervisor"
)

// stopTimeout bounds an orderly stop of kubelet and containerd.
const stopTimeout = 30 * time.Second

// Run is a hybrid node until ctx ends. Then kubelet and containerd stop; containers of pods go on, as when those two are
// restarted on any node.
func Run(ctx context.Context, dir string, s State, p Programs, log *slog.Logger) error {
	pool, err := s.pool()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	registry, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = registry.Close() }()
	// As on any machine, or containers that are not root's could not read their own root folder. Secrets get their modes on purpose.
	unix.Umask(0o022)
	l := layout(dir)
	if err := l.write(s, p, "http://"+registry.Addr().String()); err != nil {
		return fmt.Errorf("writing the node's configuration: %w", err)
	}
	if err := checkDisk(dir); err != nil {
		log.WarnContext(ctx, "pods may not stay on this node", "error", err)
	}
	if _, err := s.renew(ctx, dir); err != nil {
		if _, old := readCredentials(dir); old != nil {
			return fmt.Errorf("getting credentials: %w", err)
		}
		log.WarnContext(ctx, "there are no new credentials; those on file serve", "error", err)
	}
	node := tunnel.Node{Server: s.Tunnel, CA: pool, Key: s.Key, Address: s.Address, PodCIDR: s.PodCIDR, Log: log}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.keepCredentials(ctx, dir, log) })
	group.Go(func() error { return node.Run(ctx) })
	group.Go(func() error { return node.ForwardRegistry(ctx, registry) })
	group.Go(func() error { return l.programs(ctx, s, p, log) })
	return group.Wait()
}

// programs keeps containerd and kubelet running until ctx ends.
func (l layout) programs(ctx context.Context, s State, p Programs, log *slog.Logger) (err error) {
	sup, err := supervisor.New(l.path("processes"), log)
	if err != nil {
		return err
	}
	defer sup.Close()
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, sup.Stop(stopping, "kubelet"), sup.Stop(stopping, "containerd"))
	}()
	path := "PATH=" + filepath.Dir(p.Shim) + ":" + filepath.Dir(p.Runc) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, spec := range []supervisor.Spec{
		{
			Name: "containerd", Path: p.Containerd, Args: []string{"containerd", "--config", l.path("containerd.toml")},
			Env: []string{path}, Log: l.path("logs", "containerd.log"), Ready: func(ctx context.Context) error {
				var d net.Dialer
				c, err := d.DialContext(ctx, "unix", l.socket())
				if err == nil {
					_ = c.Close()
				}
				return err
			},
		},
		{Name: "kubelet", Path: p.Kube, Args: l.kubeletArgs(s), Env: []string{path, "HOME=/root"}, Log: l.path("logs", "kubelet.log")},
	} {
		if err := sup.Ensure(ctx, spec); err != nil && ctx.Err() == nil {
			return err
		}
		if err := sup.WaitReady(ctx, spec.Name); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		log.InfoContext(ctx, "started", "program", spec.Name)
	}
	<-ctx.Done()
	return nil
}
