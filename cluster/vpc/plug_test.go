package vpc_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"minato.dev/minato/cluster/vpc"
)

func TestMachinesReachEachOther(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := vpc.Make(h, vpc.Network{ID: "vpc-1", Subnets: []netip.Prefix{subnetA, subnetB}}); err != nil {
		t.Fatal(err)
	}
	a := newMachine(t, "eni-0aaaaaaaaaaaaaaa1", subnetA, "172.31.0.4", "172.31.0.5")
	b := newMachine(t, "eni-0aaaaaaaaaaaaaaa2", subnetA, "172.31.0.9", "172.31.0.10")
	c := newMachine(t, "eni-0aaaaaaaaaaaaaaa3", subnetB, "172.31.16.4")
	for _, m := range []*machine{a, b, c} {
		m.plug(h)
		m.serve(80)
		m.plug(h) // changes nothing
	}
	a.reaches("172.31.0.4", "172.31.0.9:80", "172.31.0.4")
	a.reaches("172.31.0.5", "172.31.0.10:80", "172.31.0.5") // a pod to a pod of the same subnet
	a.reaches("172.31.0.5", "172.31.16.4:80", "172.31.0.5")
	c.reaches("", "172.31.0.10:80", "172.31.16.4")

	// Made again, by a process that finds everything there.
	if err := vpc.Make(h, vpc.Network{ID: "vpc-1", Subnets: []netip.Prefix{subnetA, subnetB}}); err != nil {
		t.Fatal(err)
	}
	a.reaches("", "172.31.16.4:80", "172.31.0.4")

	if err := vpc.Unplug(h, "vpc-1", a.port.InterfaceID); err != nil {
		t.Fatal(err)
	}
	a.in(func() error {
		if _, err := netlink.LinkByName("eth0"); err == nil {
			return errors.New("an unplugged machine has eth0")
		}
		return nil
	})
	a.plug(h)
	a.reaches("", "172.31.0.9:80", "172.31.0.4")
}

// TestNobodyUsesAnothersAddress is that packets with a source address which is not the interface's own go nowhere.
func TestNobodyUsesAnothersAddress(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := vpc.Make(h, vpc.Network{ID: "vpc-1", Subnets: []netip.Prefix{subnetA}}); err != nil {
		t.Fatal(err)
	}
	victim := newMachine(t, "eni-0aaaaaaaaaaaaaaa1", subnetA, "172.31.0.4")
	other := newMachine(t, "eni-0aaaaaaaaaaaaaaa2", subnetA, "172.31.0.9")
	thief := newMachine(t, "eni-0aaaaaaaaaaaaaaa3", subnetA, "172.31.0.20")
	for _, m := range []*machine{victim, other, thief} {
		m.plug(h)
		m.serve(80)
	}
	thief.in(func() error { // takes the victim's address, and tells everybody
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr("172.31.0.4/32")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, address)
	})
	thief.doesNotReach("172.31.0.4", "172.31.0.9:80")
	other.reaches("", "172.31.0.4:80", "172.31.0.9")
	victim.reaches("", "172.31.0.9:80", "172.31.0.4")
}

func TestPlugWaitsForTheVPC(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	m := newMachine(t, "eni-0aaaaaaaaaaaaaaa1", subnetA, "172.31.0.4")
	done := make(chan error)
	go func() { done <- vpc.Plug(withTimeout(t, soon), h, m.port, m.ns) }()
	if err := vpc.Make(h, vpc.Network{ID: "vpc-1"}); err != nil { // the subnet comes later
		t.Fatal(err)
	}
	if err := vpc.Make(h, vpc.Network{ID: "vpc-1", Subnets: []netip.Prefix{subnetA}}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	stranger := newMachine(t, "eni-0aaaaaaaaaaaaaaa2", subnetB, "172.31.16.4")
	if err := vpc.Plug(withTimeout(t, 100*time.Millisecond), h, stranger.port, stranger.ns); err == nil {
		t.Error("a subnet that is not there was plugged into")
	}
}

func TestPortsAreChecked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*vpc.Port){
		"no VPC":               func(p *vpc.Port) { p.VPCID = "" },
		"no address":           func(p *vpc.Port) { p.Addresses = nil },
		"no MAC address":       func(p *vpc.Port) { p.MAC = nil },
		"outside the subnet":   func(p *vpc.Port) { p.Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.4")} },
		"the gateway's":        func(p *vpc.Port) { p.Addresses = []netip.Addr{vpc.Gateway(subnetA)} },
		"an address of IPv6's": func(p *vpc.Port) { p.Addresses = []netip.Addr{netip.MustParseAddr("::1")} },
	} {
		p := vpc.Port{VPCID: "vpc-1", InterfaceID: "eni-1", Subnet: subnetA, MAC: make([]byte, 6), Addresses: []netip.Addr{netip.MustParseAddr("172.31.0.4")}}
		change(&p)
		if err := vpc.Plug(t.Context(), newHome(t), p, "/proc/self/ns/net"); err == nil || strings.Contains(err.Error(), "plugging") {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

func TestRemovedVPCLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := vpc.Make(h, vpc.Network{ID: "vpc-1", Subnets: []netip.Prefix{subnetA}}); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, "eni-0aaaaaaaaaaaaaaa1", subnetA, "172.31.0.4")
	m.plug(h)
	for range 2 { // the second time there is nothing to remove
		if err := vpc.Remove(h, "vpc-1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(vpc.Namespace(h, "vpc-1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file is left: %v", err)
	}
	if err := vpc.Unplug(h, "vpc-1", m.port.InterfaceID); err != nil {
		t.Errorf("unplugging from a VPC that is gone: %v", err)
	}
}

func TestLinkName(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"eni-0123456789abcdef0": "eni56789abcdef0",
		"eni-1":                 "eni1",
	} {
		if got := vpc.LinkName(id); got != want || len(got) > 15 {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}
