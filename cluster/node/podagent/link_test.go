package podagent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/sigv4"
	"minato.dev/minato/internal/testenv"
)

// TestAddresses asks the agent of a node, which is a network namespace, from a pod, which is another, at both of its addresses, as an SDK
// does. On a machine without IPv6 the agent has the other address only.
func TestAddresses(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	upstream := httptest.NewServer(&fake{})
	t.Cleanup(upstream.Close)
	key := func(context.Context) (Key, error) {
		return Key{sigv4.Key{AccessKeyID: "ASIANODE", SecretAccessKey: secret, SessionToken: "t"}, time.Now().Add(time.Hour)}, nil
	}
	node, pod := namespace(t), namespace(t)
	var addresses []netip.Addr
	within(t, node, func() (err error) {
		addresses, err = connect(pod)
		return err
	})
	within(t, pod, func() error { return routeToNode(len(addresses) > 1) })

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of another network
		if err := unix.Setns(int(node.Fd()), unix.CLONE_NEWNET); err != nil {
			ended <- err
			return
		}
		ended <- Run(ctx, Config{
			Endpoint: upstream.URL, ClusterName: "prod", Region: "eu-west-1", Port: 80, ProbePort: 2703, MetricsPort: 2705, Rotate: true, NodeKey: key,
			Client: &http.Client{Timeout: 20 * time.Second}, Log: slog.New(slog.DiscardHandler),
		})
	}()
	token := podToken(t, "app", nil)
	for _, address := range addresses {
		testenv.Eventually(t, func() error {
			return onNetwork(pod, func() error { return askAt(netip.AddrPortFrom(address, 80), token) })
		})
	}
	testenv.Eventually(t, func() error {
		return onNetwork(node, func() error { return probe(netip.MustParseAddrPort("127.0.0.1:2703"), "/readyz", "ok") })
	})
	testenv.Eventually(t, func() error {
		return onNetwork(node, func() error {
			return probe(netip.MustParseAddrPort("127.0.0.1:2705"), "/metrics", `pod_identity_http_requests_total{outcome="new"}`)
		})
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// namespace makes a network namespace, which goes with the test.
func namespace(t *testing.T) *os.File {
	t.Helper()
	ns, err := os.Open(testenv.NewNamespace(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}

// onNetwork does something on a thread in a network namespace.
func onNetwork(ns *os.File, do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

func within(t *testing.T, ns *os.File, do func() error) {
	t.Helper()
	if err := onNetwork(ns, do); err != nil {
		t.Fatal(err)
	}
}

// connect links a node to a pod, and is which of the agent's addresses a node here can have.
func connect(pod *os.File) ([]netip.Addr, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "pod"
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "eth0", PeerNamespace: netlink.NsFd(pod.Fd())})
	if err != nil {
		return nil, err
	}
	if err := addresses("lo"); err != nil {
		return nil, err
	}
	if err := addresses("pod", "10.1.0.1/24", "fd01::1/64"); noIPv6(err) {
		return Addresses[:1], nil
	} else if err != nil {
		return nil, err
	}
	return Addresses, nil
}

// addresses brings a link up with addresses.
func addresses(name string, all ...string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, a := range all {
		parsed, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if parsed.IP.To4() == nil {
			parsed.Flags = syscall.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, parsed); err != nil {
			return fmt.Errorf("giving %s the address %s: %w", name, a, err)
		}
	}
	return nil
}

// routeToNode gives a pod its addresses, and its node as the way to all others.
func routeToNode(ipv6 bool) error {
	own, ways := []string{"10.1.0.2/24", "fd01::2/64"}, []string{"10.1.0.1", "fd01::1"}
	if !ipv6 {
		own, ways = own[:1], ways[:1]
	}
	if err := addresses("eth0", own...); err != nil {
		return err
	}
	for _, way := range ways {
		if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(way)}); err != nil {
			return fmt.Errorf("going by %s: %w", way, err)
		}
	}
	return nil
}

// askAt asks for credentials at an address, which is the Host header too.
func askAt(at netip.AddrPort, token string) error {
	host := at.Addr().String()
	if at.Addr().Is6() {
		host = "[" + host + "]"
	}
	return exchange(at, "http://"+host+"/v1/credentials", token, `"AccountId":"111122223333"`)
}

func probe(at netip.AddrPort, path, want string) error {
	return exchange(at, "http://"+at.String()+path, "", want)
}

// exchange makes a request on this thread, which alone is in the network. A client's transport would dial on another.
func exchange(at netip.AddrPort, url, token, want string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	if err := errors.Join(conn.SetDeadline(deadline), req.Write(conn)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want)) {
		err = fmt.Errorf("%s answers %s: %s", url, resp.Status, body)
	}
	return err
}
