package machine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minato.dev/minato/cluster/node/imds"
	"minato.dev/minato/cluster/vpc"
)

// metadataAddress is where every instance finds its metadata service.
var metadataAddress = netip.MustParseAddr("169.254.169.254")

// metadataLink is the name of the link to it, at both ends.
const metadataLink = "imds0"

// serveMetadata serves the node's metadata until ctx ends. The service has a network namespace of its own, one hop away from
// the node, which forwards to its pods: so the time to live of the answers counts hops as on EC2, and a limit of one keeps
// pods with a network of their own away.
func (h *host) serveMetadata(ctx context.Context, node string) error {
	config, err := metadata(h.Home, h.spec)
	if err != nil {
		return err
	}
	service, err := imds.New(config)
	if err != nil {
		return err
	}
	ns, err := newNetworkNamespace()
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", ns.Fd())
	if err := linkMetadata(path, node, h.spec.Network.Primary()); err != nil {
		_ = ns.Close()
		return fmt.Errorf("linking the metadata service: %w", err)
	}
	var listener net.Listener
	if err := vpc.In(path, func() (err error) { listener, err = listenWithin(ctx, h.spec.HopLimit); return err }); err != nil {
		_ = ns.Close()
		return err
	}
	server := &http.Server{Handler: service, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() {
		_ = server.Close()
		_ = ns.Close()
	})
	return nil
}

// newNetworkNamespace makes one that lives as long as the file, or something in it, is open.
func newNetworkNamespace() (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{nil, fmt.Errorf("making a network namespace: %w", err)}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		done <- result{f, err}
	}()
	r := <-done
	return r.f, r.err
}

// linkMetadata joins the service's namespace and the node's.
func linkMetadata(service, node string, primary netip.Addr) error {
	nodeNS, err := os.Open(node)
	if err != nil {
		return err
	}
	defer func() { _ = nodeNS.Close() }()
	err = vpc.In(service, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = metadataLink
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: metadataLink, PeerNamespace: netlink.NsFd(int(nodeNS.Fd()))}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		link, err := netlink.LinkByName(metadataLink)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: only(metadataAddress)}); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}})
	})
	if err != nil {
		return err
	}
	return vpc.In(node, func() error {
		link, err := netlink.LinkByName(metadataLink)
		if err != nil {
			return err
		}
		// The service asks for pods' addresses on this link, and the node answers for them.
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+metadataLink+"/proxy_arp", []byte("1"), 0); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: only(metadataAddress), Src: primary.AsSlice()})
	})
}

func only(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// listenWithin listens in the thread's namespace, with a time to live on all that is sent.
func listenWithin(ctx context.Context, hops int) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var set error
		err := conn.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, max(1, hops)) })
		if err != nil {
			return err
		}
		return set
	}}
	return config.Listen(ctx, "tcp4", netip.AddrPortFrom(metadataAddress, 80).String())
}
