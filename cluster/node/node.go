// Package node makes instances' records true where they are real machines: each gets a run folder with all that it needs and
// a supervised process, `minato machine`, that makes it (cluster/node/machine). The process needs nobody afterwards, so nodes
// go on while Minato's API is away; what they need from here now and then is the next credentials of their role and, once a
// year, a signature under the certificate of their kubelet.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

// Deps is all that a Controller uses. Every field is needed.
type Deps struct {
	Store store.Store
	Home  home.Dir
	Clock *clock.Clock
	Log   *slog.Logger
	// Programs are the programs of a node of a Kubernetes minor; the error says what is not built.
	Programs func(minor string) (machine.Programs, error)
	// Processes are those of the supervisor.
	Processes controlplane.Processes
	// Client is Minato as a client of a cluster; see controlplane.Controller.
	Client func(ctx context.Context, clusterID string) (*kubeapi.Client, error)
	// Credentials are of an instance's role, for as long as is said. Denied and NotFound are the role's fault.
	Credentials func(ctx context.Context, role minato.ARN, session string, d time.Duration) (iam.Temporary, error)
	// Running and Terminated move an instance on; see service/ec2.
	Running    func(ctx context.Context, scope minato.Scope, id string) error
	Terminated func(ctx context.Context, scope minato.Scope, id string, reason ec2.InstanceReason) error
	// Terminate moves an instance to shutting-down.
	Terminate func(ctx context.Context, scope minato.Scope, id string, reason ec2.InstanceReason) error
}

// resync is how often an instance is looked at when nothing happens.
const resync = 5 * time.Minute

// Controller makes real instances' records true. Make it with New.
type Controller struct {
	deps       Deps
	instances  *store.Collection[ec2.Instance]
	interfaces *store.Collection[ec2.Interface]
	subnets    *store.Collection[ec2.Subnet]
	vpcs       *store.Collection[ec2.VPC]
	clusters   *store.Collection[eks.Cluster]
	planes     *store.Collection[controlplane.ControlPlane]
	keys       keys
	approvers  approvers
}

// New makes a Controller.
func New(d Deps) *Controller {
	c := &Controller{
		deps: d, instances: ec2.Instances(d.Store), interfaces: ec2.Interfaces(d.Store), subnets: ec2.SubnetsOf(d.Store),
		vpcs: ec2.VPCs(d.Store), clusters: eks.Clusters(d.Store), planes: controlplane.Records(d.Store),
	}
	c.approvers.run = c.approveUntilGone
	return c
}

// Run approves the certificates of kubelets until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.approvers.until(ctx) }

// Reconcile makes the instance whose record has this id true.
func (c *Controller) Reconcile(ctx context.Context, id string) (reconcile.Result, error) {
	item, err := c.instances.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	i := item.Value
	if i.Simulated {
		return reconcile.Result{}, nil
	}
	c.keys.set(i.ID, id)
	switch i.State {
	case ec2.InstancePending, ec2.InstanceRunning:
		return c.ensure(ctx, i)
	case ec2.InstanceShuttingDown:
		return reconcile.Result{}, c.remove(ctx, i)
	}
	return reconcile.Result{}, nil
}

// ensure has the instance's machine run.
func (c *Controller) ensure(ctx context.Context, i ec2.Instance) (reconcile.Result, error) {
	spec, cluster, err := c.spec(ctx, i)
	if minato.Is(err, minato.Invalid) {
		// As on a machine whose first program finds nonsense and gives up; nobody would come to look at it here.
		reason := ec2.InstanceReason{Code: "Client.InstanceInitiatedShutdown", Message: "Client.InstanceInitiatedShutdown: " + err.Error()}
		return reconcile.Result{}, c.deps.Terminate(ctx, i.Scope, i.ID, reason)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if _, err := machine.WriteSpec(c.deps.Home, spec); err != nil {
		return reconcile.Result{}, err
	}
	renewIn, err := c.renewCredentials(ctx, i)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := c.deps.Processes.Ensure(ctx, c.process(spec)); err != nil {
		return reconcile.Result{}, err
	}
	if cluster != "" {
		c.approvers.ensure(cluster)
	}
	status, _ := c.deps.Processes.Status(processName(i.ID))
	if i.State == ec2.InstancePending && status.State == supervisor.Running {
		c.logStart(ctx, i)
		if err := c.deps.Running(ctx, i.Scope, i.ID); err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{RequeueAfter: min(resync, renewIn)}, nil
}

// logStart says where the time went.
func (c *Controller) logStart(ctx context.Context, i ec2.Instance) {
	attrs := []any{"instance", i.ID, "node", i.PrivateDNSName, "since_launch", c.deps.Clock.Now().Sub(i.LaunchedAt).Round(time.Millisecond).String()}
	if s, err := machine.AskStatus(ctx, c.deps.Home, i.ID); err == nil {
		for _, p := range s.Phases {
			attrs = append(attrs, p.Name, p.At.String())
		}
	}
	c.deps.Log.InfoContext(ctx, "node runs", attrs...)
}

// process is the machine's process. Its environment does not name Minato's version, so that a node outlives an update.
func (c *Controller) process(s machine.Spec) supervisor.Spec {
	logs := machine.LogDir(c.deps.Home, s.InstanceID)
	return supervisor.Spec{
		Name: processName(s.InstanceID), Path: s.Programs.Minato,
		Args:        []string{"minato", "machine", "--home", string(c.deps.Home), "--instance", s.InstanceID},
		Env:         []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Log:         logs + "/machine.log",
		Streams:     []string{logs + "/kubelet.log", logs + "/containerd.log"},
		StopTimeout: machine.StopTimeout,
		Group:       s.Cluster.Name,
		Ready:       machine.Ready(c.deps.Home, s.InstanceID),
	}
}

const processPrefix = "nodes/"

func processName(instanceID string) string { return processPrefix + instanceID }

// KeyOf is the record id of the instance that a process is the machine of, for a look at it when the process has changed.
func (c *Controller) KeyOf(process string) (string, bool) {
	id, ok := strings.CutPrefix(process, processPrefix)
	if !ok {
		return "", false
	}
	return c.keys.get(id)
}

func (c *Controller) wrap(i ec2.Instance, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("instance %s: %w", i.ID, err)
}
