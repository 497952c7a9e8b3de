package ec2_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/service/ec2"
)

// at is a launch into the default subnet of zone a.
func at(t *testing.T, s *ec2.Service, count int, itype string) ec2.Launch {
	t.Helper()
	image, ok := s.ImageFor("1.35", false)
	if !ok {
		t.Fatal("there is no image of 1.35")
	}
	subnets, err := s.DefaultSubnets(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	return ec2.Launch{Count: count, Type: itype, ImageID: image.ID, SubnetID: subnets[0].ID}
}

func available(t *testing.T, s *ec2.Service, subnetID string) int {
	t.Helper()
	found, err := s.Subnets(t.Context(), scope, []string{subnetID})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0].AvailableAddresses()
}

func TestMaxPods(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{ // amazon-eks-ami's eni-max-pods.txt
		"t3.nano": 4, "t3.small": 11, "t3a.small": 8, "t3.medium": 17, "t3.large": 35, "t3.xlarge": 58, "m5.large": 29, "m5.xlarge": 58,
		"c5.4xlarge": 234, "m6g.medium": 8, "r5.2xlarge": 58,
	} {
		if itype, ok := ec2.InstanceTypeByName(name); !ok || itype.MaxPods() != want {
			t.Errorf("%s runs %d pods, want %d", name, itype.MaxPods(), want)
		}
	}
}

// TestFargateMachines is that a pod which asks for all that it is given fits beside what each node runs.
func TestFargateMachines(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]ec2.InstanceType{
		"fargate.250m-512mib":     {VCPUs: 1, MemoryMiB: 1024},
		"fargate.1000m-2048mib":   {VCPUs: 2, MemoryMiB: 2560},
		"fargate.4000m-8192mib":   {VCPUs: 5, MemoryMiB: 8704},
		"fargate.16000m-32768mib": {VCPUs: 17, MemoryMiB: 33280},
	} {
		if got, ok := ec2.InstanceTypeByName(name); !ok || got.VCPUs != want.VCPUs || got.MemoryMiB != want.MemoryMiB || got.MaxPods() != 11 {
			t.Errorf("%s: %+v with %d pods, want %+v with 11", name, got, got.MaxPods(), want)
		}
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	s := start(t)
	seen := map[string]bool{}
	for _, image := range s.Images() {
		again, ok := s.ImageFor(image.Minor, image.Simulated)
		if byID, found := s.ImageByID(image.ID); !ok || !found || again != image || byID != image {
			t.Errorf("%+v is not found as it is", image)
		}
		if seen[image.ID] || !regexp.MustCompile(`^ami-0[0-9a-f]{16}$`).MatchString(image.ID) {
			t.Errorf("%s is not an id, or not of one image only", image.ID)
		}
		seen[image.ID] = true
	}
	if len(seen) == 0 {
		t.Error("there are no images")
	}
}

func TestLaunchAndTerminate(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	l := at(t, s, 2, "t3.medium")
	instances, err := s.Launch(ctx, scope, l)
	if err != nil || len(instances) != 2 {
		t.Fatalf("%+v, %v", instances, err)
	}
	i := instances[0]
	if i.PrivateIP.String() != "172.31.0.4" || i.PrivateDNSName != "ip-172-31-0-4.ec2.internal" || i.State != ec2.InstancePending ||
		i.Minor != "1.35" || i.DiskGiB != 20 || len(i.SecurityGroups) != 1 || i.ReservationID != instances[1].ReservationID || !i.LaunchedAt.Equal(now) {
		t.Errorf("the instance is %+v", i)
	}
	nic, err := ec2.Interfaces(s.Store).Get(ctx, ec2.RecordID(scope, i.InterfaceID))
	if err != nil || len(nic.Value.Addresses) != 16 || nic.Value.Addresses[15].String() != "172.31.0.19" {
		t.Errorf("its interface is %+v, %v", nic.Value, err)
	}
	if got := available(t, s, l.SubnetID); got != 4091-32 {
		t.Errorf("%d addresses are left", got)
	}
	if err := s.Running(ctx, scope, i.ID); err != nil {
		t.Fatal(err)
	}
	ops, err := s.TerminateOps(ctx, scope, []string{i.ID, "i-gone"}, ec2.InstanceReason{Code: "Client.UserInitiatedShutdown"})
	if err != nil || len(ops) != 1 {
		t.Fatalf("%+v, %v", ops, err)
	}
	if _, err := s.Store.Commit(ctx, ops...); err != nil {
		t.Fatal(err)
	}
	if err := s.Running(ctx, scope, i.ID); err != nil { // too late
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := s.Terminated(ctx, scope, i.ID, ec2.InstanceReason{}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ec2.Instances(s.Store).Get(ctx, ec2.RecordID(scope, i.ID))
	if err != nil || got.Value.State != ec2.InstanceTerminated || got.Value.Reason.Code != "Client.UserInitiatedShutdown" {
		t.Errorf("%+v, %v", got.Value, err)
	}
	if got := available(t, s, l.SubnetID); got != 4091-16 {
		t.Errorf("%d addresses are left", got)
	}
	now = now.Add(2 * time.Hour)
	if err := s.Terminated(ctx, scope, instances[1].ID, ec2.InstanceReason{}); err != nil {
		t.Fatal(err)
	}
	if left, err := ec2.Instances(s.Store).List(ctx, "", "", 0); err != nil || len(left.Items) != 1 || left.Items[0].Value.ID != instances[1].ID {
		t.Errorf("after an hour there are %+v, %v", left.Items, err)
	}
}

// TestLaunchTogether launches from many sides at once: no address is given out twice, and the subnet counts right.
func TestLaunchTogether(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	l := at(t, s, 3, "t3.small")
	var all errgroup.Group
	for range 8 {
		all.Go(func() error { _, err := s.Launch(ctx, scope, l); return err })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	page, err := ec2.Interfaces(s.Store).List(ctx, "", "", 0)
	if err != nil || len(page.Items) != 24 {
		t.Fatalf("%d interfaces, %v", len(page.Items), err)
	}
	seen := map[netip.Addr]bool{}
	for _, nic := range page.Items {
		for _, a := range nic.Value.Addresses {
			if seen[a] {
				t.Errorf("%s is given out twice", a)
			}
			seen[a] = true
		}
	}
	if got := available(t, s, l.SubnetID); len(seen) != 24*10 || got != 4091-len(seen) {
		t.Errorf("%d addresses are given out, and %d left", len(seen), got)
	}
}

func TestFullSubnet(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	l := at(t, s, 17, "m5.4xlarge") // 233 addresses each
	all, err := s.Launch(ctx, scope, l)
	if err != nil {
		t.Fatal(err)
	}
	l.Count = 1
	if _, err := s.Launch(ctx, scope, l); reasonOf(err) != "InsufficientFreeAddressesInSubnet" {
		t.Errorf("one too many: %v", err)
	}
	if err := s.Terminated(ctx, scope, all[0].ID, ec2.InstanceReason{}); err != nil {
		t.Fatal(err)
	}
	again, err := s.Launch(ctx, scope, l)
	if err != nil {
		t.Fatal(err)
	}
	last := netip.MustParseAddr("172.31.15.254")
	page, err := ec2.Interfaces(s.Store).List(ctx, "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, nic := range page.Items {
		for _, a := range nic.Value.Addresses {
			if a.Compare(netip.MustParseAddr("172.31.0.4")) < 0 || a.Compare(last) > 0 {
				t.Errorf("%s, of %s, is reserved", a, nic.Value.InstanceID)
			}
		}
	}
	if again[0].PrivateIP == all[0].PrivateIP {
		t.Errorf("%s is given out at once after it was given back, with others free", again[0].PrivateIP)
	}
}

func TestLaunchRefused(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	for name, tc := range map[string]struct {
		change func(*ec2.Launch)
		reason string
	}{
		"image":       {func(l *ec2.Launch) { l.ImageID = "ami-0123456789abcdef0" }, "InvalidAMIID.NotFound"},
		"type":        {func(l *ec2.Launch) { l.Type = "t9.huge" }, "InvalidParameterValue"},
		"arm":         {func(l *ec2.Launch) { l.Type = otherArchitecture(t, s) }, "InvalidParameterValue"},
		"subnet":      {func(l *ec2.Launch) { l.SubnetID = "subnet-x" }, "InvalidSubnetID.NotFound"},
		"group":       {func(l *ec2.Launch) { l.SecurityGroups = []string{"sg-0123456789abcdef0"} }, "InvalidGroup.NotFound"},
		"none":        {func(l *ec2.Launch) { l.Count = 0 }, "InstanceLimitExceeded"},
		"many":        {func(l *ec2.Launch) { l.Count = 51 }, "InstanceLimitExceeded"},
		"disk":        {func(l *ec2.Launch) { l.DiskGiB = 20000 }, "InvalidParameterValue"},
		"user data":   {func(l *ec2.Launch) { l.UserData = make([]byte, 16<<10+1) }, "InvalidParameterValue"},
		"hops":        {func(l *ec2.Launch) { l.Metadata.HopLimit = 65 }, "InvalidParameterValue"},
		"reserved ip": {func(l *ec2.Launch) { l.PrivateIP = netip.MustParseAddr("172.31.0.3") }, "InvalidParameterValue"},
		"foreign ip":  {func(l *ec2.Launch) { l.PrivateIP = netip.MustParseAddr("10.0.0.9") }, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := at(t, s, 1, "t3.medium")
			tc.change(&l)
			if _, err := s.Launch(ctx, scope, l); reasonOf(err) != tc.reason {
				t.Errorf("%v, want %s", err, tc.reason)
			}
		})
	}
}

// otherArchitecture is a type that no image fits.
func otherArchitecture(t *testing.T, s *ec2.Service) string {
	t.Helper()
	for _, itype := range ec2.InstanceTypes() {
		if itype.Architecture != s.Images()[0].Architecture {
			return itype.Name
		}
	}
	t.Fatal("there is one architecture only")
	return ""
}

func TestPrivateDNSName(t *testing.T) {
	t.Parallel()
	a := netip.MustParseAddr("10.0.3.7")
	got := fmt.Sprint(ec2.PrivateDNSName("us-east-1", a), " ", ec2.PrivateDNSName("eu-west-1", a))
	if got != "ip-10-0-3-7.ec2.internal ip-10-0-3-7.eu-west-1.compute.internal" {
		t.Error(got)
	}
}
