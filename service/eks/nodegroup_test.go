package eks

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// testCompute has three instance types and a launch template of six versions on a machine that is x86_64.
func testCompute() Compute {
	templates := map[string]LaunchTemplate{
		"1": {Ref: NodegroupTemplate{"lt-1", "base", "1"}, InstanceType: "m5.large"},
		"2": {Ref: NodegroupTemplate{"lt-1", "base", "2"}, ImageID: "ami-35", ImageMinor: "1.35"},
		"3": {Ref: NodegroupTemplate{"lt-1", "base", "3"}, InstanceProfile: true},
		"4": {Ref: NodegroupTemplate{"lt-1", "base", "4"}},
		"5": {Ref: NodegroupTemplate{"lt-1", "base", "5"}, Spot: true},
		"6": {Ref: NodegroupTemplate{"lt-1", "base", "6"}, ShutdownBehavior: true},
	}
	return Compute{
		InstanceType: func(name string) (InstanceType, bool) {
			types := map[string]InstanceType{"t3.medium": {"t3.medium", "x86_64", 18}, "m5.large": {"m5.large", "x86_64", 30}, "t4g.medium": {"t4g.medium", "arm64", 18}}
			t, ok := types[name]
			return t, ok
		},
		Release: func(minor string) (string, bool) {
			release, ok := map[string]string{"1.34": "1.34.4-20251002", "1.35": "1.35.4-20260127", "1.36": "1.36.3-20260601"}[minor]
			return release, ok
		},
		Architecture: "x86_64",
		LaunchTemplate: func(_ context.Context, _ minato.Scope, ref NodegroupTemplate) (LaunchTemplate, error) {
			t, ok := templates[orWord(ref.Version, "1")]
			if !ok || ref.ID+ref.Name != "lt-1" && ref.ID+ref.Name != "base" {
				return t, minato.Errorf(minato.NotFound, "no such template")
			}
			return t, nil
		},
		NodePolicies: func(_ context.Context, role minato.ARN) (RolePolicies, error) {
			switch role.ResourceName() {
			case "node-bare":
				return RolePolicies{Attached: []string{"AmazonEKS_CNI_Policy"}}, nil
			case "node-own":
				return RolePolicies{Own: true}, nil
			}
			return RolePolicies{Attached: []string{"AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy"}}, nil
		},
	}
}

// groupRequest is the smallest request for a nodegroup.
func groupRequest(name string) CreateNodegroupRequest {
	return CreateNodegroupRequest{
		ClusterName: "prod", Name: name, SubnetIDs: []string{"subnet-a", "subnet-b"}, NodeRole: "arn:aws:iam::111122223333:role/node",
	}
}

func nodeWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.create(t, request("prod"))
	w.asked()
	return w
}

// settle does what the nodegroup reconciler does to a record at the end of a pass that found all well.
func (w *world) settle(t *testing.T, name string) Nodegroup {
	t.Helper()
	_, item, err := w.readNodegroup(t.Context(), alice, "eks:DescribeNodegroup", "prod", name)
	if err != nil {
		t.Fatal(err)
	}
	n := &item.Value
	n.Status.Status, n.Status.ObservedGeneration = NodegroupActive, n.Spec.Generation
	ops, err := CompleteNodegroupUpdates(t.Context(), w.Store, n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Commit(t.Context(), append(ops, Nodegroups(w.Store).UpdateOp(item))...); err != nil {
		t.Fatal(err)
	}
	return *n
}

func TestCreateNodegroupWithDefaults(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := groupRequest("ng")
	r.Tags = minato.Tags{"team": "a"}
	got, err := w.CreateNodegroup(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	want := Nodegroup{
		Scope: testScope, ClusterName: "prod", Name: "ng", CreatedAt: today, ModifiedAt: today, Tags: minato.Tags{"team": "a"},
		Spec: NodegroupSpec{
			Generation: 1, Revision: 1, LastRevision: 1, Version: "1.35", ReleaseVersion: "1.35.4-20260127", AMIType: "AL2023_x86_64_STANDARD", CapacityType: "ON_DEMAND",
			InstanceTypes: []string{"t3.medium"}, DiskGiB: 20, SubnetIDs: []string{"subnet-a", "subnet-b"},
			NodeRole: minato.NewARN("iam", "", "111122223333", "role/node"), Scaling: Scaling{1, 2, 2}, Update: NodegroupUpdates{MaxUnavailable: 1},
		},
		Status: NodegroupState{Status: NodegroupCreating},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Nodegroup{}, "ClusterID", "UUID", "RequestHash")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	accesses := w.accesses
	if asked, want := w.asked(), []string{"eks:CreateNodegroup", "eks:TagResource", "iam:PassRole"}; !slices.Equal(asked, want) {
		t.Errorf("authorized %v, want %v", asked, want)
	}
	if a := accesses[2]; a.Resource != got.Spec.NodeRole || a.Context["iam:passedtoservice"][0] != "eks.amazonaws.com" {
		t.Errorf("PassRole was asked with %+v", a)
	}
	if read, err := w.DescribeNodegroup(t.Context(), alice, "prod", "ng"); err != nil || cmp.Diff(got, read) != "" {
		t.Errorf("described differently: %v\n%s", err, cmp.Diff(got, read))
	}
}

func TestCreateNodegroupRefuses(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	n := func(i int) *int { return &i }
	scaling := func(min, max, desired int) *ScalingRequest { return &ScalingRequest{n(min), n(max), n(desired)} }
	for name, c := range map[string]struct {
		change func(*CreateNodegroupRequest)
		want   string
	}{
		"name":            {func(r *CreateNodegroupRequest) { r.Name = "-x" }, "nodegroup name"},
		"half scaling":    {func(r *CreateNodegroupRequest) { r.Scaling = &ScalingRequest{Min: n(1)} }, "must all be given"},
		"min above max":   {func(r *CreateNodegroupRequest) { r.Scaling = scaling(3, 2, 3) }, "minSize can't be greater than maxSize"},
		"desired above":   {func(r *CreateNodegroupRequest) { r.Scaling = scaling(1, 2, 3) }, "desiredSize can't be greater than maxSize"},
		"desired below":   {func(r *CreateNodegroupRequest) { r.Scaling = scaling(2, 3, 1) }, "minSize can't be greater than desiredSize"},
		"no max":          {func(r *CreateNodegroupRequest) { r.Scaling = scaling(0, 0, 0) }, "maxSize is not valid"},
		"no subnets":      {func(r *CreateNodegroupRequest) { r.SubnetIDs = nil }, "subnets is empty"},
		"unknown subnet":  {func(r *CreateNodegroupRequest) { r.SubnetIDs = []string{"subnet-9"} }, "'subnet-9' was not found"},
		"other VPC":       {func(r *CreateNodegroupRequest) { r.SubnetIDs = []string{"subnet-x"} }, "not in the cluster's VPC"},
		"full subnet":     {func(r *CreateNodegroupRequest) { r.SubnetIDs = []string{"subnet-a2"} }, "do not have enough free IP addresses"},
		"no role":         {func(r *CreateNodegroupRequest) { r.NodeRole = "" }, "not the ARN of an IAM role"},
		"unknown role":    {func(r *CreateNodegroupRequest) { r.NodeRole = "arn:aws:iam::111122223333:role/none" }, "cannot be found"},
		"untrusting role": {func(r *CreateNodegroupRequest) { r.NodeRole = "arn:aws:iam::111122223333:role/lambda" }, "[ec2.amazonaws.com] were not found in the trust relationships"},
		"bare role":       {func(r *CreateNodegroupRequest) { r.NodeRole = "arn:aws:iam::111122223333:role/node-bare" }, "[AmazonEKSWorkerNodePolicy, AmazonEC2ContainerRegistryReadOnly] are attached"},
		"type":            {func(r *CreateNodegroupRequest) { r.InstanceTypes = []string{"x9.huge"} }, "do not exist: [x9.huge]"},
		"architecture":    {func(r *CreateNodegroupRequest) { r.InstanceTypes = []string{"t4g.medium"} }, "not a valid instance type"},
		"AMI type":        {func(r *CreateNodegroupRequest) { r.AMIType = "BOTTLEROCKET_x86_64" }, "amiType"},
		"version":         {func(r *CreateNodegroupRequest) { r.Version = "1.34" }, "should be equal to Cluster Kubernetes version 1.35"},
		"release":         {func(r *CreateNodegroupRequest) { r.ReleaseVersion = "1.35.0-1" }, "Allowed release version is 1.35.4-20260127"},
		"capacity":        {func(r *CreateNodegroupRequest) { r.CapacityType = "CAPACITY_BLOCK" }, "capacityType"},
		"disk":            {func(r *CreateNodegroupRequest) { r.DiskGiB = n(0) }, "diskSize"},
		"label":           {func(r *CreateNodegroupRequest) { r.Labels = map[string]string{"a.kubernetes.io/b": "c"} }, "reserved prefixes"},
		"label value":     {func(r *CreateNodegroupRequest) { r.Labels = map[string]string{"a": "b c"} }, "value \"b c\""},
		"taint effect":    {func(r *CreateNodegroupRequest) { r.Taints = []Taint{{"a", "", "NoSchedule"}} }, "effect"},
		"taint twice":     {func(r *CreateNodegroupRequest) { r.Taints = []Taint{{"a", "", "NO_EXECUTE"}, {"a", "b", "NO_EXECUTE"}} }, "twice"},
		"update config":   {func(r *CreateNodegroupRequest) { r.Update = &NodegroupUpdates{1, 50, ""} }, "Only one of"},
		"repair":          {func(r *CreateNodegroupRequest) { r.Repair = &NodeRepair{MaxParallelCount: 1, MaxParallelPercentage: 1} }, "Only one of"},
		"warm pool": {func(r *CreateNodegroupRequest) {
			r.Other = map[string]json.RawMessage{"warmPoolConfig": []byte(`{"enabled":true}`)}
		}, "warm pools"},
		"remote access":    {func(r *CreateNodegroupRequest) { r.RemoteAccess = true }, "no SSH server"},
		"template unknown": {func(r *CreateNodegroupRequest) { r.Template = &NodegroupTemplate{ID: "lt-9"} }, "lt-9"},
		"template, disk":   {func(r *CreateNodegroupRequest) { r.Template, r.DiskGiB = &NodegroupTemplate{ID: "lt-1"}, n(9) }, "Disk size must be specified within the launch template."},
		"template, types": {func(r *CreateNodegroupRequest) {
			r.Template, r.InstanceTypes = &NodegroupTemplate{ID: "lt-1"}, []string{"t3.medium"}
		}, "in both the launch template"},
		"template, spot":     {func(r *CreateNodegroupRequest) { r.Template = &NodegroupTemplate{ID: "lt-1", Version: "5"} }, "should not request spot instances"},
		"template, shutdown": {func(r *CreateNodegroupRequest) { r.Template = &NodegroupTemplate{ID: "lt-1", Version: "6"} }, "should not specify an instance initiated shutdown behavior"},
		"template, profile":  {func(r *CreateNodegroupRequest) { r.Template = &NodegroupTemplate{ID: "lt-1", Version: "3"} }, "should not specify an instance profile"},
		"template, AMI": {func(r *CreateNodegroupRequest) {
			r.Template, r.Version = &NodegroupTemplate{Name: "base", Version: "2"}, "1.35"
		}, "You cannot specify version"},
	} {
		r := groupRequest("ng")
		c.change(&r)
		_, err := w.CreateNodegroup(t.Context(), alice, r)
		if !strings.Contains(errString(err), c.want) || !minato.Is(err, minato.Invalid) {
			t.Errorf("%s: %v (%s), want %q", name, err, minato.KindOf(err), c.want)
		}
	}
	for name, role := range map[string]string{"node": "role/node", "own policies": "role/node-own"} {
		r := groupRequest(strings.ReplaceAll(name, " ", "-"))
		r.NodeRole = "arn:aws:iam::111122223333:" + role
		if _, err := w.CreateNodegroup(t.Context(), alice, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := groupRequest("ng")
	r.ClusterName = "none"
	_, err := w.CreateNodegroup(t.Context(), alice, r)
	wantError(t, err, minato.NotFound, "No cluster found for name: none.")
	w.deny = func(a iam.Access) bool { return a.Action == "iam:PassRole" }
	cluster, err := w.DescribeCluster(t.Context(), alice, "prod")
	if err != nil {
		t.Fatal(err)
	}
	unreadable := Nodegroups(w.Store).Key(NodegroupKey(cluster.ID, "unreadable"))
	if _, err := w.Store.Commit(t.Context(), store.Create(unreadable, []byte("{"))); err != nil {
		t.Fatal(err)
	}
	_, err = w.CreateNodegroup(t.Context(), alice, groupRequest("unreadable"))
	wantError(t, err, minato.AlreadyExists, "NodeGroup already exists with name unreadable and cluster name prod")
	_, err = w.CreateNodegroup(t.Context(), alice, groupRequest("ng"))
	wantError(t, err, minato.Denied, "iam:PassRole")
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCreateNodegroupFromTemplate(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := groupRequest("typed")
	r.Template = &NodegroupTemplate{Name: "base"}
	got, err := w.CreateNodegroup(t.Context(), alice, r)
	if err != nil || *got.Spec.Template != (NodegroupTemplate{"lt-1", "base", "1"}) || got.Spec.InstanceTypes != nil || got.Spec.DiskGiB != 0 {
		t.Errorf("%+v, %v", got.Spec, err)
	}
	r = groupRequest("imaged")
	r.Template = &NodegroupTemplate{ID: "lt-1", Version: "2"}
	got, err = w.CreateNodegroup(t.Context(), alice, r)
	if err != nil || got.Spec.AMIType != "CUSTOM" || got.Spec.ReleaseVersion != "ami-35" || got.Spec.Version != "1.35" || !slices.Equal(got.Spec.InstanceTypes, []string{"t3.medium"}) {
		t.Errorf("%+v, %v", got.Spec, err)
	}
}

func TestCreateNodegroupTwice(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	r := groupRequest("ng")
	r.ClientRequestToken = "token"
	first, err := w.CreateNodegroup(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.CreateNodegroup(t.Context(), alice, r)
	if err != nil || again.UUID != first.UUID {
		t.Errorf("the same request: %v, %v", again.UUID, err)
	}
	r.Name = "other"
	_, err = w.CreateNodegroup(t.Context(), alice, r)
	wantError(t, err, minato.Invalid, "already used for another request")
	r = groupRequest("ng")
	_, err = w.CreateNodegroup(t.Context(), alice, r)
	wantError(t, err, minato.AlreadyExists, "NodeGroup already exists with name ng and cluster name prod")
}

func TestCreateNodegroupAtOnce(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	var running sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		running.Go(func() { _, errs[i] = w.CreateNodegroup(t.Context(), alice, groupRequest("ng")) })
	}
	running.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !minato.Is(err, minato.AlreadyExists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d were made, want 1", made)
	}
}

func TestDeleteClusterWithNodegroups(t *testing.T) {
	t.Parallel()
	w := nodeWorld(t)
	// One that comes between the deletion's look and its write must not be lost.
	w.meanwhile("eks:DeleteCluster", func() {
		if _, err := w.CreateNodegroup(t.Context(), alice, groupRequest("ng")); err != nil {
			t.Error(err)
		}
	})
	_, err := w.DeleteCluster(t.Context(), alice, "prod")
	wantError(t, err, minato.InUse, "Cluster has nodegroups attached")
	n, err := w.DeleteNodegroup(t.Context(), alice, "prod", "ng")
	if err != nil || n.Status.Status != NodegroupDeleting {
		t.Fatal(n.Status, err)
	}
	if _, err := w.DeleteNodegroup(t.Context(), alice, "prod", "ng"); err != nil {
		t.Errorf("deleting it again: %v", err)
	}
	if err := Nodegroups(w.Store).Delete(t.Context(), NodegroupKey(n.ClusterID, "ng"), store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DeleteCluster(t.Context(), alice, "prod"); err != nil {
		t.Error(err)
	}
	_, err = w.DescribeNodegroup(t.Context(), alice, "prod", "ng")
	wantError(t, err, minato.NotFound, "No node group found for name: ng.")
}
