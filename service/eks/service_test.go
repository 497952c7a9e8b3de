package eks

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/iam"
)

var (
	testScope = minato.Scope{Account: "111122223333", Region: "us-east-1"}
	alice     = Caller{
		Credential: iam.Credential{Principal: minato.Principal{Type: minato.IAMUser, ARN: minato.NewARN("iam", "", "111122223333", "user/alice")}},
		Scope:      testScope,
		Context:    map[string][]string{"aws:sourceip": {"203.0.113.7"}},
	}
	today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

// world is a Service with a memstore and an account around it: two VPCs, three zones, one role that EKS can assume.
type world struct {
	*Service
	built []string
	// deny refuses an access; nil allows all.
	deny func(iam.Access) bool

	kubelets []Kubelet

	// hookAway is what the webhooks answer instead of having applied a revision.
	hookAway error

	mu       sync.Mutex
	awaited  store.Revision // the latest that was waited for
	accesses []iam.Access
	groups   int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{built: []string{"1.31", "1.34", "1.35", "1.36"}}
	w.Service = &Service{
		Store:       memstore.New(),
		Now:         func() time.Time { return today },
		Authorize:   w.authorizeAccess,
		CheckRole:   checkTestRole,
		PrincipalID: w.principalID,
		AccessPolicies: []AccessPolicy{
			{Name: "AmazonEKSClusterAdminPolicy", ARN: policyARN("AmazonEKSClusterAdminPolicy")},
			{Name: "AmazonEKSViewPolicy", ARN: policyARN("AmazonEKSViewPolicy")},
		},
		CheckPolicyRules: checkTestRules,
		Addons:           testAddons(),
		CheckAddonValues: checkTestValues,
		Applied:          w.applied,
		Network:          w.network(),
		Compute:          testCompute(),
		BuiltMinors:      func() []string { return w.built },
		Kubelets:         func(context.Context, string) ([]Kubelet, error) { return w.kubelets, nil },
		Log:              slog.New(slog.DiscardHandler),
	}
	return w
}

func (w *world) authorizeAccess(_ context.Context, a iam.Access) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accesses = append(w.accesses, a)
	if w.deny != nil && w.deny(a) {
		return minato.Errorf(minato.Denied, "User: %s is not authorized to perform: %s on resource: %s", a.Credential.Principal.ARN, a.Action, a.Resource)
	}
	return nil
}

func checkTestRole(_ context.Context, role minato.ARN, service string, resource minato.ARN) error {
	switch {
	case role.ResourceName() == "eks-cluster" && service == "eks.amazonaws.com" && resource.ResourceType() == "cluster":
		return nil
	case strings.HasPrefix(role.ResourceName(), "node") && service == "ec2.amazonaws.com":
		return nil
	case role.ResourceName() == "fargate" && service == "eks-fargate-pods.amazonaws.com":
		return nil
	case role.ResourceName() == "connector" && service == "ssm.amazonaws.com":
		return nil
	case role.ResourceName() == "lambda":
		return minato.Errorf(minato.Denied, "trusts somebody else")
	}
	return minato.Errorf(minato.NotFound, "no such role")
}

// meanwhile lets something happen once, when the authorization of an action is asked: after the record was read, before it
// is written.
func (w *world) meanwhile(action string, do func()) {
	authorize := w.Authorize
	w.Authorize = func(ctx context.Context, a iam.Access) error {
		if a.Action == action && do != nil {
			once := do
			do = nil
			once()
		}
		return authorize(ctx, a)
	}
}

const testGroupsPrefix = "/test/security-groups/"

func (w *world) network() Network {
	subnets := []Subnet{
		{"subnet-a", "vpc-1", "us-east-1a", 4091, true}, {"subnet-b", "vpc-1", "us-east-1b", 4091, true}, {"subnet-a2", "vpc-1", "us-east-1a", 17, true},
		{"subnet-c", "vpc-1", "us-east-1c", 4091, false}, {"subnet-x", "vpc-2", "us-east-1a", 4091, true}, {"subnet-y", "vpc-2", "us-east-1b", 4091, true},
	}
	groups := []SecurityGroup{{"sg-1", "vpc-1"}, {"sg-2", "vpc-1"}, {"sg-x", "vpc-2"}}
	return Network{
		Subnets: func(_ context.Context, _ minato.Scope, ids []string) ([]Subnet, error) {
			return slices.DeleteFunc(slices.Clone(subnets), func(s Subnet) bool { return !slices.Contains(ids, s.ID) }), nil
		},
		SecurityGroups: func(_ context.Context, _ minato.Scope, ids []string) ([]SecurityGroup, error) {
			return slices.DeleteFunc(slices.Clone(groups), func(g SecurityGroup) bool { return !slices.Contains(ids, g.ID) }), nil
		},
		CIDRs: func(_ context.Context, _ minato.Scope, vpcID string) ([]netip.Prefix, error) {
			if vpcID == "vpc-2" {
				return []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.168.0.0/20")}, nil
			}
			return []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")}, nil
		},
		NewSecurityGroup: func(_ context.Context, _ minato.Scope, g NewSecurityGroup) (string, []store.Op, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.groups++
			id := "sg-new-" + string(rune('0'+w.groups%10))
			return id, []store.Op{store.Create(testGroupsPrefix+g.Name, []byte(id))}, nil
		},
	}
}

// asked are the actions that were authorized, in order.
func (w *world) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var actions []string
	for _, a := range w.accesses {
		actions = append(actions, a.Action)
	}
	w.accesses = nil
	return actions
}

// request is the smallest request for a cluster.
func request(name string) CreateClusterRequest {
	return CreateClusterRequest{
		Name: name, RoleARN: "arn:aws:iam::111122223333:role/eks-cluster",
		VPC: VPCRequest{SubnetIDs: []string{"subnet-a", "subnet-b"}},
	}
}

// create makes a cluster that is ACTIVE.
func (w *world) create(t *testing.T, r CreateClusterRequest) Cluster {
	t.Helper()
	if _, err := w.CreateCluster(t.Context(), alice, r); err != nil {
		t.Fatal(err)
	}
	return w.reconcile(t, r.Name)
}

// reconcile does what the control plane's reconciler does to a record at the end of a pass that found all well.
func (w *world) reconcile(t *testing.T, name string) Cluster {
	t.Helper()
	item, err := Clusters(w.Store).Get(t.Context(), ClusterKey(testScope, name))
	if err != nil {
		t.Fatal(err)
	}
	c := &item.Value
	c.Status.ObservedGeneration = c.Spec.Generation
	version, _ := kube.Lookup(c.Spec.Version)
	c.Status.Serves(version.Minor, version.PlatformVersion(), w.Now())
	ops, err := CompleteUpdates(t.Context(), w.Store, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Transition(ClusterActive, ByReconciler); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Commit(t.Context(), append(ops, Clusters(w.Store).UpdateOp(item))...); err != nil {
		t.Fatal(err)
	}
	return *c
}

// remove does what the control plane's reconciler does when nothing of a cluster is left.
func (w *world) remove(t *testing.T, name string) {
	t.Helper()
	item, err := Clusters(w.Store).Get(t.Context(), ClusterKey(testScope, name))
	if err != nil || item.Value.Status.Status != ClusterDeleting {
		t.Fatalf("%s, %v", item.Value.Status.Status, err)
	}
	if err := RemoveUpdates(t.Context(), w.Store, &item.Value); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Commit(t.Context(), Clusters(w.Store).DeleteOp(item)); err != nil {
		t.Fatal(err)
	}
}

// wantError checks an error's kind and a part of its message.
func wantError(t *testing.T, err error, kind minato.Kind, part string) {
	t.Helper()
	if !minato.Is(err, kind) || !strings.Contains(err.Error(), part) {
		t.Errorf("got %q (%s), want %s with %q", err, minato.KindOf(err), kind, part)
	}
}
