package ec2_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
)

// planeNetwork is the default VPC, with more than one subnet in a zone, and the interfaces of a cluster in it.
type planeNetwork struct {
	*ec2.Service
	t       *testing.T
	vpc     string
	subnets map[string]string // by what the test calls them: a, b, c, and a2, which is in the zone of a
	groups  []string
}

func newPlaneNetwork(t *testing.T) *planeNetwork {
	t.Helper()
	n := &planeNetwork{Service: start(t), t: t, subnets: map[string]string{}}
	page, err := n.DescribeSubnets(t.Context(), caller, ec2.Describe{})
	n.must(err)
	for _, s := range page.Items {
		n.vpc, n.subnets[s.Zone[len(s.Zone)-1:]] = s.VPCID, s.ID
	}
	a2, err := n.CreateSubnet(t.Context(), caller, ec2.NewSubnet{VPCID: n.vpc, CIDR: "172.31.64.0/28", Zone: "us-east-1a"})
	n.must(err)
	n.subnets["a2"] = a2.ID
	for _, name := range []string{"own", "more"} {
		g, err := n.CreateSecurityGroup(t.Context(), caller, ec2.NewSecurityGroupIn{VPCID: n.vpc, Name: name, Description: name})
		n.must(err)
		n.groups = append(n.groups, g.ID)
	}
	return n
}

func (n *planeNetwork) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// ensure wants a cluster's interfaces in subnets.
func (n *planeNetwork) ensure(cluster string, groups []string, subnets ...string) error {
	want := ec2.ClusterInterfaces{ClusterID: cluster, ClusterName: cluster, Role: minato.NewARN("iam", "", scope.Account, "role/eks"), SecurityGroups: groups}
	for _, s := range subnets {
		want.Subnets = append(want.Subnets, n.subnets[s])
	}
	return n.EnsureClusterInterfaces(n.t.Context(), scope, want)
}

// interfaces are a cluster's, by what the test calls their subnets.
func (n *planeNetwork) interfaces(cluster string) map[string]ec2.InterfaceView {
	n.t.Helper()
	page, err := n.DescribeInterfaces(n.t.Context(), caller, ec2.Describe{Filters: []ec2.Filter{{Name: "description", Values: []string{"Amazon EKS " + cluster}}}})
	n.must(err)
	found := map[string]ec2.InterfaceView{}
	for name, id := range n.subnets {
		for _, i := range page.Items {
			if i.SubnetID == id {
				found[name] = i
			}
		}
	}
	if len(found) != len(page.Items) {
		n.t.Errorf("%d interfaces in %d subnets", len(page.Items), len(found))
	}
	return found
}

func (n *planeNetwork) wantIn(cluster string, subnets ...string) map[string]ec2.InterfaceView {
	n.t.Helper()
	found := n.interfaces(cluster)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, subnets) {
		n.t.Errorf("%s has interfaces in %v, want %v", cluster, got, subnets)
	}
	return found
}

func (n *planeNetwork) free(subnet string) int {
	n.t.Helper()
	found, err := n.Subnets(n.t.Context(), scope, []string{n.subnets[subnet]})
	n.must(err)
	return found[0].AvailableAddresses()
}

func (n *planeNetwork) deleteSubnet(subnet string) error {
	return n.DeleteSubnet(n.t.Context(), caller, n.subnets[subnet])
}

func (n *planeNetwork) wantReason(err error, reason string) {
	n.t.Helper()
	if reasonOf(err) != reason {
		n.t.Errorf("%v, want %s", err, reason)
	}
}

func TestClusterInterfaces(t *testing.T) {
	t.Parallel()
	n := newPlaneNetwork(t)
	ctx := t.Context()
	n.must(n.ensure("prod", n.groups, "a", "a2", "b", "c"))
	n.must(n.ensure("prod", n.groups, "a", "a2", "b", "c"))
	nics := n.wantIn("prod", "a", "b")
	nic := nics["a"]
	if nic.RequesterManaged() || !strings.HasSuffix(nic.RequesterID, ":AmazonEKS") || !nic.InUse() || nic.AttachmentID == "" || nic.InstanceID != "" ||
		nic.AttachmentOwner() == scope.Account || !slices.Equal(nic.SecurityGroups, n.groups) || n.free("a") != 4090 {
		t.Errorf("%+v, %d addresses free", nic, n.free("a"))
	}
	n.wantReason(n.deleteSubnet("a"), "DependencyViolation")
	_, err := n.DeleteSecurityGroup(ctx, caller, ec2.GroupName{ID: n.groups[1]})
	n.wantReason(err, "DependencyViolation")
	n.wantReason(n.DeleteVPC(ctx, caller, n.vpc), "DependencyViolation")
	n.wantReason(n.DeleteInterface(ctx, caller, nic.ID), "InvalidParameterValue")
	n.must(n.deleteSubnet("a2")) // as on AWS: no interface is in it

	// What its owner changes on them stays, until the cluster asks for other groups.
	n.must(n.ModifyInterface(ctx, caller, nic.ID, ec2.InterfaceAttributes{SecurityGroups: n.groups[:1]}))
	n.must(n.ensure("prod", n.groups, "a", "a2", "b", "c"))
	if now := n.interfaces("prod")["a"]; now.ID != nic.ID || len(now.SecurityGroups) != 1 {
		t.Errorf("the groups are back: %+v", now)
	}

	// Interfaces in subnets that stay stay, with the groups that are wanted now.
	n.must(n.ensure("prod", n.groups[:1], "b", "c"))
	now := n.wantIn("prod", "b", "c")
	if now["b"].ID != nics["b"].ID || len(now["b"].SecurityGroups) != 1 || len(now["c"].SecurityGroups) != 1 || n.free("a") != 4091 {
		t.Errorf("%+v, %d addresses free in a", now, n.free("a"))
	}
	n.must(n.deleteSubnet("a"))
	_, err = n.DeleteSecurityGroup(ctx, caller, ec2.GroupName{ID: n.groups[1]})
	n.must(err)

	n.must(n.RemoveClusterInterfaces(ctx, scope, "prod"))
	n.must(n.RemoveClusterInterfaces(ctx, scope, "prod"))
	n.wantIn("prod")
	n.must(n.deleteSubnet("b"))
	n.must(n.deleteSubnet("c"))
	_, err = n.DeleteSecurityGroup(ctx, caller, ec2.GroupName{ID: n.groups[0]})
	n.must(err)
}

// TestClusterInterfacesCannotBe: an interface that cannot be had leaves all as it was, and another subnet of the zone is as good.
func TestClusterInterfacesCannotBe(t *testing.T) {
	t.Parallel()
	n := newPlaneNetwork(t)
	for range 11 { // all that a /28 has
		_, err := n.CreateInterface(t.Context(), caller, ec2.NewInterface{SubnetID: n.subnets["a2"]})
		n.must(err)
	}
	n.wantReason(n.ensure("prod", n.groups, "a2", "b"), "InsufficientFreeAddressesInSubnet")
	n.wantIn("prod")
	if free := n.free("b"); free != 4091 {
		t.Errorf("%d addresses are free in b", free)
	}
	n.must(n.ensure("prod", n.groups, "a2", "a", "b"))
	n.wantIn("prod", "a", "b")
	n.wantReason(n.ensure("prod", n.groups, "a2", "b"), "InsufficientFreeAddressesInSubnet")
	n.must(n.deleteSubnet("c"))
	n.wantReason(n.ensure("prod", n.groups, "c", "b"), "InvalidSubnetID.NotFound")
	n.wantReason(n.ensure("prod", append(n.groups, "sg-0123456789abcdef0"), "a", "b"), "InvalidGroup.NotFound")
	n.wantIn("prod", "a", "b")
}

func TestClusterInterfacesTogether(t *testing.T) {
	t.Parallel()
	n := newPlaneNetwork(t)
	group, _ := errgroup.WithContext(context.Background())
	names := []string{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"}
	for _, name := range names {
		group.Go(func() error { return n.ensure(name, n.groups, "a", "b") })
		group.Go(func() error { return n.ensure(name, n.groups, "a", "b") })
	}
	n.must(group.Wait())
	for _, name := range names {
		n.wantIn(name, "a", "b")
	}
	if free := n.free("a"); free != 4091-len(names) {
		t.Errorf("%d addresses are free", free)
	}
}
