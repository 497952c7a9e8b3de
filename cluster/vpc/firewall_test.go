package vpc_test

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
)

func tcp(from, to int, r ec2.Rule) ec2.Rule {
	r.Protocol, r.FromPort, r.ToPort = "tcp", from, to
	return r
}

func fromGroups(ids ...string) ec2.Rule { return ec2.Rule{Groups: ids} }

func fromCIDRs(cidrs ...string) (r ec2.Rule) {
	for _, c := range cidrs {
		r.CIDRs = append(r.CIDRs, netip.MustParsePrefix(c))
	}
	return r
}

// comesTrue waits until the machine reaches an address, or does not any more.
func (w *world) comesTrue(m *machine, to string, reached bool) {
	w.t.Helper()
	start := time.Now()
	w.eventually("a change of security groups", func() bool {
		_, err := m.ask("", to, never)
		return (err == nil) == reached
	})
	w.t.Logf("%s after the change", time.Since(start).Round(time.Millisecond))
}

func TestSecurityGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setGroup("sg-web", []ec2.Rule{tcp(80, 80, fromGroups("sg-client")), tcp(8000, 8080, fromCIDRs("172.31.16.0/20"))}, anything())
	w.setGroup("sg-client", nil, anything())
	w.setGroup("sg-mute", anything(), nil)
	w.start()
	web := w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-web"}, "172.31.0.4", "172.31.0.5")
	web.serve(81)
	web.serve(8079)
	client := w.launch("eni-0aaaaaaaaaaaaaaa2", "subnet-a", []string{"sg-client"}, "172.31.0.9", "172.31.0.10")
	other := w.launch("eni-0aaaaaaaaaaaaaaa3", "subnet-b", []string{"sg-open"}, "172.31.16.4")
	mute := w.launch("eni-0aaaaaaaaaaaaaaa4", "subnet-b", []string{"sg-client", "sg-mute"}, "172.31.16.9")
	alone := w.launch("eni-0aaaaaaaaaaaaaaa5", "subnet-b", nil, "172.31.16.20")
	w.comesTrue(client, "172.31.0.4:80", true)

	client.reaches("172.31.0.10", "172.31.0.5:80", "172.31.0.10") // pods are members too
	mute.reaches("", "172.31.0.4:80", "172.31.16.9")              // let out by its first group
	other.reaches("", "172.31.0.4:8079", "172.31.16.4")
	other.reaches("", "172.31.16.9:80", "172.31.16.4") // let in by the second group
	for _, no := range []struct {
		m  *machine
		to string
	}{
		{client, "172.31.0.4:81"},   // another port
		{client, "172.31.0.4:8079"}, // from another network
		{other, "172.31.0.4:80"},    // not a member
		{other, "172.31.0.9:80"},    // the client lets nobody in, though it is answered
		{alone, "172.31.16.4:80"},   // in no group
		{other, "172.31.16.20:80"},
	} {
		no.m.doesNotReach("", no.to)
	}

	// Rules change while machines run.
	w.setGroup("sg-web", []ec2.Rule{tcp(81, 81, fromGroups("sg-client"))}, anything())
	w.comesTrue(client, "172.31.0.4:81", true)
	client.doesNotReach("", "172.31.0.4:80")
	w.setGroup("sg-client", nil, []ec2.Rule{tcp(81, 81, fromGroups("sg-open"))})
	w.comesTrue(client, "172.31.0.4:81", false)
}

// TestMembersChange is that a group's members are let in as they come and not as they go, without its rules being written anew.
func TestMembersChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setGroup("sg-web", []ec2.Rule{fromGroups("sg-client")}, nil)
	w.setGroup("sg-client", nil, anything())
	w.start()
	w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-web"}, "172.31.0.4")
	first := w.launch("eni-0aaaaaaaaaaaaaaa2", "subnet-a", []string{"sg-client"}, "172.31.0.9")
	w.comesTrue(first, "172.31.0.4:80", true)
	inTable(t, w, func(conn *nftables.Conn, table *nftables.Table) error { // goes with the table when that is made anew
		conn.AddChain(&nftables.Chain{Table: table, Name: "witness"})
		return conn.Flush()
	})
	second := w.launch("eni-0aaaaaaaaaaaaaaa3", "subnet-a", []string{"sg-client"}, "172.31.0.10")
	w.comesTrue(second, "172.31.0.4:80", true)
	id := ec2.RecordID(scope, first.port.InterfaceID)
	if _, err := ec2.Interfaces(w.store).Modify(t.Context(), id, func(i *ec2.Interface) error { i.SecurityGroups = []string{"sg-web"}; return nil }); err != nil {
		t.Fatal(err)
	}
	w.comesTrue(first, "172.31.0.4:80", false)
	second.reaches("", "172.31.0.4:80", "172.31.0.10")
	inTable(t, w, func(conn *nftables.Conn, table *nftables.Table) error {
		_, err := conn.ListChain(table, "witness")
		return err
	})
}

// inTable works on the table of the VPC's security groups.
func inTable(t *testing.T, w *world, fn func(*nftables.Conn, *nftables.Table) error) {
	t.Helper()
	err := vpc.In(vpc.Namespace(w.h, "vpc-1"), func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		return fn(conn, &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "minato"})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestControlPlaneIsInItsClustersGroup is that what kube-apiserver begins is let in as from the cluster's security group, and
// as from no other cluster's.
func TestControlPlaneIsInItsClustersGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setGroup("sg-c1", []ec2.Rule{fromGroups("sg-c1")}, anything())
	w.setGroup("sg-c2", []ec2.Rule{fromGroups("sg-c2")}, anything())
	w.start()
	w.newCluster("c1", "sg-c1", 30001)
	w.newCluster("c2", "sg-c2", 30002)
	w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-c1"}, "172.31.0.4")
	w.eventually("both sockets", func() bool {
		_, one := os.Stat(w.socket("c1"))
		_, two := os.Stat(w.socket("c2"))
		return one == nil && two == nil
	})
	w.eventually("the cluster's own machine", func() bool { status, _ := w.connect("c1", "172.31.0.4:80"); return status == "200 Connected" })
	if status, _ := w.connect("c2", "172.31.0.4:80"); !strings.HasPrefix(status, "502 ") {
		t.Errorf("another cluster's machine: %s, want no connection", status)
	}
}

// TestControlPlaneSpeaksFromItsInterface is that what kube-apiserver begins comes from its interface and is let in as from the groups that
// the interface has now.
func TestControlPlaneSpeaksFromItsInterface(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setGroup("sg-c1", []ec2.Rule{fromGroups("sg-c1")}, anything())
	w.setGroup("sg-more", []ec2.Rule{fromGroups("sg-more")}, anything())
	interfaces, id := ec2.Interfaces(w.store), ec2.RecordID(scope, "eni-0aaaaaaaaaaaaaaa9")
	create(w, interfaces, "eni-0aaaaaaaaaaaaaaa9", ec2.Interface{
		ID: "eni-0aaaaaaaaaaaaaaa9", VPCID: "vpc-1", SubnetID: "subnet-a", MAC: "02:00:00:00:00:09", ClusterID: "c1",
		Addresses: []netip.Addr{netip.MustParseAddr("172.31.0.77")}, SecurityGroups: []string{"sg-more"},
	})
	stop := w.start()
	w.newCluster("c1", "sg-c1", 30001)
	w.newCluster("c2", "sg-more", 30002)
	more := w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-more"}, "172.31.0.4")
	w.launch("eni-0aaaaaaaaaaaaaaa2", "subnet-b", []string{"sg-c1"}, "172.31.16.4")
	reaches := func(cluster, to, from string) {
		t.Helper()
		w.eventually(cluster+" reaching "+to+" from "+from, func() bool {
			status, answer := w.connect(cluster, to)
			return status == "200 Connected" && answer == from
		})
	}
	reaches("c1", "172.31.0.4:80", "172.31.0.77")
	reaches("c2", "172.31.0.4:80", "172.31.0.1") // without an interface
	if status, _ := w.connect("c1", "172.31.16.4:80"); !strings.HasPrefix(status, "502 ") {
		t.Errorf("a machine of a group that the interface has not: %s, want no connection", status)
	}
	if status, _ := w.connect("c2", "172.31.0.77:80"); !strings.HasPrefix(status, "403 ") {
		t.Errorf("the interface itself: %s, want it refused", status)
	}
	more.doesNotReach("", "172.31.0.77:80")
	_, err := interfaces.Modify(t.Context(), id, func(i *ec2.Interface) error { i.SecurityGroups = []string{"sg-c1"}; return nil })
	if err != nil {
		t.Fatal(err)
	}
	reaches("c1", "172.31.16.4:80", "172.31.0.77")
	stop()
	w.start() // another process takes the address up
	reaches("c1", "172.31.16.4:80", "172.31.0.77")
	if err := interfaces.Delete(t.Context(), id, store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	reaches("c1", "172.31.16.4:80", "172.31.16.1")
}

// TestPing is ICMP between machines where a rule allows it, and with the gateway always.
func TestPing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setGroup("sg-ping", []ec2.Rule{{Protocol: "icmp", FromPort: 8, ToPort: -1, CIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}}, anything())
	w.setGroup("sg-deaf", []ec2.Rule{{Protocol: "icmp", FromPort: 13, ToPort: 0, CIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}}, anything())
	w.start()
	a := w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-ping"}, "172.31.0.4")
	w.launch("eni-0aaaaaaaaaaaaaaa2", "subnet-b", []string{"sg-ping"}, "172.31.16.4")
	w.launch("eni-0aaaaaaaaaaaaaaa3", "subnet-b", []string{"sg-deaf"}, "172.31.16.5")
	w.eventually("an answer", func() bool { return a.ping("172.31.16.4", never) })
	if !a.ping("172.31.0.1", soon) {
		t.Error("the gateway does not answer")
	}
	if a.ping("172.31.16.5", never) {
		t.Error("a machine answers that lets in another type of message only")
	}
}

// ping sends an echo request and waits for the answer.
func (m *machine) ping(to string, timeout time.Duration) (answered bool) {
	m.t.Helper()
	m.in(func() error {
		c, err := net.Dial("ip4:icmp", to)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(timeout))
		if _, err := c.Write([]byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}); err != nil { // type, code, checksum, id, number
			return err
		}
		b := make([]byte, 64)
		n, err := c.Read(b)
		answered = err == nil && n >= 8
		return nil
	})
	return answered
}

// TestManyMembers is a group with more members than fit into one message to the kernel, before and after the first machine.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setGroup("sg-many", []ec2.Rule{fromGroups("sg-many")}, []ec2.Rule{fromGroups("sg-many")})
	address := netip.MustParseAddr("172.31.16.100")
	many := func(id string) {
		i := ec2.Interface{ID: id, VPCID: "vpc-1", SubnetID: "subnet-b", MAC: "02:00:00:00:00:99", SecurityGroups: []string{"sg-many"}}
		for range 1500 {
			address = address.Next()
			i.Addresses = append(i.Addresses, address)
		}
		create(w, ec2.Interfaces(w.store), id, i)
	}
	many("eni-0bbbbbbbbbbbbbbb1")
	w.start()
	w.launch("eni-0aaaaaaaaaaaaaaa1", "subnet-a", []string{"sg-many"}, "172.31.0.4")
	first := w.launch("eni-0aaaaaaaaaaaaaaa2", "subnet-b", []string{"sg-many"}, "172.31.16.4")
	w.comesTrue(first, "172.31.0.4:80", true)
	many("eni-0bbbbbbbbbbbbbbb2")
	last := w.launch("eni-0aaaaaaaaaaaaaaa3", "subnet-b", []string{"sg-many"}, "172.31.16.5")
	w.comesTrue(last, "172.31.0.4:80", true)
}
