package vpc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

// world is a home with records, and a Controller that makes them true.
type world struct {
	t     *testing.T
	h     home.Dir
	store store.Store
	ports []string // of this machine
	group uint32   // whose the run folders of clusters are
}

// newWorld has a VPC with two subnets, and a security group of open doors.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, h: newHome(t), store: memstore.New(), group: 54321}
	create(w, ec2.VPCs(w.store), "vpc-1", ec2.VPC{ID: "vpc-1", CIDR: netip.MustParsePrefix("172.31.0.0/16")})
	create(w, ec2.SubnetsOf(w.store), "subnet-a", ec2.Subnet{ID: "subnet-a", VPCID: "vpc-1", CIDR: subnetA})
	create(w, ec2.SubnetsOf(w.store), "subnet-b", ec2.Subnet{ID: "subnet-b", VPCID: "vpc-1", CIDR: subnetB})
	w.setGroup("sg-open", anything(), anything())
	return w
}

func create[T any](w *world, c *store.Collection[T], id string, v T) {
	w.t.Helper()
	if _, err := c.Create(w.t.Context(), ec2.RecordID(scope, id), v); err != nil {
		w.t.Fatal(err)
	}
}

func anything() []ec2.Rule {
	return []ec2.Rule{{CIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}}
}

// setGroup makes a security group have these rules.
func (w *world) setGroup(id string, ingress, egress []ec2.Rule) {
	w.t.Helper()
	groups := ec2.SecurityGroupsOf(w.store)
	g := ec2.SecurityGroup{ID: id, VPCID: "vpc-1", Ingress: ingress, Egress: egress}
	_, err := groups.Create(w.t.Context(), ec2.RecordID(scope, id), g)
	if errors.Is(err, store.ErrExists) {
		_, err = groups.Modify(w.t.Context(), ec2.RecordID(scope, id), func(old *ec2.SecurityGroup) error { *old = g; return nil })
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// start runs a Controller until the test or the returned function ends it.
func (w *world) start() (stop func()) {
	w.t.Helper()
	c := vpc.New(vpc.Config{
		Home: w.h, Store: w.store, HostPorts: w.ports, EgressSocket: w.socket,
		Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(stop)
	select {
	case <-c.Ready():
	case <-time.After(soon):
		w.t.Fatal("the controller is not ready")
	}
	return stop
}

func (w *world) socket(cluster string) string { return w.h.Run("clusters", cluster, "egress.sock") }

// newCluster makes the run folder and the route of a cluster whose endpoint is served by a port of this machine.
func (w *world) newCluster(id, group string, port int, backends ...string) {
	w.t.Helper()
	if err := w.h.MakeRun("clusters"); err != nil {
		w.t.Fatal(err)
	}
	folder := filepath.Dir(w.socket(id))
	if err := errors.Join(os.Mkdir(folder, 0o750), os.Chown(folder, 0, int(w.group))); err != nil {
		w.t.Fatal(err)
	}
	r := gate.Route{ClusterID: id, VPCID: "vpc-1", SecurityGroup: group, Port: port, Backends: backends}
	if _, err := gate.Routes(w.store).Create(w.t.Context(), id, r); err != nil {
		w.t.Fatal(err)
	}
}

// launch makes a machine with an interface in the groups, plugs it in and serves on port 80.
func (w *world) launch(id, subnetID string, groups []string, addresses ...string) *machine {
	w.t.Helper()
	subnet := map[string]netip.Prefix{"subnet-a": subnetA, "subnet-b": subnetB}[subnetID]
	m := newMachine(w.t, id, subnet, addresses...)
	i := ec2.Interface{ID: id, VPCID: "vpc-1", SubnetID: subnetID, MAC: m.port.MAC.String(), Addresses: m.port.Addresses, SecurityGroups: groups}
	create(w, ec2.Interfaces(w.store), id, i)
	port, err := vpc.PortOf(i, subnet)
	if err != nil {
		w.t.Fatal(err)
	}
	m.port = port
	m.plug(w.h)
	m.serve(80)
	return m
}

// simulate makes the interface of a machine that kwok makes up.
func (w *world) simulate(id, subnetID string, addresses ...string) {
	w.t.Helper()
	i := ec2.Interface{ID: id, VPCID: "vpc-1", SubnetID: subnetID, MAC: "02:00:00:00:00:09", Simulated: true}
	for _, a := range addresses {
		i.Addresses = append(i.Addresses, netip.MustParseAddr(a))
	}
	create(w, ec2.Interfaces(w.store), id, i)
}

// eventually asks until yes is true.
func (w *world) eventually(what string, yes func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(soon); !yes(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("never happened: %s", what)
		}
	}
}

// connect asks a cluster's egress socket for a connection and returns the status line and what is read from it.
func (w *world) connect(cluster, to string) (status, answer string) {
	w.t.Helper()
	c, err := net.Dial("unix", w.socket(cluster))
	if err != nil {
		return err.Error(), ""
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(oneTry))
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", to)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err.Error(), ""
	}
	if resp.StatusCode == http.StatusOK {
		b, _ := io.ReadAll(r)
		answer = strings.TrimSpace(string(b))
	}
	return resp.Status, answer
}

// hostServer greets on a loopback port of this machine.
func hostServer(t *testing.T) (addr string, port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go greet(l)
	return l.Addr().String(), l.Addr().(*net.TCPAddr).Port
}

func TestVPCIsThereWhileSomethingIsInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	there := func() bool { _, err := os.Stat(vpc.Namespace(w.h, "vpc-1")); return err == nil }
	if there() {
		t.Error("an empty VPC was made")
	}
	w.newCluster("c1", "sg-open", 30001)
	w.eventually("the VPC of a cluster", there)
	m := w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-open"}, "172.31.0.4")
	if err := gate.Routes(w.store).Delete(t.Context(), "c1", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	w.eventually("the socket of a cluster that is gone", func() bool { _, err := os.Stat(w.socket("c1")); return err != nil })
	if !there() {
		t.Error("a VPC with a machine in it was taken down")
	}
	if err := ec2.Interfaces(w.store).Delete(t.Context(), ec2.RecordID(scope, m.port.InterfaceID), store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	w.eventually("the end of an empty VPC", func() bool { return !there() })
}

func TestMachinesFindThisMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	endpoint, port := hostServer(t)
	api, apiPort := hostServer(t)
	_, secret := hostServer(t)
	w.ports = []string{api}
	stop := w.start()
	w.newCluster("c1", "sg-open", port, endpoint)
	m := w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-open"}, "172.31.0.4", "172.31.0.5")
	at := func(port int) string { return "192.0.2.1:" + strconv.Itoa(port) }
	w.eventually("the endpoint", func() bool { _, err := m.ask("", at(port), never); return err == nil })
	m.reaches("172.31.0.5", at(port), "127.0.0.1") // from a pod
	m.reaches("", at(apiPort), "127.0.0.1")
	m.doesNotReach("", at(secret))
	m.doesNotReach("", "127.0.0.1:"+strconv.Itoa(port))

	stop() // and another process takes it up
	m.doesNotReach("", at(port))
	w.start()
	m.reaches("", at(port), "127.0.0.1")
}

func TestEgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, _ := hostServer(t)
	stop := w.start()
	w.newCluster("c1", "sg-open", 30001)
	w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-b", []string{"sg-open"}, "172.31.16.4", "172.31.16.5")
	w.simulate("eni-0aaaaaaaaaaaaaaa9", "subnet-b", "172.31.16.9", "172.31.16.10")
	w.eventually("the socket", func() bool { _, err := os.Stat(w.socket("c1")); return err == nil })
	info, err := os.Stat(w.socket("c1"))
	if err != nil || info.Mode().Perm() != 0o660 || info.Sys().(*syscall.Stat_t).Gid != w.group {
		t.Errorf("the socket is %v, %v: want it for the cluster's group", info, err)
	}
	for to, want := range map[string]string{
		"172.31.16.4:80":        "200 Connected",
		"172.31.16.5:80":        "200 Connected",
		"172.31.16.4:81":        "502 connect: connection refused",
		"172.31.16.9:10250":     "502 the node at 172.31.16.9 is simulated: no program runs on it",
		"172.31.16.10:80":       "502 the node at 172.31.16.10 is simulated: ",
		"198.18.0.4:443":        "403 198.18.0.4 is the address of a pod on a simulated node: no program runs there",
		host:                    "403 127.0.0.1 is not an address of a machine or pod in vpc-1",
		"192.0.2.1:80":          "403 ",
		"172.31.0.1:80":         "403 ", // the gateway is the VPC itself
		"172.31.99.1:80":        "403 ", // in no subnet
		"8.8.8.8:53":            "403 ",
		"[::ffff:127.0.0.1]:80": "403 ",
		"[::1]:80":              "403 ",
		"localhost:80":          "403 want an address",
		"172.31.16.4":           "403 ",
	} {
		status, answer := w.connect("c1", to)
		if !strings.HasPrefix(status, want) || strings.HasPrefix(want, "200") && answer != "172.31.16.1" {
			t.Errorf("CONNECT %s: %s %q, want %s", to, status, answer, want)
		}
	}
	stop()
	if status, _ := w.connect("c1", "172.31.16.4:80"); !strings.Contains(status, "no such file") {
		t.Errorf("without the process: %s", status)
	}
	w.start()
	if status, _ := w.connect("c1", "172.31.16.4:80"); status != "200 Connected" {
		t.Errorf("with another process: %s", status)
	}
}
