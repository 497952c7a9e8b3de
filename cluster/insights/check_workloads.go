package insights

import (
	"context"
	"fmt"
	"strings"

	"minato.dev/minato/service/eks"
)

const (
	budgetsPath      = "/apis/policy/v1/poddisruptionbudgets"
	deploymentsPath  = "/apis/apps/v1/deployments"
	statefulSetsPath = "/apis/apps/v1/statefulsets"
	validatingPath   = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
	mutatingPath     = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	slicesPath       = "/apis/discovery.k8s.io/v1/endpointslices"
)

// workload is what is read of a Deployment, a StatefulSet or a DaemonSet.
type workload struct {
	Spec struct {
		Replicas *int
		Template struct {
			Spec struct {
				Containers []struct{ Image string }
			}
		}
	}
}

// budgets is the check for PodDisruptionBudgets that keep nodes from being drained.
func budgets(v *view) check {
	return check{
		name: "Pod disruption budgets", category: eks.UpgradeReadiness, version: v.target(),
		description: "Checks for PodDisruptionBudgets that allow no pod to be evicted: nodes with such pods cannot be drained, so that an update of nodes fails.",
		run: func(ctx context.Context, v *view) (finding, error) {
			nodes, err := v.list(ctx, nodesPath)
			if err != nil {
				return finding{}, err
			}
			if len(nodes) == 0 { // so no pod runs, and no budget allows any to go
				return passing("There are no nodes to be drained."), nil
			}
			all, err := v.list(ctx, budgetsPath)
			if err != nil {
				return finding{}, err
			}
			var bad []eks.InsightResource
			for _, o := range all {
				var b struct {
					Status struct{ DisruptionsAllowed, ExpectedPods, CurrentHealthy, DesiredHealthy int }
				}
				if err := o.into(&b); err != nil {
					return finding{}, err
				}
				if s := b.Status; s.ExpectedPods > 0 && s.DisruptionsAllowed == 0 {
					bad = append(bad, eks.InsightResource{URI: o.uri(budgetsPath), Status: eks.InsightStatus{
						Reason: fmt.Sprintf("allows no disruption: %d of %d pods are healthy, %d have to be", s.CurrentHealthy, s.ExpectedPods, s.DesiredHealthy),
					}})
				}
			}
			return trouble(eks.InsightWarning, bad, "No PodDisruptionBudget blocks the draining of nodes.", "PodDisruptionBudgets allow no pod to be evicted.",
				"Have more replicas, or let maxUnavailable be 1 at least, before nodes are updated."), nil
		},
	}
}

// replicas is the check for workloads that are away while their only pod moves.
func replicas(v *view) check {
	return check{
		name: "Single-replica workloads", category: eks.UpgradeReadiness, version: v.target(),
		description: "Checks for Deployments and StatefulSets outside of kube-system with a single replica: they are unavailable while their node is replaced.",
		run: func(ctx context.Context, v *view) (finding, error) {
			var bad []eks.InsightResource
			for _, path := range []string{deploymentsPath, statefulSetsPath} {
				all, err := v.list(ctx, path)
				if err != nil {
					return finding{}, err
				}
				for _, o := range all {
					var w workload
					if err := o.into(&w); err != nil {
						return finding{}, err
					}
					if o.Metadata.Namespace != "kube-system" && w.Spec.Replicas != nil && *w.Spec.Replicas == 1 {
						bad = append(bad, eks.InsightResource{Status: eks.InsightStatus{Reason: "has one replica"}, URI: o.uri(path)})
					}
				}
			}
			return trouble(eks.InsightWarning, bad, "All workloads have more than one replica.", "Workloads with a single replica detected.",
				"Have two replicas or more of what must not be away while nodes are replaced."), nil
		},
	}
}

// webhookConfiguration is what is read of a configuration of webhooks.
type webhookConfiguration struct {
	Webhooks []struct {
		Name          string
		FailurePolicy string
		ClientConfig  struct {
			Service *struct{ Name, Namespace string }
		}
	}
}

// webhooks is the check for admission webhooks that refuse everything because nobody answers.
func webhooks(v *view) check {
	return check{
		name: "Admission webhooks", category: eks.UpgradeReadiness, version: v.target(),
		description: "Checks for admission webhooks that fail closed and whose Service has no ready endpoint, or does not exist: requests that they are to admit are refused, those of an upgrade too.",
		run: func(ctx context.Context, v *view) (finding, error) {
			ready, err := v.readyServices(ctx)
			if err != nil {
				return finding{}, err
			}
			var bad []eks.InsightResource
			for _, path := range []string{validatingPath, mutatingPath} {
				all, err := v.list(ctx, path)
				if err != nil {
					return finding{}, err
				}
				for _, o := range all {
					reason, err := blocks(o, ready)
					if err != nil {
						return finding{}, err
					}
					if reason != "" {
						bad = append(bad, eks.InsightResource{Status: eks.InsightStatus{Reason: reason}, URI: o.uri(path)})
					}
				}
			}
			return trouble(eks.InsightError, bad, "All admission webhooks that fail closed have endpoints.", "Admission webhooks that fail closed have no ready endpoint.",
				"Bring the webhook's pods up, or remove its configuration, before upgrading."), nil
		},
	}
}

// blocks is why the webhooks of a configuration refuse everything, empty if they do not.
func blocks(o object, ready map[string]bool) (string, error) {
	var c webhookConfiguration
	if err := o.into(&c); err != nil {
		return "", err
	}
	var reasons []string
	for _, w := range c.Webhooks {
		if s := w.ClientConfig.Service; w.FailurePolicy == "Fail" && s != nil && !ready[s.Namespace+"/"+s.Name] {
			reasons = append(reasons, fmt.Sprintf("webhook %s fails closed, and its Service %s/%s has no ready endpoint", w.Name, s.Namespace, s.Name))
		}
	}
	return strings.Join(reasons, "; "), nil
}

// readyServices are the Services, by namespace/name, with an endpoint that is ready.
func (v *view) readyServices(ctx context.Context) (map[string]bool, error) {
	all, err := v.list(ctx, slicesPath)
	if err != nil {
		return nil, err
	}
	ready := map[string]bool{}
	for _, o := range all {
		var s struct {
			Endpoints []struct {
				Conditions struct{ Ready *bool }
			}
		}
		if err := o.into(&s); err != nil {
			return nil, err
		}
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready[o.Metadata.Namespace+"/"+o.Metadata.Labels["kubernetes.io/service-name"]] = true
			}
		}
	}
	return ready, nil
}
