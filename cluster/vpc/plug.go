package vpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/home"
)

const (
	// machineLink is what a machine calls its interface.
	machineLink = "eth0"
	// gatewayWait is how long Plug waits for the VPC to be made.
	gatewayWait = 30 * time.Second
	gatewayPoll = 20 * time.Millisecond
)

// Plug gives a machine, whose network namespace is at the path machine, an interface of a VPC as eth0: with its MAC address,
// its primary address, and the subnet's gateway as the way to everywhere. The other addresses are routed to the machine. It
// may be repeated, and waits for a VPC that is not made yet.
func Plug(ctx context.Context, h home.Dir, p Port, machine string) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := p.plug(ctx, h, machine); err != nil {
		return fmt.Errorf("plugging %s into %s: %w", p.InterfaceID, p.VPCID, err)
	}
	return nil
}

// Unplug removes an interface's link from both ends. There may be none.
func Unplug(h home.Dir, vpcID, interfaceID string) error {
	err := In(Namespace(h, vpcID), func() error { return deleteLink(LinkName(interfaceID)) })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) { // no VPC, or a file without one
		return nil
	}
	return err
}

func (p Port) plug(ctx context.Context, h home.Dir, machine string) error {
	if err := p.waitForGateway(ctx, h); err != nil {
		return err
	}
	ns, err := os.Open(machine)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	var inside linkPair
	if err := In(machine, func() (err error) { inside, err = pairOf(machineLink); return err }); err != nil {
		return err
	}
	err = In(Namespace(h, p.VPCID), func() error {
		outside, err := pairOf(LinkName(p.InterfaceID))
		if err != nil {
			return err
		}
		if !inside.joins(outside) {
			if err := p.makeLink(int(ns.Fd())); err != nil {
				return err
			}
		}
		return p.ensureRoutes()
	})
	if err != nil {
		return err
	}
	return In(machine, p.setUpMachine)
}

// waitForGateway waits until the VPC is made with the interface's subnet.
func (p Port) waitForGateway(ctx context.Context, h home.Dir) error {
	ctx, cancel := context.WithTimeoutCause(ctx, gatewayWait, fmt.Errorf("the gateway %s is not there after %s: is `minato vpc` running?", Gateway(p.Subnet), gatewayWait))
	defer cancel()
	tick := time.NewTicker(gatewayPoll)
	defer tick.Stop()
	for {
		if there, err := p.gatewayThere(h); there || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (p Port) gatewayThere(h home.Dir) (there bool, err error) {
	path := Namespace(h, p.VPCID)
	if !isNamespace(path) {
		return false, nil
	}
	err = In(path, func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		there = slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			addr, _ := netip.AddrFromSlice(a.IP.To4())
			return addr == Gateway(p.Subnet)
		})
		return err
	})
	return there, err
}

// linkPair is the end of a veth pair: its own index and that of the other end in the other's namespace.
type linkPair struct{ index, peer int }

func (a linkPair) joins(b linkPair) bool {
	return a.index != 0 && b.index != 0 && a.index == b.peer && a.peer == b.index
}

// pairOf finds a link in the namespace that the thread is in; it is zero where there is none.
func pairOf(name string) (linkPair, error) {
	link, err := netlink.LinkByName(name)
	if missing(err) {
		return linkPair{}, nil
	}
	if err != nil {
		return linkPair{}, err
	}
	return linkPair{index: link.Attrs().Index, peer: link.Attrs().ParentIndex}, nil
}

func missing(err error) bool {
	_, ok := errors.AsType[netlink.LinkNotFoundError](err)
	return ok
}

func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

// makeLink makes the pair in place of what may be left of an earlier one, with one end in the machine's namespace.
func (p Port) makeLink(machine int) error {
	name := LinkName(p.InterfaceID)
	if err := deleteLink(name); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, MTU
	return netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: machineLink, PeerHardwareAddr: p.MAC, PeerMTU: MTU, PeerNamespace: netlink.NsFd(machine),
	})
}

// setUpMachine gives eth0 of the namespace that the thread is in its address and its way out.
func (p Port) setUpMachine() error {
	link, err := netlink.LinkByName(machineLink)
	if err != nil {
		return err
	}
	address := netip.PrefixFrom(p.Addresses[0], p.Subnet.Bits())
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(address)}); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: Gateway(p.Subnet).AsSlice()})
}
