package nodegroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// What pods of a Fargate profile have, as on EKS. The webhook gives it to them.
const (
	profileLabel   = "eks.amazonaws.com/fargate-profile"
	computeTypeKey = "eks.amazonaws.com/compute-type"
	fargateType    = "fargate"
	scheduler      = "fargate-scheduler"
)

// podTag is the UID of the pod that a Fargate machine is for, and clusterTag the id of its cluster.
const (
	podTag     = "aws:minato:fargate-pod"
	clusterTag = "aws:minato:fargate-cluster"
)

const fargateRequester = "amazon-eks-fargate"

// FargateDeps is what Fargate uses beyond Deps.
type FargateDeps struct {
	// WebhookURL is where a cluster asks about new pods, and WebhookCA signs the certificate there.
	WebhookURL func(clusterID string) string
	WebhookCA  []byte // PEM
	// HookApplied waits until the webhooks know a revision.
	HookApplied func(ctx context.Context, rev store.Revision) error
}

// Fargate is EKS's scheduler for Fargate: it gives each pod of a Fargate profile a machine of its own. Make it with NewFargate and let it Run.
type Fargate struct {
	deps      Deps
	own       FargateDeps
	profiles  *store.Collection[eks.FargateProfile]
	instances *store.View[ec2.Instance]
	clients   clients
	troubles  troubles
}

// NewFargate makes a Fargate. Of the first argument it needs no profiles and limits.
func NewFargate(d Deps, own FargateDeps) *Fargate {
	return &Fargate{
		deps: d, own: own, profiles: eks.FargateProfiles(d.Store), instances: store.NewView(ec2.Instances(d.Store)),
		clients: clients{connect: d.Connect, byID: map[string]keptClient{}},
	}
}

// Run follows the instances until ctx ends.
func (f *Fargate) Run(ctx context.Context) error { return f.instances.Run(ctx) }

// ClusterOfProfile is the key to reconcile for the profile whose record has an id.
func ClusterOfProfile(id string) string { return store.Parts(id)[0] }

// lookAgain is how often the pods of a cluster with Fargate profiles are looked at.
const lookAgain = 500 * time.Millisecond

// round is one pass over the Fargate profiles of one cluster.
type round struct {
	cluster  eks.Cluster
	kube     *kubeapi.Client
	profiles []store.Item[eks.FargateProfile]
	pods     []*pod                  // all that Fargate schedules
	machines map[string]ec2.Instance // by pod UID, without those that have ended
	attempts
}

// Reconcile makes one pass over the Fargate profiles of the cluster with this id. It returns when to look again, zero for never, or an
// error for "again, later and later".
func (f *Fargate) Reconcile(ctx context.Context, clusterID string) (time.Duration, error) {
	select {
	case <-f.instances.Ready():
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	r, err := f.begin(ctx, clusterID)
	if err != nil || r == nil {
		f.troubles.keep(clusterID, nil)
		return 0, err
	}
	for i := range r.profiles {
		profile := &r.profiles[i]
		r.try(ctx, "profile "+profile.Value.Name, func() error { return f.profile(ctx, r, profile) })
	}
	for _, p := range r.pods {
		r.try(ctx, "pod "+p.Metadata.Namespace+"/"+p.Metadata.Name+" "+p.Metadata.UID, func() error { return f.place(ctx, r, p) })
	}
	f.sweep(ctx, r)
	f.troubles.keep(clusterID, r.failed)
	return lookAgain, ctx.Err()
}

// begin reads what a pass needs; nil where the cluster has no Fargate profiles.
func (f *Fargate) begin(ctx context.Context, clusterID string) (*round, error) {
	page, err := f.profiles.List(ctx, idPrefix(clusterID), "", 0)
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	first := page.Items[0].Value
	cluster, err := eks.Clusters(f.deps.Store).Get(ctx, eks.ClusterKey(first.Scope, first.ClusterName))
	if err != nil {
		return nil, err
	}
	r := &round{cluster: cluster.Value, profiles: page.Items, machines: map[string]ec2.Instance{}, attempts: attempts{
		before: f.troubles.of(clusterID), failed: map[string]trouble{}, now: f.deps.Now(), log: f.deps.Log.With("cluster", first.ClusterName),
	}}
	if r.kube, err = f.clients.get(ctx, clusterID, r.now); err != nil {
		return nil, err
	}
	r.pods, err = list[pod](ctx, r.kube, podsPath, url.Values{"fieldSelector": {"spec.schedulerName=" + scheduler}})
	if err != nil {
		f.clients.forget(clusterID)
		return nil, err
	}
	for item := range f.instances.All() {
		if i := item.Value; i.Tags[clusterTag] == clusterID && !i.Ended() {
			r.machines[i.Tags[podTag]] = i
		}
	}
	return r, nil
}

// place brings a pod to its machine: it launches one, waits for its node, and binds the pod to it.
func (f *Fargate) place(ctx context.Context, r *round, p *pod) error {
	if p.Spec.NodeName != "" || p.Metadata.DeletionTimestamp != nil || len(p.Spec.SchedulingGates) > 0 {
		return nil
	}
	machine, ok := r.machines[p.Metadata.UID]
	if !ok {
		return f.launch(ctx, r, p)
	}
	var n node
	err := r.kube.Get(ctx, nodesPath+"/"+machine.PrivateDNSName, &n)
	if kubeapi.NotFound(err) || err == nil && !n.ready() {
		return nil // it is coming up
	}
	if err != nil {
		return err
	}
	return p.bind(ctx, r.kube, n.Metadata.Name)
}

// launch makes the machine of a pod, in whichever of its profile's subnets has most room.
func (f *Fargate) launch(ctx context.Context, r *round, p *pod) error {
	i := slices.IndexFunc(r.profiles, func(item store.Item[eks.FargateProfile]) bool {
		return item.Value.Name == p.Metadata.Labels[profileLabel]
	})
	if i < 0 || r.profiles[i].Value.Status != eks.FargateActive {
		return f.refuse(ctx, r, p, "there is no Fargate profile "+p.Metadata.Labels[profileLabel])
	}
	profile := &r.profiles[i].Value
	if unsupported := fargateUnsupported(p); unsupported != "" {
		return f.refuse(ctx, r, p, "Pod not supported on Fargate: "+unsupported)
	}
	s, err := fargateSize(p)
	if err != nil {
		return f.refuse(ctx, r, p, "Pod not supported on Fargate: "+err.Error())
	}
	disk, err := fargateDisk(p)
	if err != nil {
		return f.refuse(ctx, r, p, "Pod not supported on Fargate: "+err.Error())
	}
	l, err := f.machine(r, profile, p, s)
	if err != nil {
		return err
	}
	l.DiskGiB = disk
	subnets, err := f.deps.EC2.Subnets(ctx, profile.Scope, profile.SubnetIDs)
	if err != nil {
		return err
	}
	slices.SortStableFunc(subnets, func(a, b ec2.Subnet) int { return b.AvailableAddresses() - a.AvailableAddresses() })
	refusal := errors.New("none of the profile's subnets is there any more")
	for _, n := range subnets {
		l.SubnetID = n.ID
		err := commitInstances(ctx, f.deps.Store, f.instances, func() ([]store.Op, error) {
			_, ops, err := f.deps.EC2.LaunchOps(ctx, profile.Scope, l)
			return ops, err
		})
		if err == nil {
			r.log.InfoContext(ctx, "Fargate machine launched", "pod", p.Metadata.Namespace+"/"+p.Metadata.Name, "size", s.String(), "profile", profile.Name)
			return p.annotate(ctx, r.kube, "CapacityProvisioned", s.String())
		}
		if refusal = err; minato.KindOf(err) == minato.Internal {
			return err
		}
	}
	return f.refuse(ctx, r, p, refusal.Error())
}

// machine is what the pod's machine is made from. It tells the cluster that it takes Fargate pods only.
func (f *Fargate) machine(r *round, profile *eks.FargateProfile, p *pod, s size) (ec2.Launch, error) {
	image, ok := f.deps.EC2.ImageFor(r.cluster.NodeLimit(), false)
	if !ok {
		return ec2.Launch{}, fmt.Errorf("there is no image for nodes with Kubernetes %s", r.cluster.NodeLimit())
	}
	labels := map[string]string{computeTypeKey: fargateType}
	data, err := nodeConfig(&r.cluster, labels, []eks.Taint{{Key: computeTypeKey, Value: fargateType, Effect: "NO_SCHEDULE"}}, nil)
	if err != nil {
		return ec2.Launch{}, err
	}
	tags := minato.Tags{"aws:eks:cluster-name": r.cluster.Name, "aws:eks:fargate-profile": profile.Name, clusterTag: r.cluster.ID, podTag: p.Metadata.UID}
	return ec2.Launch{
		Count: 1, Type: ec2.FargateType(s.milliCPU, s.memoryMiB).Name, ImageID: image.ID, SecurityGroups: []string{r.cluster.Spec.ClusterSecurityGroup},
		RoleARN: profile.Role, UserData: data, Tags: tags, RequesterID: fargateRequester, Fargate: true,
	}, nil
}

// sweep ends machines whose pod is gone, and clears away what is left of machines that have ended by themselves.
func (f *Fargate) sweep(ctx context.Context, r *round) {
	there := map[string]*pod{}
	for _, p := range r.pods {
		there[p.Metadata.UID] = p
	}
	for _, uid := range slices.Sorted(maps.Keys(r.machines)) {
		if machine := r.machines[uid]; there[uid] == nil {
			r.try(ctx, "machine "+machine.ID, func() error { return f.end(ctx, r.kube, machine) })
		}
	}
	for _, p := range r.pods {
		if _, alive := r.machines[p.Metadata.UID]; p.Spec.NodeName != "" && !alive {
			r.try(ctx, "node "+p.Spec.NodeName, func() error { return removeNode(ctx, r.kube, p.Spec.NodeName) })
		}
	}
}

// end terminates a machine and removes its node.
func (f *Fargate) end(ctx context.Context, kube *kubeapi.Client, i ec2.Instance) error {
	reason := ec2.InstanceReason{Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: the pod of the Fargate machine is gone"}
	err := commitInstances(ctx, f.deps.Store, f.instances, func() ([]store.Op, error) {
		return f.deps.EC2.TerminateOps(ctx, i.Scope, []string{i.ID}, reason)
	})
	if err != nil {
		return err
	}
	return removeNode(ctx, kube, i.PrivateDNSName)
}
