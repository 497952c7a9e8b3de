package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

const instanceID = "i-0123456789abcdef0"

// world is a Controller on a store in memory, whose processes only are noted.
type world struct {
	*Controller
	t          *testing.T
	running    map[string]supervisor.Spec
	state      supervisor.State
	refused    bool // the role gives no credentials
	sessions   int
	moves      []string // of instances, in order
	terminated ec2.InstanceReason
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, running: map[string]supervisor.Spec{}, state: supervisor.Starting}
	dir := home.Dir(t.TempDir())
	t.Cleanup(func() { _ = os.RemoveAll(dir.Run()) })
	w.Controller = New(Deps{
		Store: memstore.New(), Home: dir, Clock: &clock.Clock{}, Log: slog.New(slog.DiscardHandler),
		Programs: func(string) (machine.Programs, error) { return machine.Programs{Minato: "/bin/minato"}, nil },
		Processes: controlplane.Processes{
			Ensure: func(_ context.Context, s supervisor.Spec) error { w.running[s.Name] = s; return nil },
			Stop:   func(_ context.Context, name string) error { delete(w.running, name); return nil },
			Status: func(string) (supervisor.Status, bool) { return supervisor.Status{State: w.state}, true },
			Names:  func() []string { return nil },
		},
		Client: func(context.Context, string) (*kubeapi.Client, error) {
			return nil, minato.Errorf(minato.Unavailable, "there is no cluster here")
		},
		Credentials: func(_ context.Context, _ minato.ARN, _ string, d time.Duration) (iam.Temporary, error) {
			if w.refused {
				return iam.Temporary{}, minato.Errorf(minato.Denied, "no")
			}
			w.sessions++
			return iam.Temporary{AccessKeyID: "ASIAEXAMPLE", Expires: w.deps.Clock.Now().Add(d), Told: time.Now().Add(d)}, nil
		},
		Running: func(context.Context, minato.Scope, string) error { w.moves = append(w.moves, "running"); return nil },
		Terminated: func(context.Context, minato.Scope, string, ec2.InstanceReason) error {
			w.moves = append(w.moves, "terminated")
			return nil
		},
		Terminate: func(_ context.Context, _ minato.Scope, _ string, reason ec2.InstanceReason) error {
			w.moves, w.terminated = append(w.moves, "terminate"), reason
			return nil
		},
	})
	return w
}

// launch writes the records of an instance, changed.
func (w *world) launch(change func(*ec2.Instance)) string {
	w.t.Helper()
	i := ec2.Instance{
		Scope: scope, ID: instanceID, Type: "t3.medium", Minor: "1.35", VPCID: "vpc-1", SubnetID: "subnet-1", InterfaceID: "eni-1", Zone: "us-east-1a",
		PrivateIP: netip.MustParseAddr("10.0.0.4"), PrivateDNSName: nodeName, RoleARN: minato.NewARN("iam", "", scope.Account, "role/x/node"),
		UserData: userData(w.t), DiskGiB: 20, State: ec2.InstancePending, Metadata: ec2.MetadataOptions{HopLimit: 1},
	}
	if change != nil {
		change(&i)
	}
	s := w.deps.Store
	_, err := s.Commit(w.t.Context(),
		ec2.Instances(s).CreateOp(ec2.RecordID(scope, i.ID), i),
		ec2.Interfaces(s).CreateOp(ec2.RecordID(scope, "eni-1"), ec2.Interface{
			ID: "eni-1", MAC: "02:00:00:00:00:01", Addresses: []netip.Addr{i.PrivateIP, netip.MustParseAddr("10.0.0.5")},
		}),
		ec2.SubnetsOf(s).CreateOp(ec2.RecordID(scope, "subnet-1"), ec2.Subnet{ID: "subnet-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"), ZoneID: "use1-az1"}),
		ec2.VPCs(s).CreateOp(ec2.RecordID(scope, "vpc-1"), ec2.VPC{ID: "vpc-1", CIDR: netip.MustParsePrefix("10.0.0.0/16")}),
		eks.Clusters(s).CreateOp(eks.ClusterKey(scope, "prod"), eks.Cluster{Scope: scope, Name: "prod", ID: "c1", Spec: eks.ClusterSpec{VPCID: "vpc-other"}}),
		controlplane.Records(s).CreateOp("c1", controlplane.ControlPlane{ClusterID: "c1", Port: 6443}),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	return ec2.RecordID(scope, i.ID)
}

func (w *world) reconcile(id string) {
	w.t.Helper()
	if _, err := w.Reconcile(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

// userData is that of a node of the cluster prod.
func userData(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nodeadm.Render(nodeadm.NodeConfig{Cluster: nodeadm.Cluster{
		Name: "prod", APIServerEndpoint: "https://127.0.0.1:6443", CIDR: "10.100.0.0/16",
		CertificateAuthority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInstanceComesUpAndGoes(t *testing.T) {
	w := newWorld(t)
	id := w.launch(nil)
	w.reconcile(id)
	process, ok := w.running["nodes/"+instanceID]
	if !ok || !strings.HasSuffix(strings.Join(process.Args, " "), "--instance "+instanceID) || len(process.Streams) != 2 {
		t.Fatalf("processes: %+v", w.running)
	}
	spec, err := machine.ReadSpec(w.deps.Home, instanceID)
	if err != nil {
		t.Fatal(err)
	}
	if spec.Cluster.Endpoint != "https://192.0.2.1:6443" || spec.Cluster.DNS.String() != "10.100.0.10" || spec.Role != "node" ||
		spec.Size.MaxPods != 17 || len(spec.Network.Addresses) != 2 {
		t.Errorf("the machine is made from %+v", spec)
	}
	if len(w.moves) != 0 {
		t.Errorf("moved before it is up: %q", w.moves)
	}
	w.state = supervisor.Running
	w.reconcile(id)
	if len(w.moves) != 1 || w.moves[0] != "running" || w.sessions != 1 {
		t.Errorf("moves %q, %d sessions; want it running, and one session", w.moves, w.sessions)
	}
	if key, ok := w.KeyOf("nodes/" + instanceID); !ok || key != id {
		t.Errorf("the process is of %q", key)
	}
	if _, err := w.instances.Modify(t.Context(), id, func(i *ec2.Instance) error { i.State = ec2.InstanceShuttingDown; return nil }); err != nil {
		t.Fatal(err)
	}
	w.reconcile(id)
	if len(w.running) != 0 || w.moves[len(w.moves)-1] != "terminated" {
		t.Errorf("after shutting down: processes %v, moves %q", w.running, w.moves)
	}
	if left, err := machine.Left(w.deps.Home); err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestNonsenseTerminates(t *testing.T) {
	for name, change := range map[string]func(*ec2.Instance){
		"no user data": func(i *ec2.Instance) { i.UserData = nil },
		"a script":     func(i *ec2.Instance) { i.UserData = []byte("#!/bin/sh\n") },
		"no such type": func(i *ec2.Instance) { i.Type = "t1.huge" },
	} {
		w := newWorld(t)
		w.reconcile(w.launch(change))
		if len(w.running) != 0 || len(w.moves) != 1 || w.terminated.Code != "Client.InstanceInitiatedShutdown" || len(w.terminated.Message) < 50 {
			t.Errorf("%s: processes %v, moves %q, reason %+v", name, w.running, w.moves, w.terminated)
		}
	}
}

func TestRoleThatRefuses(t *testing.T) {
	w := newWorld(t)
	w.refused = true
	id := w.launch(nil)
	w.reconcile(id)
	c, err := machine.ReadCredentials(w.deps.Home, instanceID)
	if err != nil || c.Code != "AssumeRoleUnauthorizedAccess" || c.AccessKeyID != "" {
		t.Errorf("the metadata service says %+v, %v", c, err)
	}
	w.refused = false
	w.reconcile(id)
	if c, err := machine.ReadCredentials(w.deps.Home, instanceID); err != nil || c.Code != success {
		t.Errorf("once the role trusts EC2: %+v, %v", c, err)
	}
}

// TestCredentialsByAMovedClock is that they end by Minato's clock, and say when by the machine's.
func TestCredentialsByAMovedClock(t *testing.T) {
	w := newWorld(t)
	w.deps.Clock.Begin(-1000 * time.Hour)
	id := w.launch(nil)
	for sessions, ahead := range []time.Duration{-1000 * time.Hour, -999 * time.Hour, -990 * time.Hour} {
		w.deps.Clock.Begin(ahead)
		w.reconcile(id)
		if want := 1 + sessions/2; w.sessions != want {
			t.Errorf("%s ahead: %d sessions, want %d", ahead, w.sessions, want)
		}
		c, err := machine.ReadCredentials(w.deps.Home, instanceID)
		if left := time.Until(c.Expiration).Round(time.Minute); err != nil || left != sessionLength {
			t.Errorf("%s ahead: for %s, %v", ahead, left, err)
		}
	}
}

func TestSimulatedInstancesAreNotOurs(t *testing.T) {
	w := newWorld(t)
	w.reconcile(w.launch(func(i *ec2.Instance) { i.Simulated = true }))
	if len(w.running) != 0 || len(w.moves) != 0 {
		t.Errorf("processes %v, moves %q", w.running, w.moves)
	}
}

func TestLeftoversGo(t *testing.T) {
	w := newWorld(t)
	w.launch(nil)
	for _, id := range []string{instanceID, "i-0fffffffffffffff0"} {
		spec := machine.Spec{InstanceID: id, Network: machine.Network{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.4")}}}
		if _, err := machine.WriteSpec(w.deps.Home, spec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.StopLeftovers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := machine.Left(w.deps.Home); err != nil || len(left) != 1 || left[0] != instanceID {
		t.Errorf("left: %q, %v; want the one that has a record", left, err)
	}
}
