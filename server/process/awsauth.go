package process

import (
	"context"
	"log/slog"
	"net"
	"strconv"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/awsauth"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/eks"
)

// awsAuthFollower keeps up with the aws-auth ConfigMaps of the clusters that have one.
type awsAuthFollower struct {
	dir      home.Dir
	clusters *access.Clusters
	planes   *store.View[controlplane.ControlPlane]
	changed  chan struct{}
	auths    *access.AWSAuths
	log      *slog.Logger
}

// newAWSAuthFollower follows the clusters of a view, which clusters finds by id.
func newAWSAuthFollower(dir home.Dir, s store.Store, view *store.View[eks.Cluster], clusters *access.Clusters, log *slog.Logger) *awsAuthFollower {
	f := &awsAuthFollower{
		dir: dir, clusters: clusters, planes: store.NewView(controlplane.Records(s)),
		changed: make(chan struct{}, 1), auths: access.NewAWSAuths(), log: log,
	}
	poke := func(string) {
		select {
		case f.changed <- struct{}{}:
		default: // it will look anyway
		}
	}
	view.Subscribe(poke)
	f.planes.Subscribe(poke)
	return f
}

// run follows until ctx ends.
func (f *awsAuthFollower) run(ctx context.Context) error {
	return group(ctx, f.planes.Run, func(ctx context.Context) error {
		return awsauth.Follow(ctx, awsauth.Config{Targets: f.targets, Changed: f.changed, AWSAuths: f.auths, Log: f.log})
	})
}

// targets are the kube-apiservers of the clusters whose authentication mode has an aws-auth ConfigMap.
func (f *awsAuthFollower) targets() map[string]awsauth.Target {
	targets := map[string]awsauth.Target{}
	for item := range f.planes.All() {
		plane := item.Value
		cluster, ok := f.clusters.ByID(plane.ClusterID)
		if !ok || cluster.Spec.AuthenticationMode == "API" || cluster.Status.Status == eks.ClusterDeleting {
			continue
		}
		t := awsauth.Target{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(plane.Active.Ports.APIServer))}
		t.CAFile, t.CertFile, t.KeyFile = controlplane.AuthenticatorFiles(f.dir, plane.ClusterID)
		targets[plane.ClusterID] = t
	}
	return targets
}
