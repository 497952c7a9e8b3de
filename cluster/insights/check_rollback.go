package insights

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// rollbackWindow is how long after an upgrade a cluster can go back.
const rollbackWindow = 7 * 24 * time.Hour

// rollback are the checks for going back to the minor before, which there are for seven days after an upgrade.
func rollback(v *view) []check {
	to, at, ok := v.cluster.Upgraded()
	if !ok || minorOf(to) != v.minor-1 || !v.now.Before(at.Add(rollbackWindow)) {
		return nil
	}
	return rollbackChecks(to)
}

// rollbackChecks are the checks for going back to a minor, named as on EKS.
func rollbackChecks(to string) []check {
	return []check{
		healthCheck(eks.RollbackReadiness, to, "Checks for any cluster health issues that prevent a successful rollback to Kubernetes "+to+"."),
		addonCheck("EKS add-on version rollback compatibility", eks.RollbackReadiness, to, "All installed EKS add-on versions are compatible with the Kubernetes version to roll back to."),
		incompatibleAPIs(to),
		newerKubelets(to),
		newerKubeProxy(to),
	}
}

// incompatibleAPIs is the check for APIs that the minor to go back to does not serve, and for fields that it does not take. Objects of such
// APIs stay in etcd, where nobody sees them, not even who acts on them, and such fields are dropped or without effect: that is an error. Who
// calls such APIs will be told that there is no such thing, which is a warning, because who has just deleted the objects has called them too.
func incompatibleAPIs(to string) check {
	return check{
		name: "Incompatible API usage", category: eks.RollbackReadiness, version: to, always: true,
		description: "Checks for usage of APIs that Kubernetes " + to + " does not serve: objects of such APIs, objects with fields that it does not take, and clients that call such APIs.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.newObjects(ctx, to)
			if err != nil {
				return finding{}, err
			}
			fields, err := v.newFields(ctx, to)
			if err != nil {
				return finding{}, err
			}
			bad = slices.Concat(bad, fields, v.newCalls(to))
			return trouble(eks.InsightWarning, byURI(bad), "No usage of APIs that Kubernetes "+to+" does not serve was detected.", "Incompatible API usage detected.",
				"Delete the objects, having saved what is in them, take the fields out of the others, and stop the clients or have them use what Kubernetes "+to+" serves."), nil
		},
	}
}

// newObjects are the objects of APIs that the minor to go back to does not serve.
func (v *view) newObjects(ctx context.Context, to string) (bad []eks.InsightResource, err error) {
	for _, api := range kube.NewAPIs() {
		if api.IntroducedIn() <= minorOf(to) || api.IntroducedIn() > v.minor || !stable(api.Version) {
			continue
		}
		objects, err := v.list(ctx, api.Path())
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if o.ofControlPlane() {
				continue
			}
			reason := fmt.Sprintf("%s of %s/%s is served from Kubernetes %s on", api.Kind, api.Group, api.Version, api.Introduced)
			bad = append(bad, eks.InsightResource{Status: eks.InsightStatus{Status: eks.InsightError, Reason: reason}, URI: o.uri(api.Path())})
		}
	}
	return bad, nil
}

// newFields are the objects with fields that the minor to go back to does not take. What a controller makes of others goes as they do.
func (v *view) newFields(ctx context.Context, to string) (bad []eks.InsightResource, err error) {
	byPath := map[string][]kube.NewField{}
	for _, f := range kube.NewFields() {
		if f.IntroducedIn() > minorOf(to) && f.IntroducedIn() <= v.minor {
			byPath[f.ListPath()] = append(byPath[f.ListPath()], f)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		err := v.each(ctx, path, func(o object) error {
			var all any
			if err := o.into(&all); err != nil || o.owned() {
				return err
			}
			for _, f := range byPath[path] {
				if f.In(all) && len(bad) < maxResources {
					reason := fmt.Sprintf("has %s, which Kubernetes takes from %s on (%s)", f.Path, f.Introduced, f.Gate)
					bad = append(bad, eks.InsightResource{Status: eks.InsightStatus{Status: eks.InsightError, Reason: reason}, URI: o.uri(path)})
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return bad, nil
}

// stable is whether a version is served without being asked for: "v1", and not "v1beta1" or "v1alpha1".
func stable(version string) bool {
	_, err := strconv.Atoi(strings.TrimPrefix(version, "v"))
	return err == nil
}

// ofControlPlane is whether the control plane keeps an object by itself, as the IPAddress of a Service: then the one of an earlier minor
// does without. Its controllers write status under names of their own.
func (o object) ofControlPlane() bool {
	written := slices.DeleteFunc(slices.Clone(o.Metadata.ManagedFields), func(f managed) bool { return f.Subresource != "" })
	return len(written) > 0 && !slices.ContainsFunc(written, func(f managed) bool {
		return f.Manager != "kube-apiserver" && f.Manager != "kube-controller-manager"
	})
}

// newCalls are the APIs that the minor to go back to does not serve, and that somebody still calls.
func (v *view) newCalls(to string) (bad []eks.InsightResource) {
	for key, clients := range v.calls {
		api := kube.FindNewAPI(key.Group, key.Version, key.Resource)
		if api == nil || api.IntroducedIn() <= minorOf(to) {
			continue
		}
		var still []string
		for _, c := range clients {
			if !c.last.Before(v.since) {
				still = append(still, c.agent)
			}
		}
		if len(still) > maxNamedClients {
			still = append(still[:maxNamedClients], "and others")
		}
		if len(still) > 0 {
			reason := fmt.Sprintf("served from Kubernetes %s on, and called by %s", api.Introduced, strings.Join(still, ", "))
			bad = append(bad, eks.InsightResource{Status: eks.InsightStatus{Reason: reason}, URI: api.Path()})
		}
	}
	return bad
}

// maxNamedClients is how many callers of one API a reason names.
const maxNamedClients = 5

// newerKubeProxy is the check that kube-proxy is not newer than the minor to go back to, whoever has installed it.
func newerKubeProxy(to string) check {
	return check{
		name: "kube-proxy version rollback compatibility", category: eks.RollbackReadiness, version: to,
		description: "Checks that kube-proxy is not newer than Kubernetes " + to + ": it is rolled back before the control plane.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.kubeProxies(ctx, func(version string) (eks.InsightStatus, bool) {
				return eks.InsightStatus{Reason: "its version is " + version}, minorOf(version) > minorOf(to)
			})
			return trouble(eks.InsightError, bad, "kube-proxy is not newer than the version to roll back to.", "kube-proxy is newer than the version to roll back to.",
				"Roll the kube-proxy add-on back first, with UpdateAddon."), err
		},
	}
}

// newerKubelets is the check that no node is newer than the minor to go back to.
func newerKubelets(to string) check {
	return check{
		name: "Kubelet version rollback compatibility", category: eks.RollbackReadiness, version: to,
		description: "Checks that no kubelet in the cluster is newer than Kubernetes " + to + ": nodes are rolled back before the control plane.",
		run: func(ctx context.Context, v *view) (finding, error) {
			bad, err := v.nodes(ctx, func(n *node) (eks.InsightStatus, bool) {
				version := n.Status.NodeInfo.KubeletVersion
				return eks.InsightStatus{Reason: "its kubelet is " + version}, minorOf(version) > minorOf(to)
			})
			return trouble(eks.InsightError, bad, "No kubelet is newer than the version to roll back to.", "At least one node kubelet version matches the cluster control plane version.",
				"Roll the nodes back first, with UpdateNodegroupVersion."), err
		},
	}
}
