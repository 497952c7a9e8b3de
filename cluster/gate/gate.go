package gate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/engine/store"
)

// Config says what a Gate follows and where it listens.
type Config struct {
	Store store.Store
	// ListenHosts are the addresses on which every cluster's port is listened on: 127.0.0.1 and the advertised ones.
	ListenHosts []string
	// AdminAddr is the loopback host:port of the gate's own health, metrics and state.
	AdminAddr string
	// MaxConns bounds the client connections in all; zero takes what the limit of open files allows. One cluster gets at
	// most half of it.
	MaxConns int
	Log      *slog.Logger
}

// Gate listens on every cluster's endpoint port.
type Gate struct {
	*Ports

	hosts []string
	admin string
	view  *store.View[Route]
}

// New makes a Gate. It does nothing before Run.
func New(c Config) (*Gate, error) {
	if len(c.ListenHosts) == 0 {
		return nil, fmt.Errorf("the gate has no address to listen on: give at least 127.0.0.1")
	}
	return &Gate{
		Ports: NewPorts(c.MaxConns, c.Log),
		hosts: slices.Compact(slices.Sorted(slices.Values(c.ListenHosts))),
		admin: c.AdminAddr,
		view:  store.NewView(Routes(c.Store)),
	}, nil
}

// Run serves until ctx ends; then it closes every listener and connection. Trouble with the store or with a single port
// never ends it: the gate goes on with the routes that it has seen last. Call it once.
func (g *Gate) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	g.view.Subscribe(g.apply)
	group.Go(func() error { return g.view.Run(ctx) })
	group.Go(func() error { return g.serveAdmin(ctx) })
	err := group.Wait()
	g.Close()
	return err
}

// apply makes a cluster's endpoint what the view says. The view moves its revision only afterwards, so whoever has waited
// for a revision finds it applied.
func (g *Gate) apply(id string) {
	if item, wanted := g.view.Get(id); wanted {
		g.Set(id, item.Value, Addresses{Hosts: g.hosts})
	} else {
		g.Remove(id)
	}
}

// wait lasts for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
