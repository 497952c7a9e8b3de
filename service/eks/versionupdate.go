package eks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/kube"
)

// Types of updates: those that change a cluster's version, and that of its subnets and security groups.
const (
	VersionUpdate   = "VersionUpdate"
	VersionRollback = "VersionRollback"
	VPCConfigUpdate = "VpcConfigUpdate"
)

// UpdateClusterVersionRequest asks for another Kubernetes version of a cluster. Zero values are what the client left out.
type UpdateClusterVersionRequest struct {
	Name    string
	Version string
	// Force goes on where insights are in ERROR.
	Force bool
	// RollbackTimeout is rollbackConfig.timeoutMinutes; nil where there is no rollbackConfig, 0 where it has none.
	RollbackTimeout    *int
	ClientRequestToken string `json:"-"`
}

// UpdateClusterVersion begins to move a cluster to the next minor, or back to the one before. The same request with the same
// token gives the same update again.
func (s *Service) UpdateClusterVersion(ctx context.Context, c Caller, r UpdateClusterVersionRequest) (Update, error) {
	var update Update
	_, err := s.modify(ctx, c, "eks:UpdateClusterVersion", r.Name, func(cluster *Cluster) (ops []store.Op, err error) {
		update, ops, err = s.beginUpdate(ctx, cluster, r.ClientRequestToken, hashOf(r), func() (change, error) { return s.chooseVersionChange(ctx, cluster, r) })
		return ops, withCluster(err, r.Name)
	}, conditions{"eks:kubernetesversion": {r.Version}})
	if err != nil {
		return Update{}, err
	}
	return update, nil
}

// chooseVersionChange checks what a request asks for against what the cluster is.
func (s *Service) chooseVersionChange(ctx context.Context, cluster *Cluster, r UpdateClusterVersionRequest) (change, error) {
	if cluster.Status.Status != ClusterActive {
		return change{kind: "UpdateClusterVersion"}, nil // which beginUpdate refuses, in its own words
	}
	target, known := kube.Lookup(r.Version)
	if !known {
		return change{}, minato.Errorf(minato.Invalid, "unsupported Kubernetes version %q: %s", shorten(r.Version), s.offer())
	}
	chosen, check := s.versionChange(VersionUpdate, target), s.checkUpgrade
	switch target.Number() - number(cluster.Spec.Version) {
	case 1:
		if r.RollbackTimeout != nil {
			return change{}, minato.Errorf(minato.Invalid, "rollbackConfig is for a rollback to an earlier version: from %s to %s is an upgrade", cluster.Spec.Version, target.Minor)
		}
	case -1:
		chosen, check = s.versionChange(VersionRollback, target), func(ctx context.Context, cluster *Cluster, target kube.Version) error {
			return s.checkRollback(ctx, cluster, target, r)
		}
	default:
		return change{}, errMinorUpdate(cluster, target.Minor)
	}
	if err := check(ctx, cluster, target); err != nil {
		return change{}, err
	}
	return chosen, s.checkRunnable(target)
}

// errMinorUpdate answers a version that is not next to the cluster's (text of EKS, seen in rancher/rancher issues 21043 and 41643).
func errMinorUpdate(cluster *Cluster, to string) *minato.Error {
	return minato.Errorf(minato.Invalid, "Unsupported Kubernetes minor version update from %s to %s", cluster.Spec.Version, to)
}

// versionChange is the change to a version.
func (s *Service) versionChange(kind string, target kube.Version) change {
	return change{kind: kind, apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		spec.Version = target.Minor
		return versionParams(target), nil
	}}
}

// versionParams are the parameters of an update to a version.
func versionParams(target kube.Version) []UpdateParam {
	return []UpdateParam{{"Version", target.Minor}, {"PlatformVersion", target.PlatformVersion()}}
}

// checkRunnable is whether this server can run a minor at all.
func (s *Service) checkRunnable(v kube.Version) error {
	switch {
	case !slices.Contains(s.BuiltMinors(), v.Minor):
		return minato.Errorf(minato.Invalid, "unsupported Kubernetes version %s: it has not been built here. Build it with `make kube VERSION=%s`", v.Minor, v.Minor)
	case !s.offered(v) && !v.HasCalendar():
		return minato.Errorf(minato.Invalid, "unsupported Kubernetes version %s: EKS has not released it. Start the server with --allow-unsupported to use it all the same", v.Minor)
	case !s.offered(v):
		return minato.Errorf(minato.Invalid, "unsupported Kubernetes version %s: EKS supports it from %s to %s. Start the server with --allow-unsupported to use it all the same",
			v.Minor, v.Released.Format(time.DateOnly), v.EndOfExtendedSupport.Format(time.DateOnly))
	}
	return nil
}

// checkUpgrade is whether a cluster's nodes allow its next minor.
func (s *Service) checkUpgrade(ctx context.Context, cluster *Cluster, target kube.Version) error {
	behind, err := s.nodegroupsWhere(ctx, cluster, func(minor string) bool { return number(minor) < number(cluster.Spec.Version) })
	if err != nil {
		return err
	}
	if len(behind) > 0 { // text of EKS, seen in hashicorp/terraform-provider-aws issue 19478
		return minato.Errorf(minato.Invalid, "Nodegroups %s must be updated to match cluster version %s before updating cluster version", strings.Join(behind, ", "), cluster.Spec.Version)
	}
	old, err := s.kubeletsWhere(ctx, cluster, func(minor int) bool { return minor < target.Number()-maxSkew })
	if err != nil || len(old) == 0 {
		return err
	}
	return minato.Errorf(minato.Invalid, "Nodes %s have kubelets that are more than %d minor versions older than %s: update them before updating cluster version",
		strings.Join(old, ", "), maxSkew, target.Minor)
}

// nodegroupsWhere are the names of the nodegroups whose version is so.
func (s *Service) nodegroupsWhere(ctx context.Context, cluster *Cluster, is func(minor string) bool) (names []string, err error) {
	page, err := Nodegroups(s.Store).List(ctx, cluster.ID+"/", "", 0)
	if err != nil {
		return nil, minato.Errorf(minato.Internal, "reading the nodegroups of cluster %s: %w", cluster.Name, err)
	}
	for _, item := range page.Items {
		if is(item.Value.Spec.Version) {
			names = append(names, item.Value.Name)
		}
	}
	return names, nil
}

// maxNamed is how many nodes an error names.
const maxNamed = 5

// kubeletsWhere are nodes with their version where the minor of the kubelet is so, the first few of them.
func (s *Service) kubeletsWhere(ctx context.Context, cluster *Cluster, is func(minor int) bool) (nodes []string, err error) {
	kubelets, err := s.Kubelets(ctx, cluster.ID)
	if err != nil {
		return nil, minato.Errorf(minato.Unavailable, "the versions of the nodes of cluster %s could not be read: %w", cluster.Name, err)
	}
	for _, k := range kubelets {
		if is(k.minor()) {
			nodes = append(nodes, k.Node+" ("+k.Version+")")
		}
	}
	slices.Sort(nodes)
	if len(nodes) > maxNamed {
		nodes = append(nodes[:maxNamed], "and others")
	}
	return nodes, nil
}

// Kubelet is the kubelet of a node, as the cluster knows it.
type Kubelet struct {
	Node    string
	Version string // "v1.35.4"
}

func (k Kubelet) minor() int {
	parts := strings.SplitN(strings.TrimPrefix(k.Version, "v"), ".", 3)
	if len(parts) < 2 {
		return 0
	}
	return number(parts[0] + "." + parts[1])
}

// RunningVersionUpdate is the update that is changing a cluster's version; nil where none is.
func RunningVersionUpdate(ctx context.Context, s store.Store, c *Cluster) (*Update, error) {
	return RunningUpdate(ctx, s, c, VersionUpdate, VersionRollback)
}

// RunningUpdate is the update of one of some types that is being carried out; nil where none is.
func RunningUpdate(ctx context.Context, s store.Store, c *Cluster, types ...string) (*Update, error) {
	running, err := runningUpdates(ctx, s, c)
	if err != nil {
		return nil, err
	}
	for i := range running {
		if slices.Contains(types, running[i].Value.Type) {
			return &running[i].Value, nil
		}
	}
	return nil, nil
}

// CancelUpdate refuses: EKS cancels rollbacks of Auto Mode clusters only, while their nodes are being rolled back, and Minato
// has no Auto Mode.
func (s *Service) CancelUpdate(ctx context.Context, c Caller, name, id string) (Update, error) {
	cluster, err := s.cluster(ctx, c, "eks:CancelUpdate", name)
	if err != nil {
		return Update{}, err
	}
	item, err := Updates(s.Store).Get(ctx, UpdatesOf(&cluster.Value)+store.ID(id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Update{}, minato.Errorf(minato.NotFound, "No update found for ID: %s", shorten(id)).With("clusterName", name)
	case err != nil:
		return Update{}, s.clusterError(ctx, name, err)
	case item.Value.Status != UpdateInProgress:
		return Update{}, minato.Errorf(minato.WrongState, "The update %s cannot be cancelled: it is %s", item.Value.ID, item.Value.Status).With("clusterName", name)
	case item.Value.Scheduled != nil:
		return Update{}, minato.Errorf(minato.WrongState, "The update %s cannot be cancelled: the support calendar begins it on %s, unless the cluster is upgraded before, or the upgrade policy changed to EXTENDED where that is still possible",
			item.Value.ID, item.Value.Scheduled.Format(time.DateOnly)).With("clusterName", name)
	}
	return Update{}, minato.Errorf(minato.WrongState, "The update %s of type %s cannot be cancelled: only a VersionRollback of an EKS Auto Mode cluster can be, while its nodes are rolling back",
		item.Value.ID, item.Value.Type).With("clusterName", name)
}
