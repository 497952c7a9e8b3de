package vpc

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
)

const (
	// resync is how often everything is looked at when nothing happens.
	resync = 10 * time.Second
	// retry is the time until what failed is tried again.
	retry = time.Second
)

// Config is all that a Controller uses.
type Config struct {
	Home  home.Dir
	Store store.Store
	// HostPorts are host:port addresses of this machine, such as that of the AWS APIs, that every VPC finds at gate.VPCAddress
	// under the same port.
	HostPorts []string
	// EgressSocket is where a cluster's kube-apiserver asks for connections into the VPC. The socket belongs to the group of the
	// folder that it lies in.
	EgressSocket func(clusterID string) string
	// Reaches are asked in order how to reach an address; what none of them knows is in the VPC or nowhere.
	Reaches []Reach
	Log     *slog.Logger
}

// Controller keeps the VPCs that have something in them: a cluster, or a network interface. Make it with New.
type Controller struct {
	c          Config
	vpcs       *store.View[ec2.VPC]
	subnets    *store.View[ec2.Subnet]
	groups     *store.View[ec2.SecurityGroup]
	interfaces *store.View[ec2.Interface]
	routes     *store.View[gate.Route]

	ports   *gate.Ports
	changed chan struct{}
	ready   chan struct{}
	made    map[string]*network // by VPC id
}

// New makes a Controller. It does nothing before Run.
func New(c Config) *Controller {
	return &Controller{
		c:          c,
		vpcs:       store.NewView(ec2.VPCs(c.Store)),
		subnets:    store.NewView(ec2.SubnetsOf(c.Store)),
		groups:     store.NewView(ec2.SecurityGroupsOf(c.Store)),
		interfaces: store.NewView(ec2.Interfaces(c.Store)),
		routes:     store.NewView(gate.Routes(c.Store)),
		ports:      gate.NewPorts(0, c.Log),
		changed:    make(chan struct{}, 1),
		ready:      make(chan struct{}),
		made:       map[string]*network{},
	}
}

// Ready is closed when all VPCs have been looked at once.
func (c *Controller) Ready() <-chan struct{} { return c.ready }

// Run keeps VPCs as the records say until ctx ends, and then leaves them as they are: machines go on reaching each other. Only
// what takes a process ends with it, the connections to this machine and those of kube-apiservers. Call it once.
func (c *Controller) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	poke := func(string) {
		select {
		case c.changed <- struct{}{}:
		default: // it will look anyway
		}
	}
	c.vpcs.Subscribe(poke)
	c.subnets.Subscribe(poke)
	c.groups.Subscribe(poke)
	c.interfaces.Subscribe(poke)
	c.routes.Subscribe(poke)
	for _, run := range []func(context.Context) error{c.vpcs.Run, c.subnets.Run, c.groups.Run, c.interfaces.Run, c.routes.Run, c.follow} {
		group.Go(func() error { return run(ctx) })
	}
	return group.Wait()
}

// follow looks at all VPCs whenever a record has changed. It begins when all records have been read: whoever does not know
// everything must not take anything down.
func (c *Controller) follow(ctx context.Context) error {
	defer c.close()
	for _, read := range []<-chan struct{}{c.vpcs.Ready(), c.subnets.Ready(), c.groups.Ready(), c.interfaces.Ready(), c.routes.Ready()} {
		select {
		case <-read:
		case <-ctx.Done():
			return nil
		}
	}
	for first := true; ; first = false {
		began := time.Now()
		pause := resync
		if !c.sync() {
			pause = retry
		}
		if first {
			close(c.ready)
		}
		// A large VPC takes a while to look at: changes that come one after the other are looked at together.
		if !wait(ctx, nil, 4*time.Since(began)) || !wait(ctx, c.changed, pause) {
			return nil
		}
	}
}

// wait waits for a change, or so long; false is the end.
func wait(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-t.C:
	}
	return true
}

// sync makes every VPC what the records say, and tells whether all of them are.
func (c *Controller) sync() (good bool) {
	good = true
	wanted := c.wanted()
	for id, d := range wanted {
		n := c.made[id]
		if n == nil {
			n = newNetwork(id, c)
			c.made[id] = n
		}
		good = n.report(n.sync(d)) && good
	}
	ids, err := made(c.c.Home)
	if err != nil {
		c.c.Log.Error("looking for VPCs", "error", err)
		return false
	}
	for _, id := range ids {
		if _, keep := wanted[id]; keep {
			continue
		}
		n := c.made[id]
		if n == nil { // made by an earlier process
			n = newNetwork(id, c)
		}
		if removed := n.report(n.remove()); removed {
			delete(c.made, id)
		} else {
			good = false
		}
	}
	return good
}

// close ends what takes a process.
func (c *Controller) close() {
	for _, n := range c.made {
		n.closeSockets()
	}
	c.ports.Close()
}
