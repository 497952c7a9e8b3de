package machine

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"

	"minato.dev/minato/internal/home"
)

func TestParseHierarchy(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]hierarchy{
		"30 25 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu":                           {"cpu", "cpu"},
		"31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct":                             {"cpu,cpuacct", "cpu,cpuacct"},
		"32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd": {"systemd", "none,name=systemd"},
		"33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw":                                           {},
		"34 25 0:30 / /mnt/cpu rw - cgroup cgroup rw,cpu":                                                       {},
		"nonsense": {},
	} {
		if got, ok := parseHierarchy(line); got != want || ok != (want.name != "") {
			t.Errorf("%q: %+v, %t; want %+v", line, got, ok, want)
		}
	}
}

func TestShownSize(t *testing.T) {
	t.Parallel()
	if got := meminfo(4096); !strings.HasPrefix(got, "MemTotal:        4194304 kB\n") {
		t.Errorf("meminfo of 4 GiB begins with %.40q", got)
	}
	host := "processor\t: 0\nmodel name\t: X\ncpu cores\t: 2\n\nprocessor\t: 1\nmodel name\t: X\ncpu cores\t: 2\n\n"
	got := repeatProcessor(host, 3)
	if strings.Count(got, "model name") != 3 || !strings.Contains(got, "processor: 2\n") && !strings.Contains(got, "processor\t: 2\n") || strings.Contains(got, "cpu cores\t: 2") {
		t.Errorf("three processors are shown as %q", got)
	}
	files := processors(Size{VCPUs: 3, MemoryMiB: 1024}, true)
	if files["cpu/online"] != "0-2\n" || files["node/node0/cpu2/topology/core_id"] != "2\n" || files["cpu/cpu3/topology/core_id"] != "" {
		t.Errorf("the topology of three processors is %v", files)
	}
	if one := processors(Size{VCPUs: 1}, true); one["cpu/online"] != "0\n" {
		t.Errorf("one processor is %q", one["cpu/online"])
	}
	for name := range processors(Size{VCPUs: 8}, false) {
		if strings.Contains(name, "topology") || strings.HasPrefix(name, "node/") {
			t.Errorf("processors that are not there have the file %s", name)
		}
	}
	if hasProcessors(1000) {
		t.Error("this machine has a thousand processors")
	}
}

func testSpec() Spec {
	return Spec{
		InstanceID: "i-0123456789abcdef0", InstanceType: "t3.medium", Account: "111122223333", Region: "eu-west-1", Zone: "eu-west-1a",
		Name: "ip-10-0-0-4.eu-west-1.compute.internal", HopLimit: 1, Role: "node", UserData: []byte("x"), SecurityGroups: []string{"sg-1", "sg-2"},
		Network: Network{
			VPCID: "vpc-1", SubnetID: "subnet-1", InterfaceID: "eni-1", MAC: "02:00:00:00:00:01", Subnet: netip.MustParsePrefix("10.0.0.0/24"),
			VPCCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.5")},
		},
		Size:          Size{VCPUs: 2, MemoryMiB: 4096, DiskGiB: 20, MaxPods: 17},
		Cluster:       Cluster{Name: "prod", Endpoint: "https://192.0.2.1:6443", CA: []byte("ca"), DNS: netip.MustParseAddr("10.100.0.10")},
		KubeletConfig: map[string]any{"maxPods": 5.0, "evictionHard": map[string]any{"memory.available": "200Mi"}},
		KubeletFlags:  []string{"--node-labels=a=b"},
	}
}

// newHome is a home whose run folder goes with the test.
func newHome(t *testing.T) home.Dir {
	t.Helper()
	h := home.Dir(t.TempDir())
	t.Cleanup(func() { _ = os.RemoveAll(h.Run()) })
	return h
}

func TestKubeletConfig(t *testing.T) {
	t.Parallel()
	s := testSpec()
	config := kubeletConfig(s)
	eviction := config["evictionHard"].(object)
	if config["maxPods"] != 5.0 || eviction["memory.available"] != "200Mi" || eviction["nodefs.available"] != "10%" {
		t.Errorf("the user data's fields are not over ours: %v, %v", config["maxPods"], eviction)
	}
	if got := config["kubeReserved"].(object); got["cpu"] != "70m" || got["memory"] != "442Mi" {
		t.Errorf("a t3.medium reserves %v, want 70m and 442Mi", got)
	}
	if config["providerID"] != "aws:///eu-west-1a/i-0123456789abcdef0" || config["serverTLSBootstrap"] != true {
		t.Errorf("provider id %v, serverTLSBootstrap %v", config["providerID"], config["serverTLSBootstrap"])
	}
	args := kubeletArgs(s)
	if args[len(args)-1] != "--node-labels=a=b" || !strings.Contains(strings.Join(args, " "), "--hostname-override=ip-10-0-0-4.eu-west-1.compute.internal --node-ip=10.0.0.4") {
		t.Errorf("kubelet's arguments are %q", args)
	}
	b, err := json.Marshal(kubeconfig(s))
	if err != nil || !strings.Contains(string(b), `"args":["token","--cluster-name","prod","--region","eu-west-1"]`) {
		t.Errorf("kubeconfig is %s, %v", b, err)
	}
}

func TestMetadata(t *testing.T) {
	h, s := newHome(t), testSpec()
	if _, err := WriteSpec(h, s); err != nil {
		t.Fatal(err)
	}
	config, err := metadata(h, s)
	if err != nil {
		t.Fatal(err)
	}
	const mac = "meta-data/network/interfaces/macs/02:00:00:00:00:01/"
	for path, want := range map[string]string{
		mac + "local-ipv4s": "10.0.0.4\n10.0.0.5", mac + "vpc-ipv4-cidr-blocks": "10.0.0.0/16", mac + "security-group-ids": "sg-1\nsg-2",
		"meta-data/local-ipv4": "10.0.0.4", "meta-data/placement/region": "eu-west-1", "user-data": "x",
	} {
		if got := config.Values[path]; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	credentials := config.Dynamic["meta-data/iam/security-credentials/node"]
	if got, ok := credentials(); ok {
		t.Errorf("there are credentials before any were given: %s", got)
	}
	if err := WriteCredentials(h, s.InstanceID, Credentials{Code: "Success", AccessKeyID: "ASIAEXAMPLE"}); err != nil {
		t.Fatal(err)
	}
	if got, ok := credentials(); !ok || !strings.Contains(got, `"AccessKeyId": "ASIAEXAMPLE"`) {
		t.Errorf("the credentials are %s", got)
	}
}

func TestSpecIsKept(t *testing.T) {
	h, s := newHome(t), testSpec()
	for i, want := range []bool{true, false} {
		if changed, err := WriteSpec(h, s); err != nil || changed != want {
			t.Errorf("writing it the %d. time: changed %t, %v", i+1, changed, err)
		}
	}
	got, err := ReadSpec(h, s.InstanceID)
	if err != nil || got.Name != s.Name || got.Network.Primary() != s.Network.Primary() {
		t.Errorf("read as %+v, %v", got, err)
	}
	left, err := Left(h)
	if err != nil || len(left) != 1 || left[0] != s.InstanceID {
		t.Errorf("left: %q, %v", left, err)
	}
	if err := Remove(h, s.InstanceID); err != nil {
		t.Fatal(err)
	}
	if left, err := Left(h); err != nil || len(left) != 0 {
		t.Errorf("left after removing: %q, %v", left, err)
	}
}

func TestMachineID(t *testing.T) {
	t.Parallel()
	if got := machineID("i-0123456789abcdef0"); got != "0000000000000000123456789abcdef0"[:15]+"0123456789abcdef0" || len(got) != 32 {
		t.Errorf("the machine id is %q", got)
	}
}
