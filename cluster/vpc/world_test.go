package vpc_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/testenv"
)

var (
	subnetA = netip.MustParsePrefix("172.31.0.0/20")
	subnetB = netip.MustParsePrefix("172.31.16.0/20")
)

// newHome is a home whose VPCs are taken down when the test ends.
func newHome(t *testing.T) home.Dir {
	t.Helper()
	testenv.NeedNodes(t)
	h := home.Dir(t.TempDir())
	t.Cleanup(func() {
		if err := vpc.RemoveAll(h); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(h.Run()); err != nil { // a mount that is left would be busy
			t.Error(err)
		}
	})
	return h
}

// machine is a network namespace that stands for a node.
type machine struct {
	t    *testing.T
	port vpc.Port
	ns   string // a path
}

// newMachine makes the namespace of a machine whose interface has these addresses.
func newMachine(t *testing.T, id string, subnet netip.Prefix, addresses ...string) *machine {
	t.Helper()
	m := &machine{t: t, ns: testenv.NewNamespace(t)}
	m.port = vpc.Port{VPCID: "vpc-1", InterfaceID: id, Subnet: subnet, MAC: net.HardwareAddr{2, 0, 0, 0, 0, id[len(id)-1]}}
	for _, a := range addresses {
		m.port.Addresses = append(m.port.Addresses, netip.MustParseAddr(a))
	}
	return m
}

// plug plugs the machine in, with all its addresses on eth0 so that the test can use them.
func (m *machine) plug(h home.Dir) {
	m.t.Helper()
	if err := vpc.Plug(m.t.Context(), h, m.port, m.ns); err != nil {
		m.t.Fatal(err)
	}
	m.in(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		for _, a := range m.port.Addresses[1:] {
			if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *machine) in(fn func() error) {
	m.t.Helper()
	if err := vpc.In(m.ns, fn); err != nil {
		m.t.Fatal(err)
	}
}

// serve answers every TCP connection to a port of the machine with the name of who asks, until the test ends.
func (m *machine) serve(port int) {
	m.t.Helper()
	var l net.Listener
	m.in(func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(m.t.Context(), "tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		return err
	})
	m.t.Cleanup(func() { _ = l.Close() })
	go greet(l)
}

// greet tells every client its own address.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(c, c.RemoteAddr().(*net.TCPAddr).IP)
		_ = c.Close()
	}
}

// ask connects from the machine, from one of its addresses or its primary one, and returns what the other end calls it.
func (m *machine) ask(from, to string, timeout time.Duration) (string, error) {
	d := net.Dialer{Timeout: timeout}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	var answer string
	err := vpc.In(m.ns, func() error {
		c, err := d.DialContext(m.t.Context(), "tcp4", to)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(timeout))
		s := bufio.NewScanner(c)
		s.Scan()
		answer = s.Text()
		return s.Err()
	})
	return answer, err
}

const (
	soon = 10 * time.Second // for what must succeed
	// oneTry is longer than a dial takes to be given up, and leaves time for another: a connection from an address that goes at that
	// moment hears nothing more.
	oneTry = 7 * time.Second
	never  = 300 * time.Millisecond // for what must not: dropped packets are not answered
)

func (m *machine) reaches(from, to, want string) {
	m.t.Helper()
	if got, err := m.ask(from, to, soon); err != nil || got != want {
		m.t.Errorf("from %s to %s: answered as %q, %v; want %q", from, to, got, err, want)
	}
}

func (m *machine) doesNotReach(from, to string) {
	m.t.Helper()
	if got, err := m.ask(from, to, never); err == nil {
		m.t.Errorf("from %s to %s: answered as %q, want nothing", from, to, got)
	}
}

func withTimeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
