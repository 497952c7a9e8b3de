package nodegroup

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

func wantStatus(t *testing.T, n eks.Nodegroup, status eks.NodegroupStatus, codes ...string) {
	t.Helper()
	var got []string
	for _, issue := range n.Status.Health {
		got = append(got, issue.Code)
	}
	if n.Status.Status != status || !slices.Equal(got, codes) {
		t.Errorf("status %s with %+v, want %s with %v", n.Status.Status, n.Status.Health, status, codes)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "ng", func(s *eks.NodegroupSpec) { s.Taints = []eks.Taint{{Key: "k", Value: "v", Effect: "NO_SCHEDULE"}} })
	if _, err := w.Reconcile(t.Context(), eks.NodegroupKey("c1", "ng")); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, w.get(t, "ng"), eks.NodegroupCreating)
	live := w.live(t)
	if len(live) != 2 || live[0].Zone == live[1].Zone {
		t.Fatalf("%d instances, want 2 in two zones: %+v", len(live), live)
	}
	i := live[0]
	tags := minato.Tags{
		"eks:cluster-name": "prod", "eks:nodegroup-name": "ng", "kubernetes.io/cluster/prod": "owned", "aws:autoscaling:groupName": "eks-ng-u-ng",
	}
	for key, want := range tags {
		if i.Tags[key] != want {
			t.Errorf("tag %s is %q, want %q", key, i.Tags[key], want)
		}
	}
	if i.RoleARN != role || i.ProfileARN.ResourceName() != "eks-u-ng" || i.Minor != "1.35" || i.RequesterID != "amazon-eks" {
		t.Errorf("%+v", i)
	}
	for _, want := range []string{"apiServerEndpoint: https://192.0.2.1:16443", "eks.amazonaws.com/nodegroup=ng", "tier=web", "eks.amazonaws.com/capacityType=ON_DEMAND", "k=v:NoSchedule", "cidr: 10.100.0.0/16"} {
		if !strings.Contains(string(i.UserData), want) {
			t.Errorf("no %q in the user data:\n%s", want, i.UserData)
		}
	}
	w.machines(t)
	w.passes(t, "ng")
	n := w.get(t, "ng")
	wantStatus(t, n, eks.NodegroupActive)
	if n.Status.GroupName != "eks-ng-u-ng" || n.Status.ObservedGeneration != 1 || len(w.live(t)) != 2 {
		t.Errorf("%+v", n.Status)
	}
	if w.entries[role.String()] != "EC2_LINUX" {
		t.Errorf("entries %v", w.entries)
	}
	rows := w.kube.get(configMapsPath + "/aws-auth")["data"].(kubeapi.Object)["mapRoles"].(string)
	for _, want := range []string{"rolearn: arn:aws:iam::111122223333:role/node\n", "username: system:node:{{EC2PrivateDNSName}}", "- system:bootstrappers", "- system:nodes"} {
		if !strings.Contains(rows, want) {
			t.Errorf("no %q in\n%s", want, rows)
		}
	}
	before := n
	w.passes(t, "ng")
	if after := w.get(t, "ng"); after.Status.Machines == nil || len(after.Status.Machines) != len(before.Status.Machines) {
		t.Errorf("it does not rest: %+v", after.Status)
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "ng", nil)
	w.passes(t, "ng")
	up := w.update(t, "ng", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 4 })
	w.passes(t, "ng")
	if n := len(w.live(t)); n != 4 || w.updateStatus(t, up).Status != eks.UpdateSuccessful {
		t.Errorf("%d instances, update %s", n, w.updateStatus(t, up).Status)
	}
	for i, node := range w.kube.nodes() {
		w.kube.addPod(node, "web-"+string(rune('a'+i)), "ReplicaSet")
		w.kube.addPod(node, "proxy-"+string(rune('a'+i)), "DaemonSet")
		w.kube.held["default/web-"+string(rune('a'+i))] = true
	}
	down := w.update(t, "ng", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 1 })
	w.passes(t, "ng")
	if n := len(w.live(t)); n != 4 || w.updateStatus(t, down).Status != eks.UpdateInProgress {
		t.Errorf("%d instances while a budget keeps their pods, update %s", n, w.updateStatus(t, down).Status)
	}
	cordoned := 0
	for _, node := range w.kube.nodes() {
		if w.kube.get(nodesPath + "/" + node)["spec"].(kubeapi.Object)["unschedulable"] == true {
			cordoned++
		}
	}
	if cordoned != 3 {
		t.Errorf("%d nodes are cordoned, want 3", cordoned)
	}
	clear(w.kube.held)
	w.passes(t, "ng")
	if n := len(w.live(t)); n != 1 || len(w.kube.nodes()) != 1 || w.updateStatus(t, down).Status != eks.UpdateSuccessful {
		t.Errorf("%d instances, nodes %v, update %s", n, w.kube.nodes(), w.updateStatus(t, down).Status)
	}
	wantStatus(t, w.get(t, "ng"), eks.NodegroupActive)

	// Who does not leave in time goes with the node.
	w.kube.addPod(w.kube.nodes()[0], "stays", "")
	w.kube.held["default/stays"] = true
	w.update(t, "ng", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 0 })
	w.passes(t, "ng")
	w.wait(11 * time.Minute)
	w.passes(t, "ng")
	if n := len(w.live(t)); n != 0 || w.kube.get("/api/v1/namespaces/default/pods/stays") != nil {
		t.Errorf("%d instances, nodes %v", n, w.kube.nodes())
	}
}

func TestLabelsAndTaints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "ng", func(s *eks.NodegroupSpec) { s.Taints = []eks.Taint{{Key: "k", Value: "v", Effect: "NO_SCHEDULE"}} })
	w.passes(t, "ng")
	node := w.kube.nodes()[0]
	w.kube.mu.Lock()
	object := w.kube.objects[nodesPath+"/"+node]
	object["metadata"].(kubeapi.Object)["labels"].(kubeapi.Object)["own"] = "mine"
	spec := object["spec"].(kubeapi.Object)
	spec["taints"] = append(spec["taints"].([]any), kubeapi.Object{"key": "own", "effect": "NoSchedule"})
	w.kube.mu.Unlock()
	id := w.update(t, "ng", func(s *eks.NodegroupSpec) {
		s.Labels = map[string]string{"level": "two"}
		s.Taints = []eks.Taint{{Key: "n", Effect: "NO_EXECUTE"}}
	})
	w.passes(t, "ng")
	if u := w.updateStatus(t, id); u.Status != eks.UpdateSuccessful {
		t.Errorf("update %+v", u)
	}
	got := w.kube.get(nodesPath + "/" + node)
	labels := got["metadata"].(kubeapi.Object)["labels"].(kubeapi.Object)
	if labels["level"] != "two" || labels["tier"] != nil || labels["own"] != "mine" || labels["eks.amazonaws.com/nodegroup"] != "ng" {
		t.Errorf("labels %v", labels)
	}
	var taints []string
	for _, taint := range got["spec"].(kubeapi.Object)["taints"].([]any) {
		taints = append(taints, taint.(kubeapi.Object)["key"].(string))
	}
	if !slices.Equal(taints, []string{"own", "n"}) {
		t.Errorf("taints %v", taints)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "ng", func(s *eks.NodegroupSpec) { s.Repair = &eks.NodeRepair{Enabled: true} })
	w.passes(t, "ng")
	first := w.live(t)

	// An instance that ends by itself.
	if err := w.ec2.Terminated(t.Context(), scope, first[0].ID, ec2.InstanceReason{Code: "Server.InternalError"}); err != nil {
		t.Fatal(err)
	}
	w.seen(t)
	w.passes(t, "ng")
	if live := w.live(t); len(live) != 2 || slices.ContainsFunc(live, func(i ec2.Instance) bool { return i.ID == first[0].ID }) || len(w.kube.nodes()) != 2 {
		t.Errorf("instances %+v, nodes %v", live, w.kube.nodes())
	}
	// A node that is deleted.
	w.kube.remove(nodesPath + "/" + first[1].PrivateDNSName)
	w.passes(t, "ng")
	if live := w.live(t); len(live) != 2 || slices.ContainsFunc(live, func(i ec2.Instance) bool { return i.ID == first[1].ID }) {
		t.Errorf("instances %+v", live)
	}
	// A node that only lost its label is not lost.
	kept := w.live(t)[0]
	w.kube.mu.Lock()
	delete(w.kube.objects[nodesPath+"/"+kept.PrivateDNSName]["metadata"].(kubeapi.Object)["labels"].(kubeapi.Object), nodegroupLabel)
	w.kube.mu.Unlock()
	w.pass(t, "ng")
	if live := w.live(t); !slices.ContainsFunc(live, func(i ec2.Instance) bool { return i.ID == kept.ID }) {
		t.Error("a node without its label was replaced")
	}
	w.join(t, kept)
	// A node that is not Ready for long.
	w.kube.setReady(kept.PrivateDNSName, "Unknown")
	w.passes(t, "ng")
	if live := w.live(t); !slices.ContainsFunc(live, func(i ec2.Instance) bool { return i.ID == kept.ID }) {
		t.Error("a node was replaced at once")
	}
	w.wait(31 * time.Minute)
	w.passes(t, "ng")
	if live := w.live(t); len(live) != 2 || slices.ContainsFunc(live, func(i ec2.Instance) bool { return i.ID == kept.ID }) {
		t.Errorf("instances %+v", live)
	}
	wantStatus(t, w.get(t, "ng"), eks.NodegroupActive)
}

func TestVersionUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "ng", nil)
	w.passes(t, "ng")
	roll := func(version string) string {
		return w.update(t, "ng", func(s *eks.NodegroupSpec) {
			s.Version = version
			s.LastRevision++
			s.Revision = s.LastRevision
		})
	}
	id := roll("1.34")
	for range 60 {
		w.pass(t, "ng")
		if n := len(w.live(t)); n < 2 || n > 3 {
			t.Errorf("%d instances during the update, want 2 or 3", n)
		}
	}
	if u := w.updateStatus(t, id); u.Status != eks.UpdateSuccessful || u.NodegroupBefore != nil {
		t.Errorf("update %+v", u)
	}
	for _, i := range w.live(t) {
		if i.Minor != "1.34" {
			t.Errorf("%+v", i)
		}
	}

	// Pods that may not leave fail the update, and everything is as before.
	for _, node := range w.kube.nodes() {
		w.kube.addPod(node, "on-"+node, "ReplicaSet")
		w.kube.held["default/on-"+node] = true
	}
	id = roll("1.35")
	w.passes(t, "ng")
	w.wait(11 * time.Minute)
	w.passes(t, "ng")
	u := w.updateStatus(t, id)
	if u.Status != eks.UpdateFailed || len(u.Errors) != 1 || u.Errors[0].Code != "PodEvictionFailure" || !strings.Contains(u.Errors[0].Message, "Reached max retries while trying to evict pods from nodes in node group ng") {
		t.Errorf("update %+v", u)
	}
	n := w.get(t, "ng")
	wantStatus(t, n, eks.NodegroupActive)
	live := w.live(t)
	if n.Spec.Version != "1.34" || len(live) != 2 || live[0].Minor != "1.34" || live[1].Minor != "1.34" {
		t.Errorf("%+v, %+v", n.Spec, live)
	}
	for _, node := range w.kube.nodes() {
		if w.kube.get(nodesPath + "/" + node)["spec"].(kubeapi.Object)["unschedulable"] == true {
			t.Errorf("%s is still cordoned", node)
		}
	}

	// So do those that Kubernetes never lets go, because two budgets are about them.
	clear(w.kube.held)
	w.kube.doubly["default/on-"+w.kube.nodes()[0]], w.kube.doubly["default/on-"+w.kube.nodes()[1]] = true, true
	id = roll("1.35")
	w.passes(t, "ng")
	w.wait(11 * time.Minute)
	w.passes(t, "ng")
	if u := w.updateStatus(t, id); u.Status != eks.UpdateFailed || !strings.Contains(u.Errors[0].Message, "more than one PodDisruptionBudget") {
		t.Errorf("update %+v", u)
	}

	// With force they go.
	id = w.update(t, "ng", func(s *eks.NodegroupSpec) {
		s.Version, s.Force = "1.35", true
		s.LastRevision++
		s.Revision = s.LastRevision
	})
	for range 4 {
		w.passes(t, "ng")
		w.wait(11 * time.Minute)
	}
	w.passes(t, "ng")
	if u := w.updateStatus(t, id); u.Status != eks.UpdateSuccessful {
		t.Errorf("update %+v", u)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	t.Run("a full subnet", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		item, err := ec2.SubnetsOf(w.store).Get(t.Context(), ec2.RecordID(scope, w.subnets[0].ID))
		if err != nil {
			t.Fatal(err)
		}
		item.Value.Addresses.Used = item.Value.AvailableAddresses() - 3
		if _, err := ec2.SubnetsOf(w.store).Put(t.Context(), item); err != nil {
			t.Fatal(err)
		}
		w.create(t, "ng", func(s *eks.NodegroupSpec) { s.SubnetIDs = s.SubnetIDs[:1] })
		w.passes(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupCreateFailed, "InsufficientFreeAddresses")
		w.delete(t, "ng")
		w.passes(t, "ng")
		if _, err := eks.Nodegroups(w.store).Get(t.Context(), eks.NodegroupKey("c1", "ng")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
	t.Run("a subnet that goes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.create(t, "ng", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 1 })
		w.passes(t, "ng")
		empty := w.subnets[0].ID
		if w.live(t)[0].SubnetID == empty {
			empty = w.subnets[1].ID
		}
		if err := w.ec2.DeleteSubnet(t.Context(), ec2.Caller{Scope: scope}, empty); err != nil {
			t.Fatal(err)
		}
		w.passes(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupDegraded, "Ec2SubnetNotFound")
		id := w.update(t, "ng", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 2 })
		w.passes(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupDegraded, "Ec2SubnetNotFound")
		if u := w.updateStatus(t, id); u.Status != eks.UpdateSuccessful || len(w.live(t)) != 2 {
			t.Errorf("update %+v, %d instances in the other subnet", u, len(w.live(t)))
		}
	})
	t.Run("a role that goes and comes back", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.create(t, "ng", nil)
		w.passes(t, "ng")
		w.roleErr = minato.Errorf(minato.NotFound, "no such role")
		w.passes(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupDegraded, "IamNodeRoleNotFound")
		if n := len(w.live(t)); n != 2 {
			t.Errorf("%d instances, want the 2 that there were", n)
		}
		w.roleErr = nil
		w.passes(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupActive)
	})
	t.Run("instances that do not come up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.stillborn = true
		w.create(t, "ng", nil)
		w.passes(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupCreateFailed, "AsgInstanceLaunchFailures")
		if issue := w.get(t, "ng").Status.Health[0]; !strings.Contains(issue.Message, "it did not come up") {
			t.Errorf("%+v", issue)
		}
	})
	t.Run("instances that do not join", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.create(t, "ng", nil)
		key := eks.NodegroupKey("c1", "ng")
		for range 3 {
			if _, err := w.Reconcile(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			w.wait(8 * time.Minute)
		}
		if _, err := w.Reconcile(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, w.get(t, "ng"), eks.NodegroupCreateFailed, "NodeCreationFailure")
		if issue := w.get(t, "ng").Status.Health[0]; len(issue.ResourceIDs) != 2 {
			t.Errorf("%+v", issue)
		}
	})
	t.Run("a cluster that does not answer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.create(t, "ng", nil)
		w.passes(t, "ng")
		w.kube.down = true
		w.pass(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupDegraded, "ClusterUnreachable")
		w.kube.down = false
		w.pass(t, "ng")
		wantStatus(t, w.get(t, "ng"), eks.NodegroupActive)
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, "ng", nil)
	w.create(t, "other", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 0 })
	w.passes(t, "ng")
	w.passes(t, "other")
	w.kube.addPod(w.kube.nodes()[0], "stays", "")
	w.kube.held["default/stays"] = true
	w.kube.addNode("elsewhere", nil, nil)
	w.kube.setReady("elsewhere", "True")
	w.delete(t, "ng")
	w.passes(t, "ng")
	if n := len(w.live(t)); n != 1 {
		t.Errorf("%d instances while a budget keeps a pod that another node could take, want 1", n)
	}
	// Nobody waits for a budget once there is nowhere to go.
	w.kube.remove(nodesPath + "/elsewhere")
	w.passes(t, "ng")
	if n := len(w.live(t)); n != 0 || len(w.kube.nodes()) != 0 {
		t.Errorf("%d instances, nodes %v", n, w.kube.nodes())
	}
	if _, err := eks.Nodegroups(w.store).Get(t.Context(), eks.NodegroupKey("c1", "ng")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the record is still there: %v", err)
	}
	if w.entries[role.String()] == "" {
		t.Error("the access entry went though another nodegroup has the role")
	}
	w.delete(t, "other")
	w.passes(t, "other")
	if w.entries[role.String()] != "" {
		t.Error("the access entry stays with nobody")
	}
}

func TestLaunchTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/node.eks.aws\n\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  kubelet:\n    config:\n      maxPods: 7\n    flags: [--node-labels=mine=yes]\n--b--\n"
	template, err := w.ec2.CreateLaunchTemplate(t.Context(), ec2.Caller{Scope: scope}, ec2.NewLaunchTemplate{Name: "base", Data: ec2.InstanceSpec{
		Type: "m5.large", UserData: base64.StdEncoding.EncodeToString([]byte(own)), BlockDevices: []ec2.BlockDevice{{Name: ec2.RootDevice, SizeGiB: 33}},
		Metadata: &ec2.MetadataSpec{HopLimit: 2}, Tags: []ec2.TagSpec{{ResourceType: "instance", Tags: minato.Tags{"team": "a"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.create(t, "ng", func(s *eks.NodegroupSpec) {
		s.InstanceTypes, s.DiskGiB, s.Scaling.Desired = nil, 0, 1
		s.Template = &eks.NodegroupTemplate{ID: template.ID, Name: "base", Version: "1"}
	})
	w.passes(t, "ng")
	wantStatus(t, w.get(t, "ng"), eks.NodegroupActive)
	i := w.live(t)[0]
	if i.Type != "m5.large" || i.DiskGiB != 33 || i.Metadata.HopLimit != 2 || i.Tags["team"] != "a" || i.Tags["eks:nodegroup-name"] != "ng" || i.Template == nil || i.Template.Version != 1 {
		t.Errorf("%+v", i)
	}
	for _, want := range []string{"maxPods: 7", "--node-labels=mine=yes", "eks.amazonaws.com/nodegroup=ng", "name: prod"} {
		if !strings.Contains(string(i.UserData), want) {
			t.Errorf("no %q in\n%s", want, i.UserData)
		}
	}
	script := ec2.InstanceSpec{UserData: base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))}
	scripted, err := w.ec2.CreateLaunchTemplate(t.Context(), ec2.Caller{Scope: scope}, ec2.NewLaunchTemplate{Name: "script", Data: script})
	if err != nil {
		t.Fatal(err)
	}
	w.create(t, "script", func(s *eks.NodegroupSpec) {
		s.DiskGiB, s.Template = 0, &eks.NodegroupTemplate{ID: scripted.ID, Name: "script", Version: "1"}
	})
	w.passes(t, "script")
	wantStatus(t, w.get(t, "script"), eks.NodegroupCreateFailed, "Ec2LaunchTemplateInvalidConfiguration")
	if _, err := w.ec2.DeleteLaunchTemplate(t.Context(), ec2.Caller{Scope: scope}, ec2.TemplateName{ID: template.ID}); err != nil {
		t.Fatal(err)
	}
	w.passes(t, "ng")
	wantStatus(t, w.get(t, "ng"), eks.NodegroupDegraded, "Ec2LaunchTemplateNotFound") // before it is needed
	id := w.update(t, "ng", func(s *eks.NodegroupSpec) { s.Scaling.Desired = 2 })
	w.passes(t, "ng")
	wantStatus(t, w.get(t, "ng"), eks.NodegroupDegraded, "Ec2LaunchTemplateNotFound")
	if u := w.updateStatus(t, id); u.Status != eks.UpdateFailed || len(w.live(t)) != 1 {
		t.Errorf("update %+v, %d instances", u, len(w.live(t)))
	}
}
