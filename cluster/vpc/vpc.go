package vpc

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"

	"minato.dev/minato/cluster/gate"
)

// network is one VPC as this process has made it.
type network struct {
	id      string
	c       *Controller
	log     *slog.Logger
	failure string // the last one reported

	inode    uint64                                  // of the namespace that all of the following is about
	applied  desired                                 // what holds already
	enforced bool                                    // applied.firewall does
	open     map[string]gate.Route                   // by id of the port
	egress   map[string]*egress                      // by cluster id
	subnets  atomic.Pointer[[]netip.Prefix]          // where kube-apiservers may connect to
	planes   atomic.Pointer[map[string][]netip.Addr] // where they come from, by cluster id
}

func newNetwork(id string, c *Controller) *network {
	n := &network{id: id, c: c, log: c.c.Log.With("vpc", id)}
	n.forget()
	return n
}

// forget forgets what holds, because the namespace is another one.
func (n *network) forget() {
	n.inode, n.enforced = 0, false
	n.applied = desired{ports: map[string]Port{}}
	n.open, n.egress = map[string]gate.Route{}, map[string]*egress{}
}

// report logs a failure once, and its end.
func (n *network) report(err error) (good bool) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != n.failure && err != nil {
		n.log.Error("the VPC is not as it should be", "error", err)
	}
	if text == "" && n.failure != "" {
		n.log.Info("the VPC is as it should be again")
	}
	n.failure = text
	return err == nil
}

// sync makes what is not as desired.
func (n *network) sync(d desired) error {
	path := Namespace(n.c.c.Home, n.id)
	if n.inode == 0 || inode(path) != n.inode {
		n.closeSockets()
		n.forget()
	}
	if n.inode == 0 || !slices.Equal(n.applied.subnets, d.subnets) || !reflect.DeepEqual(n.applied.planes, d.planes) {
		if err := Make(n.c.c.Home, Network{ID: n.id, Subnets: d.subnets, Planes: d.planeAddresses()}); err != nil {
			return err
		}
		n.inode, n.applied.subnets, n.applied.planes = inode(path), d.subnets, d.planes
		n.subnets.Store(&d.subnets)
		n.planes.Store(&d.planes)
	}
	var enforced error
	if !n.enforced || !reflect.DeepEqual(n.applied.firewall, d.firewall) {
		enforced = In(path, func() error { return n.enforce(d.firewall) })
	}
	return errors.Join(errors.Join(d.problems...), enforced,
		In(path, func() error { return n.syncPorts(d.ports) }), n.syncClusters(d.clusters))
}

// enforce has the thread's namespace keep to a firewall: by the difference to the one that it keeps to, if that is known.
func (n *network) enforce(f firewall) error {
	known := n.enforced
	n.enforced = false
	var err error
	if known {
		err = f.change(n.applied.firewall)
	} else {
		err = f.install()
	}
	if err != nil {
		return fmt.Errorf("setting up security groups: %w", err)
	}
	n.enforced, n.applied.firewall = true, f
	return nil
}

// syncPorts has the thread's namespace lead to all addresses of the interfaces whose links are there.
func (n *network) syncPorts(ports map[string]Port) error {
	var errs []error
	for id, p := range ports {
		if old, ok := n.applied.ports[id]; ok && reflect.DeepEqual(old, p) {
			continue
		}
		if err := p.ensureRoutes(); err != nil {
			errs = append(errs, fmt.Errorf("interface %s: %w", id, err))
			continue
		}
		n.applied.ports[id] = p
	}
	for id := range n.applied.ports {
		if _, keep := ports[id]; keep {
			continue
		}
		if err := deleteLink(LinkName(id)); err != nil {
			errs = append(errs, fmt.Errorf("removing interface %s: %w", id, err))
			continue
		}
		delete(n.applied.ports, id)
	}
	return errors.Join(errs...)
}

// everybody may connect from inside: publicAccessCidrs are about who comes from elsewhere.
var everybody = []string{"0.0.0.0/0"}

// syncClusters opens what takes a process: the ports of this machine, and the sockets of kube-apiservers.
func (n *network) syncClusters(clusters map[string]gate.Route) error {
	at := gate.Addresses{Hosts: []string{gate.VPCAddress.String()}, Listen: n.listen}
	want := map[string]gate.Route{}
	for id, r := range clusters {
		want[n.portID(id)] = gate.Route{Port: r.Port, Backends: r.Backends, Leaving: r.Leaving, AllowCIDRs: everybody}
	}
	for _, addr := range n.c.c.HostPorts {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return err
		}
		want[n.portID(port)] = gate.Route{Port: number, Backends: []string{addr}, AllowCIDRs: everybody}
	}
	for id, r := range want {
		if old, ok := n.open[id]; !ok || !reflect.DeepEqual(old, r) {
			n.c.ports.Set(id, r, at)
			n.open[id] = r
		}
	}
	for id := range n.open {
		if _, keep := want[id]; !keep {
			n.c.ports.Remove(id)
			delete(n.open, id)
		}
	}
	return n.syncEgress(clusters)
}

// portID tells the ports of one VPC from those of another.
func (n *network) portID(name string) string { return n.id + "/" + name }

func (n *network) syncEgress(clusters map[string]gate.Route) error {
	for id, e := range n.egress {
		if r, keep := clusters[id]; !keep || r.SecurityGroup != e.group || !e.listening() {
			e.close()
			delete(n.egress, id)
		}
	}
	var errs []error
	for id, r := range clusters {
		if n.egress[id] != nil {
			continue
		}
		e, err := n.openEgress(id, r.SecurityGroup)
		if err != nil {
			errs = append(errs, fmt.Errorf("opening the way in for cluster %s: %w", id, err))
			continue
		}
		n.egress[id] = e
	}
	return errors.Join(errs...)
}

// closeSockets closes everything that is open in the namespace.
func (n *network) closeSockets() {
	for id := range n.open {
		n.c.ports.Remove(id)
	}
	for _, e := range n.egress {
		e.close()
	}
	n.open, n.egress = map[string]gate.Route{}, map[string]*egress{}
}

// remove takes the VPC down.
func (n *network) remove() error {
	n.closeSockets()
	n.forget()
	if err := Remove(n.c.c.Home, n.id); err != nil {
		return err
	}
	n.log.Info("the VPC is taken down: nothing is in it any more")
	return nil
}

// inode tells one namespace from another; zero is none.
func inode(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil || !isNamespace(path) {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Ino
}
