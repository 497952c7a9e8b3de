package nodegroup

import (
	"context"
	"encoding/base64"
	"log/slog"
	"sync"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

var (
	scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}
	role  = minato.NewARN("iam", "", scope.Account, "role/team/node")
)

// world is a Controller with the real EC2 service over a memstore, one ACTIVE cluster and a fake kube-apiserver.
type world struct {
	*Controller
	store   store.Store
	ec2     *ec2.Service
	kube    *fakeKube
	subnets []ec2.Subnet

	mu      sync.Mutex
	now     time.Time
	roleErr error
	entries map[string]string // by principal
	// stillborn instances end instead of becoming nodes.
	stillborn bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: memstore.New(), kube: newFakeKube(t), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), entries: map[string]string{}}
	w.ec2 = &ec2.Service{
		Store: w.store, Now: w.time, Log: slog.New(slog.DiscardHandler), Authorize: func(context.Context, iam.Access) error { return nil },
		Built: func() []kube.Version {
			old, _ := kube.Lookup("1.34")
			current, _ := kube.Lookup("1.35")
			return []kube.Version{old, current}
		},
	}
	if err := w.ec2.EnsureDefaults(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.subnets, err = w.ec2.DefaultSubnets(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	w.putCluster(t)
	w.Controller = New(Deps{
		Store: w.store, EC2: w.ec2, Now: w.time, Log: slog.New(slog.DiscardHandler),
		CheckRole: func(context.Context, minato.ARN, string, minato.ARN) error { return w.roleErr },
		EnsureProfile: func(_ context.Context, account, name, _ string) (minato.ARN, error) {
			return minato.NewARN("iam", "", account, "instance-profile/"+name), nil
		},
		RemoveProfile: func(context.Context, string, string, string) error { return nil },
		EnsureEntry: func(_ context.Context, _ *eks.Cluster, role minato.ARN, kind string) error {
			if has := w.entries[role.String()]; has != "" && has != kind {
				return minato.Errorf(minato.InUse, "it has %s", has)
			}
			w.entries[role.String()] = kind
			return nil
		},
		RemoveEntry: func(_ context.Context, _ string, role minato.ARN, kind string) error {
			if w.entries[role.String()] == kind {
				delete(w.entries, role.String())
			}
			return nil
		},
		Connect: func(context.Context, string) (*kubeapi.Client, error) { return w.kube.client(), nil },
		Limits:  Limits{Join: 15 * time.Minute, Drain: 10 * time.Minute, Remove: time.Minute, Repair: 30 * time.Minute},
	})
	go func() { _ = w.Run(t.Context()) }()
	return w
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) putCluster(t *testing.T) {
	t.Helper()
	ca, err := pki.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	group, ops, err := w.ec2.NewSecurityGroup(t.Context(), scope, w.subnets[0].VPCID, "eks-cluster-sg-prod", "of the cluster", nil)
	if err != nil {
		t.Fatal(err)
	}
	cluster := eks.Cluster{
		Scope: scope, Name: "prod", ID: "c1",
		Spec: eks.ClusterSpec{
			Version: "1.35", VPCID: w.subnets[0].VPCID, ClusterSecurityGroup: group, AuthenticationMode: "API_AND_CONFIG_MAP", ServiceIPv4CIDR: "10.100.0.0/16",
		},
		Status: eks.Status{
			Status: eks.ClusterActive, Endpoint: "https://127.0.0.1:16443", CAData: base64.StdEncoding.EncodeToString(ca.Pair.CertPEM),
		},
	}
	if _, err := w.store.Commit(t.Context(), append(ops, eks.Clusters(w.store).CreateOp(eks.ClusterKey(scope, "prod"), cluster))...); err != nil {
		t.Fatal(err)
	}
}

// create writes a nodegroup as the API does.
func (w *world) create(t *testing.T, name string, change func(*eks.NodegroupSpec)) {
	t.Helper()
	spec := eks.NodegroupSpec{
		Generation: 1, Revision: 1, LastRevision: 1, Version: "1.35", AMIType: "AL2023_x86_64_STANDARD", CapacityType: "ON_DEMAND",
		InstanceTypes: []string{"t3.medium"}, DiskGiB: 20, SubnetIDs: []string{w.subnets[0].ID, w.subnets[1].ID}, NodeRole: role,
		Scaling: eks.Scaling{Min: 0, Max: 9, Desired: 2}, Update: eks.NodegroupUpdates{MaxUnavailable: 1}, Labels: map[string]string{"tier": "web"},
	}
	if change != nil {
		change(&spec)
	}
	_, err := eks.Nodegroups(w.store).Create(t.Context(), eks.NodegroupKey("c1", name), eks.Nodegroup{
		Scope: scope, ClusterID: "c1", ClusterName: "prod", Name: name, UUID: "u-" + name, Spec: spec, Status: eks.NodegroupState{Status: eks.NodegroupCreating},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// update changes a nodegroup as the API does, with an update that carries it out.
func (w *world) update(t *testing.T, name string, change func(*eks.NodegroupSpec)) string {
	t.Helper()
	item, err := eks.Nodegroups(w.store).Get(t.Context(), eks.NodegroupKey("c1", name))
	if err != nil {
		t.Fatal(err)
	}
	n := &item.Value
	before := n.Spec
	change(&n.Spec)
	n.Spec.Generation++
	n.Status.Status = eks.NodegroupUpdating
	u := eks.Update{ID: "update-" + time.Duration(n.Spec.Generation).String(), ClusterID: "c1", Status: eks.UpdateInProgress, Generation: n.Spec.Generation, NodegroupBefore: &before}
	id := eks.PartUpdatesOf("c1", "nodegroup", n.UUID) + u.ID
	if _, err := w.store.Commit(t.Context(), eks.Nodegroups(w.store).UpdateOp(item), eks.PartUpdates(w.store).CreateOp(id, u)); err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) updateStatus(t *testing.T, id string) eks.Update {
	t.Helper()
	item, err := eks.PartUpdates(w.store).Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return item.Value
}

func (w *world) delete(t *testing.T, name string) {
	t.Helper()
	_, err := eks.Nodegroups(w.store).Modify(t.Context(), eks.NodegroupKey("c1", name), func(n *eks.Nodegroup) error {
		n.Status.Status = eks.NodegroupDeleting
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// get is a nodegroup's record.
func (w *world) get(t *testing.T, name string) eks.Nodegroup {
	t.Helper()
	item, err := eks.Nodegroups(w.store).Get(t.Context(), eks.NodegroupKey("c1", name))
	if err != nil {
		t.Fatal(err)
	}
	return item.Value
}

// pass makes one pass, after which machines come up and go as the node reconciler has them do.
func (w *world) pass(t *testing.T, name string) {
	t.Helper()
	if _, err := w.Reconcile(t.Context(), eks.NodegroupKey("c1", name)); err != nil {
		t.Fatal(err)
	}
	w.machines(t)
}

// passes makes passes until the nodegroup has come to rest, or is gone.
func (w *world) passes(t *testing.T, name string) {
	t.Helper()
	for range 60 {
		w.pass(t, name)
	}
}

// machines has pending instances become nodes, as their user data says, and those that are shutting down end.
func (w *world) machines(t *testing.T) {
	t.Helper()
	for _, i := range w.all(t) {
		var err error
		switch {
		case i.State == ec2.InstancePending && w.stillborn:
			err = w.ec2.Terminated(t.Context(), scope, i.ID, ec2.InstanceReason{Code: "Server.InternalError", Message: "it did not come up"})
		case i.State == ec2.InstancePending:
			w.join(t, i)
			err = w.ec2.Running(t.Context(), scope, i.ID)
		case i.State == ec2.InstanceShuttingDown:
			err = w.ec2.Terminated(t.Context(), scope, i.ID, ec2.InstanceReason{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.seen(t)
}

func (w *world) join(t *testing.T, i ec2.Instance) {
	t.Helper()
	config, err := nodeadm.Parse(i.UserData)
	if err != nil {
		t.Fatal(err)
	}
	labels, err := config.Labels()
	if err != nil {
		t.Fatal(err)
	}
	taints, err := config.Taints()
	if err != nil {
		t.Fatal(err)
	}
	all := []any{}
	for _, taint := range taints {
		all = append(all, kubeapi.Object{"key": taint.Key, "value": taint.Value, "effect": taint.Effect})
	}
	w.kube.addNode(i.PrivateDNSName, labels, all)
}

// seen waits until the controller sees the instances as they are.
func (w *world) seen(t *testing.T) {
	t.Helper()
	l, err := w.store.List(t.Context(), ec2.InstancesPrefix, store.ListOptions{})
	var latest store.Revision
	for _, e := range l.Entries {
		latest = max(latest, e.Modified)
	}
	if err == nil {
		err = w.instances.WaitFor(t.Context(), latest)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) all(t *testing.T) (instances []ec2.Instance) {
	t.Helper()
	page, err := ec2.Instances(w.store).List(t.Context(), "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		instances = append(instances, item.Value)
	}
	return instances
}

// live are the instances that have not ended.
func (w *world) live(t *testing.T) (instances []ec2.Instance) {
	t.Helper()
	for _, i := range w.all(t) {
		if !i.Ended() {
			instances = append(instances, i)
		}
	}
	return instances
}
