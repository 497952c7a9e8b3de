package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/service/ec2"
)

// machine is a network namespace in a cluster's VPC, with nothing of Kubernetes in it.
type machine struct {
	ns      string // a path
	address netip.Addr
}

// description is what DescribeCluster says, as far as it matters here.
type description struct {
	ARN                  string
	Endpoint             string
	CertificateAuthority struct{ Data string }
	ResourcesVPCConfig   struct {
		VPCID                  string `json:"vpcId"`
		SubnetIDs              []string
		ClusterSecurityGroupID string `json:"clusterSecurityGroupId"`
	}
}

func (k *cluster) describe(t *testing.T) (d description) {
	t.Helper()
	out := k.client.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster")
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// newMachine plugs a machine into a cluster's VPC, as a member of the cluster's security group. It serves HTTP on port 80.
func newMachine(t *testing.T, e *testenv.Env, d description) *machine {
	t.Helper()
	arn, err := minato.ParseARN(d.ARN)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := e.Home.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := etcd.Connect(etcd.PKI(e.Home.PKI()).Target(etcd.Root, cfg.EtcdEndpoints...))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	s := etcdstore.New(client)
	scope := minato.Scope{Account: arn.Account, Region: minato.Region(arn.Region)}
	subnet, err := ec2.SubnetsOf(s).Get(t.Context(), ec2.RecordID(scope, d.ResourcesVPCConfig.SubnetIDs[0]))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{ns: testenv.NewNamespace(t), address: subnet.Value.CIDR.Addr()}
	for range 200 { // far from what launching gives out
		m.address = m.address.Next()
	}
	i := ec2.Interface{
		Scope: scope, ID: "eni-0e2e0e2e0e2e0e2e0", VPCID: subnet.Value.VPCID, SubnetID: subnet.Value.ID, MAC: "02:00:00:00:00:01",
		Addresses: []netip.Addr{m.address}, SecurityGroups: []string{d.ResourcesVPCConfig.ClusterSecurityGroupID},
	}
	if _, err := ec2.Interfaces(s).Create(t.Context(), ec2.RecordID(scope, i.ID), i); err != nil {
		t.Fatal(err)
	}
	port, err := vpc.PortOf(i, subnet.Value.CIDR)
	if err != nil {
		t.Fatal(err)
	}
	if err := vpc.Plug(t.Context(), e.Home, port, m.ns); err != nil {
		t.Fatal(err)
	}
	m.serve(t)
	return m
}

// serve answers HTTP requests on port 80 with who asks.
func (m *machine) serve(t *testing.T) {
	t.Helper()
	var l net.Listener
	err := vpc.In(m.ns, func() (err error) {
		l, err = net.Listen("tcp4", m.address.String()+":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s asks for %s", r.RemoteAddr, r.URL.Path)
	})}
	srv.SetKeepAlivesEnabled(false) // each request is a new connection, which security groups are asked about
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
}

// livez asks a cluster's kube-apiserver, at its port of the address that it has in every VPC, whether it lives.
func (m *machine) livez(d description) (answer string, err error) {
	endpoint, err := url.Parse(d.Endpoint)
	if err != nil {
		return "", err
	}
	ca, err := base64.StdEncoding.DecodeString(d.CertificateAuthority.Data)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	err = vpc.In(m.ns, func() error {
		dialer := &net.Dialer{Timeout: 2 * time.Second}
		c, err := tls.DialWithDialer(dialer, "tcp4", "192.0.2.1:"+endpoint.Port(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(c, "GET /livez HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		answer = string(b)
		return err
	})
	return answer, err
}

// node makes a Node that is said to be at an address. kube-apiserver connects there for whoever may proxy to it.
func (k *cluster) node(t *testing.T, name string, at netip.Addr) {
	t.Helper()
	k.client.Shell(t, fmt.Sprintf(`
		echo '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "%[2]s"}}' | kubectl --kubeconfig %[1]s create -f -
		kubectl --kubeconfig %[1]s patch node %[2]s --subresource=status --type=merge \
			-p '{"status": {"addresses": [{"type": "InternalIP", "address": "%[3]s"}]}}'`, k.config, name, at))
}

func proxyPath(node string) string { return "/api/v1/nodes/http:" + node + ":80/proxy/hello" }

// TestVPC is that a control plane and a machine in its VPC reach each other, and nobody else.
func TestVPC(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "inside")
	d := k.describe(t)
	m := newMachine(t, e, d)

	testenv.Eventually(t, func() error {
		answer, err := m.livez(d)
		if err != nil || answer != "ok" {
			return fmt.Errorf("the endpoint in the VPC: %q, %w", answer, err)
		}
		return nil
	})
	k.node(t, "machine", m.address)
	own := strings.Fields(k.client.AWS(t, "ec2", "describe-network-interfaces", "--filters", "Name=description,Values=Amazon EKS "+k.name,
		"--query", "NetworkInterfaces[].PrivateIpAddress", "--output", "text"))
	reached := func() error {
		r := k.client.TryKubectl(t, k.config, "get", "--raw", proxyPath("machine"))
		from, what, _ := strings.Cut(r.Stdout, " asks for ")
		if address, err := netip.ParseAddrPort(from); r.ExitCode != 0 || what != "/hello" || err != nil || !slices.Contains(own, address.Addr().String()) {
			return fmt.Errorf("through kube-apiserver, which is at %q: %s", own, r)
		}
		return nil
	}
	testenv.Eventually(t, reached)

	// What the security group does not let in does not arrive, from the next connection on.
	group := d.ResourcesVPCConfig.ClusterSecurityGroupID
	members := []string{"--group-id", group, "--ip-permissions", "IpProtocol=-1,UserIdGroupPairs=[{GroupId=" + group + "}]"}
	k.client.AWS(t, append([]string{"ec2", "revoke-security-group-ingress"}, members...)...)
	testenv.Eventually(t, func() error {
		if err := reached(); err == nil {
			return errors.New("a group that lets nobody in lets the control plane in")
		}
		return nil
	})
	k.client.AWS(t, append([]string{"ec2", "authorize-security-group-ingress"}, members...)...)
	testenv.Eventually(t, reached)

	k.node(t, "elsewhere", netip.MustParseAddr("198.51.100.1"))
	r := k.client.TryKubectl(t, k.config, "get", "--raw", proxyPath("elsewhere"))
	if want := "198.51.100.1 is not an address of a machine or pod in " + d.ResourcesVPCConfig.VPCID; r.ExitCode == 0 || !strings.Contains(r.Stderr, want) {
		t.Errorf("outside of the VPC: want %q, got %s", want, r)
	}

	// Its process dies: what it made stays, and it takes that up again.
	before := e.Status(t).All()["vpc"].PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, reached)
	if after := e.Status(t).All()["vpc"].PID; after == before {
		t.Errorf("the process %d was to be killed", before)
	}

	// Closed to the outside, the endpoint is there inside.
	if got := k.update(t, "--resources-vpc-config", "endpointPublicAccess=false,endpointPrivateAccess=true"); got != "Successful" {
		t.Errorf("the update is %s", got)
	}
	if r := k.client.TryKubectl(t, k.config, "get", "--raw", "/readyz"); r.ExitCode == 0 {
		t.Errorf("a private endpoint lets in from outside: %s", r)
	}
	if answer, err := m.livez(d); err != nil || answer != "ok" {
		t.Errorf("a private endpoint from inside: %q, %v", answer, err)
	}
	k.delete(t)
	if left := k.client.AWS(t, "ec2", "describe-network-interfaces", "--filters", "Name=private-ip-address,Values="+strings.Join(own, ","),
		"--query", "NetworkInterfaces[].NetworkInterfaceId", "--output", "text"); len(own) != 2 || left != "" {
		t.Errorf("the interfaces %q of the control plane have left %q", own, left)
	}
}
