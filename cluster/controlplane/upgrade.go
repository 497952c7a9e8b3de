package controlplane

import (
	"context"
	"fmt"
	"time"

	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// upgradeLimit is how long a new version may take to serve before the cluster goes back to the one that it had. A start takes
// seconds; on a machine under load, a minute.
const upgradeLimit = 10 * time.Minute

// upgradeFailed is whether a change of the cluster's version is to be given up because of a problem: its programs end again and
// again, they are not there or cannot be run, or it has been tried for long enough. The cluster then stays UPDATING until the version before
// serves again, which the next passes see to: most often it never stopped.
func (c *Controller) upgradeFailed(ctx context.Context, p *pass, pr *problem) (bool, error) {
	if p.cluster.Status.Status != eks.ClusterUpdating {
		return false, nil
	}
	update, err := eks.RunningVersionUpdate(ctx, c.deps.Store, &p.cluster)
	if err != nil || update == nil {
		return false, err
	}
	switch {
	case pr.fatal, pr.reason == reasonCrashLoop, pr.reason == reasonNotBuilt, pr.reason == reasonNoProgram:
	case triedTooLong(p):
	default:
		return false, nil
	}
	pr.message = fmt.Sprintf("Kubernetes %s could not be brought up: %s; the cluster goes on with %s", p.cluster.Spec.Version, pr.message, update.Before.Version)
	return true, nil
}

// triedTooLong is whether the generation of the new version has had its time. Before there is one, the generation that is wanted is
// that of the version before, which may have begun long ago.
func triedTooLong(p *pass) bool {
	version, known := kube.Lookup(p.cluster.Spec.Version)
	g := p.wanted()
	return known && g.Patch == version.Patch && !g.Begun.IsZero() && time.Since(g.Begun) > upgradeLimit
}
