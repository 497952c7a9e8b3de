package nodegroup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// fargateWorld is a world with a Fargate.
type fargateWorld struct {
	*world
	fargate *Fargate
}

func newFargateWorld(t *testing.T) *fargateWorld {
	t.Helper()
	w := &fargateWorld{world: newWorld(t)}
	w.fargate = NewFargate(w.deps, FargateDeps{
		WebhookURL: func(clusterID string) string { return "https://127.0.0.1:9/clusters/" + clusterID + "/mutate" },
		WebhookCA:  []byte("CA"), HookApplied: func(context.Context, store.Revision) error { return nil },
	})
	go func() { _ = w.fargate.Run(t.Context()) }()
	_, err := eks.FargateProfiles(w.store).Create(t.Context(), eks.FargateProfileKey("c1", "fp"), eks.FargateProfile{
		Scope: scope, ClusterID: "c1", ClusterName: "prod", Name: "fp", UUID: "u", Role: minato.NewARN("iam", "", scope.Account, "role/pods"),
		SubnetIDs: []string{w.subnets[0].ID}, Selectors: []eks.FargateSelector{{Namespace: "default"}}, Status: eks.FargateCreating,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *fargateWorld) passes(t *testing.T) {
	t.Helper()
	for range 5 {
		if _, err := w.fargate.Reconcile(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		w.machines(t)
		w.seenByFargate(t)
	}
}

// seenByFargate waits until Fargate sees the instances as they are.
func (w *fargateWorld) seenByFargate(t *testing.T) {
	t.Helper()
	page, err := ec2.Instances(w.store).List(t.Context(), "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		if err := w.fargate.instances.WaitFor(t.Context(), item.Revision); err != nil {
			t.Fatal(err)
		}
	}
}

// addFargatePod makes a pod as the webhook has made it.
func (w *fargateWorld) addFargatePod(name string, change func(spec kubeapi.Object)) {
	w.kube.addPod("", name, "ReplicaSet")
	w.kube.mu.Lock()
	defer w.kube.mu.Unlock()
	pod := w.kube.objects["/api/v1/namespaces/default/pods/"+name]
	pod["metadata"].(kubeapi.Object)["labels"] = kubeapi.Object{profileLabel: "fp"}
	spec := pod["spec"].(kubeapi.Object)
	spec["schedulerName"] = scheduler
	spec["containers"] = []any{kubeapi.Object{"resources": kubeapi.Object{"requests": kubeapi.Object{"cpu": "300m", "memory": "1Gi"}}}}
	if change != nil {
		change(spec)
	}
}

func TestFargate(t *testing.T) {
	t.Parallel()
	w := newFargateWorld(t)
	w.passes(t)
	item, err := eks.FargateProfiles(w.store).Get(t.Context(), eks.FargateProfileKey("c1", "fp"))
	if err != nil || item.Value.Status != eks.FargateActive {
		t.Fatalf("%+v, %v", item.Value, err)
	}
	if kind := w.entries["arn:aws:iam::111122223333:role/pods"]; kind != "FARGATE_LINUX" {
		t.Errorf("entries %v", w.entries)
	}
	if rows := w.kube.get(configMapsPath + "/aws-auth")["data"].(kubeapi.Object)["mapRoles"].(string); !strings.Contains(rows, "system:node:{{SessionName}}") || !strings.Contains(rows, "system:node-proxier") {
		t.Errorf("aws-auth has\n%s", rows)
	}
	if hook := w.kube.get(webhooksPath + webhookName); hook == nil {
		t.Error("there is no webhook")
	}

	w.addFargatePod("web", nil)
	w.passes(t)
	live := w.live(t)
	if len(live) != 1 || live[0].Type != "fargate.500m-2048mib" || !strings.HasPrefix(live[0].PrivateDNSName, "fargate-ip-") || live[0].SessionName() != live[0].PrivateDNSName {
		t.Fatalf("%+v", live)
	}
	node := w.kube.get(nodesPath + "/" + live[0].PrivateDNSName)
	if node["metadata"].(kubeapi.Object)["labels"].(kubeapi.Object)[computeTypeKey] != "fargate" || node["spec"].(kubeapi.Object)["taints"] == nil {
		t.Errorf("node %v", node)
	}
	pod := w.kube.get("/api/v1/namespaces/default/pods/web")
	if pod["spec"].(kubeapi.Object)["nodeName"] != live[0].PrivateDNSName || pod["metadata"].(kubeapi.Object)["annotations"].(kubeapi.Object)["CapacityProvisioned"] != "0.5vCPU 2GB" {
		t.Errorf("pod %v", pod)
	}

	w.addFargatePod("huge", func(spec kubeapi.Object) {
		spec["containers"] = []any{kubeapi.Object{"resources": kubeapi.Object{"requests": kubeapi.Object{"cpu": "99"}}}}
	})
	w.addFargatePod("gated", func(spec kubeapi.Object) { spec["schedulingGates"] = []any{kubeapi.Object{"name": "not-yet"}} })
	w.addFargatePod("host", func(spec kubeapi.Object) { spec["hostNetwork"] = true })
	w.passes(t)
	if n := len(w.live(t)); n != 1 {
		t.Errorf("%d machines, want that of the first pod only", n)
	}
	if told := w.kube.told(); len(told) != 2 || !strings.Contains(told[0], "HostNetwork") || !strings.Contains(told[1], "16vCPU 120GB at most") {
		t.Errorf("events %q", told)
	}

	w.kube.remove("/api/v1/namespaces/default/pods/web")
	w.passes(t)
	if n := len(w.live(t)); n != 0 || len(w.kube.nodes()) != 0 {
		t.Errorf("%d machines and nodes %v after the pod has gone", n, w.kube.nodes())
	}
}

// TestFargateRoleInUse: the role of a nodegroup cannot be that of a Fargate profile, and stays the nodegroup's.
func TestFargateRoleInUse(t *testing.T) {
	t.Parallel()
	w := newFargateWorld(t)
	const role = "arn:aws:iam::111122223333:role/pods"
	w.entries[role] = eks.EC2Linux
	w.passes(t)
	profiles, key := eks.FargateProfiles(w.store), eks.FargateProfileKey("c1", "fp")
	item, err := profiles.Get(t.Context(), key)
	if err != nil || item.Value.Status != eks.FargateCreateFailed || len(item.Value.Health) != 1 || item.Value.Health[0].Code != "PodExecutionRoleAlreadyInUse" {
		t.Fatalf("%+v, %v", item.Value, err)
	}
	item.Value.Status = eks.FargateDeleting
	if _, err := profiles.Put(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	w.passes(t)
	if _, err := profiles.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) || w.entries[role] != eks.EC2Linux {
		t.Errorf("the profile: %v; entries %v", err, w.entries)
	}
}

// TestFargatePodInTrouble: a pod that cannot be placed does not hold up the others, also those that come later. It is tried again.
func TestFargatePodInTrouble(t *testing.T) {
	t.Parallel()
	w := newFargateWorld(t)
	w.passes(t)
	w.addFargatePod("a-trouble", func(spec kubeapi.Object) { spec["hostNetwork"] = true }) // of which an event would tell
	w.kube.noEvents = true
	for round := range 10 {
		name := fmt.Sprintf("b-fine-%d", round)
		w.addFargatePod(name, nil)
		w.passes(t)
		if pod := w.kube.get("/api/v1/namespaces/default/pods/" + name); pod["spec"].(kubeapi.Object)["nodeName"] == "" {
			t.Errorf("pod %v", pod)
		}
		w.wait(time.Minute)
	}
	if failed := w.fargate.troubles.of("c1"); len(failed) != 1 {
		t.Errorf("in trouble: %v", failed)
	}
	w.kube.noEvents = false
	w.passes(t)
	if told := w.kube.told(); len(told) != 1 || w.kube.eventsPosted != 1 {
		t.Errorf("told %q, after %d attempts at one time, want one", told, w.kube.eventsPosted)
	}
	w.kube.remove("/api/v1/namespaces/default/pods/a-trouble")
	w.passes(t)
	if failed := w.fargate.troubles.of("c1"); len(failed) != 0 {
		t.Errorf("still in trouble: %v", failed)
	}
}

// TestFargateDuringAnUpgrade: no machine is newer than what the control plane serves.
func TestFargateDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	w := newFargateWorld(t)
	w.passes(t)
	item, err := eks.Clusters(w.store).Get(t.Context(), eks.ClusterKey(scope, "prod"))
	if err != nil {
		t.Fatal(err)
	}
	item.Value.Status.Status, item.Value.Status.Versions = eks.ClusterUpdating, []eks.VersionSince{{Version: "1.34"}}
	if _, err := eks.Clusters(w.store).Put(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	w.addFargatePod("web", nil)
	w.passes(t)
	live := w.live(t)
	if len(live) != 1 {
		t.Fatalf("%d machines, want one", len(live))
	}
	if image, ok := w.ec2.ImageByID(live[0].ImageID); !ok || image.Minor != "1.34" {
		t.Errorf("the machine's image is %+v, want one of 1.34 until the control plane serves %s", image, item.Value.Spec.Version)
	}
}

func TestFargateProfileDeletion(t *testing.T) {
	t.Parallel()
	w := newFargateWorld(t)
	w.addFargatePod("web", nil)
	w.passes(t)
	if n := len(w.live(t)); n != 1 {
		t.Fatalf("%d machines", n)
	}
	_, err := eks.FargateProfiles(w.store).Modify(t.Context(), eks.FargateProfileKey("c1", "fp"), func(p *eks.FargateProfile) error {
		p.Status = eks.FargateDeleting
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.passes(t)
	if _, err := eks.FargateProfiles(w.store).Get(t.Context(), eks.FargateProfileKey("c1", "fp")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the profile: %v", err)
	}
	if n := len(w.live(t)); n != 0 || w.kube.get("/api/v1/namespaces/default/pods/web") != nil || w.kube.get(webhooksPath+webhookName) != nil || len(w.entries) != 0 {
		t.Errorf("%d machines, nodes %v, entries %v", n, w.kube.nodes(), w.entries)
	}
}

func TestFargateSize(t *testing.T) {
	t.Parallel()
	c := func(cpu, memory string) container {
		var c container
		c.Resources.Requests = map[string]string{"cpu": cpu, "memory": memory}
		return c
	}
	for name, test := range map[string]struct {
		containers, init []container
		want             string
	}{
		"nothing asked for": {nil, nil, "0.25vCPU 0.5GB"},
		"with the system's": {[]container{c("250m", "256Mi")}, nil, "0.25vCPU 0.5GB"},
		"a bit more":        {[]container{c("250m", "257Mi")}, nil, "0.25vCPU 1GB"},
		"more processor":    {[]container{c("251m", "1Mi")}, nil, "0.5vCPU 1GB"},
		"two containers":    {[]container{c("1", "1Gi"), c("0.5", "1G")}, nil, "2vCPU 4GB"},
		"a large start":     {[]container{c("100m", "1Mi")}, []container{c("4", "1Mi")}, "4vCPU 8GB"},
		"memory":            {[]container{c("1", "100Gi")}, nil, "16vCPU 104GB"},
	} {
		p := &pod{}
		p.Spec.Containers, p.Spec.InitContainers = test.containers, test.init
		if got, err := fargateSize(p); err != nil || got.String() != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
	}
	whole := &pod{}
	whole.Spec.Containers = []container{c("4", "1Gi")}
	whole.Spec.Resources.Requests, whole.Spec.Overhead = map[string]string{"cpu": "2"}, map[string]string{"memory": "3Gi"}
	if got, err := fargateSize(whole); err != nil || got.String() != "2vCPU 5GB" {
		t.Errorf("a pod that asks as a whole: %s, %v", got, err)
	}
	for storage, want := range map[string]int{"": 20, "10Gi": 20, "30Gi": 39, "175Gi": 213, "176Gi": 0} {
		p := &pod{}
		p.Spec.Containers = []container{c("", "")}
		p.Spec.Containers[0].Resources.Requests["ephemeral-storage"] = storage
		if got, err := fargateDisk(p); got != want || (err == nil) != (want > 0) {
			t.Errorf("with ephemeral storage of %s the disk has %d GiB, %v; want %d", storage, got, err, want)
		}
	}
	for _, bad := range []string{"x", "-1", "1Zi", "100000T"} {
		p := &pod{}
		p.Spec.Containers = []container{c(bad, "")}
		if got, err := fargateSize(p); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

func TestFargateUnsupported(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		`{"containers":[{"securityContext":{"privileged":false,"capabilities":{"add":["SYS_PTRACE","CHOWN"],"drop":["ALL"]}},"ports":[{"containerPort":80}]}],
			"volumes":[{"name":"a","emptyDir":{}},{"name":"b","projected":{}},{"name":"c","persistentVolumeClaim":{"claimName":"x"}}]}`: "",
		`{"hostNetwork":true,"hostPID":true,"hostIPC":true}`:                                                                  "fields not supported: HostNetwork, HostPID, HostIPC",
		`{"initContainers":[{"securityContext":{"privileged":true}}],"containers":[{"securityContext":{"privileged":true}}]}`: "invalid SecurityContext fields: Privileged,Privileged",
		`{"containers":[{"securityContext":{"capabilities":{"add":["CHOWN","NET_ADMIN"]}}}]}`:                                 "invalid SecurityContext fields: Capabilities added: NET_ADMIN",
		`{"volumes":[{"name":"logs","hostPath":{"path":"/var/log"}}]}`:                                                        "volumes not supported: logs is of an unsupported volume Type",
		`{"containers":[{"ports":[{"hostPort":80}]}]}`:                                                                        "port contains HostIP or HostPort",
		`{"hostNetwork":true,"containers":[{"securityContext":{"privileged":true},"ports":[{"hostPort":80}]}]}`:               "fields not supported: HostNetwork, invalid SecurityContext fields: Privileged, port contains HostIP or HostPort",
	} {
		var p pod
		if err := json.Unmarshal([]byte(spec), &p.Spec); err != nil {
			t.Fatal(err)
		}
		if got := fargateUnsupported(&p); got != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}
