package nodegroup

import (
	"context"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// webhookName is the configuration of our admission webhook in a cluster, named as on EKS.
const (
	webhookName  = "0500-amazon-eks-fargate-mutation.amazonaws.com"
	webhooksPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/"
	fieldManager = "minato"
)

// fargateGroups are the groups of a Fargate role's row in aws-auth ("Amazon EKS User Guide", aws-auth ConfigMap).
var fargateGroups = []any{"system:bootstrappers", "system:nodes", "system:node-proxier"}

// profile makes one profile's record true.
func (f *Fargate) profile(ctx context.Context, r *round, item *store.Item[eks.FargateProfile]) error {
	switch item.Value.Status {
	case eks.FargateCreating:
		return f.activate(ctx, r, item)
	case eks.FargateDeleting:
		return f.remove(ctx, r, item)
	case eks.FargateCreateFailed:
		return nil // its owner can only delete it
	}
	return f.checkHealth(ctx, item)
}

// activate lets the profile's machines into the cluster and has its pods sent to Fargate. It is ACTIVE once that holds.
func (f *Fargate) activate(ctx context.Context, r *round, item *store.Item[eks.FargateProfile]) error {
	p := item.Value
	if err := f.giveAccess(ctx, r, &p); minato.Is(err, minato.InUse) {
		p.Status, p.Health = eks.FargateCreateFailed, []eks.HealthIssue{{Code: issueRoleInUse, Message: err.Error(), ResourceIDs: []string{p.Role.String()}}}
		return f.put(ctx, item, p)
	} else if err != nil {
		return err
	}
	if err := r.kube.Apply(ctx, webhooksPath+webhookName, fieldManager, true, f.webhook(r.cluster.ID)); err != nil {
		return err
	}
	if err := f.own.HookApplied(ctx, item.Revision); err != nil {
		return err
	}
	p.Status = eks.FargateActive
	return f.put(ctx, item, p)
}

// issueRoleInUse is that machines of another kind have the profile's role, so that those of Fargate would not be told from them.
const issueRoleInUse = "PodExecutionRoleAlreadyInUse"

// giveAccess lets machines with the profile's role into the cluster.
func (f *Fargate) giveAccess(ctx context.Context, r *round, p *eks.FargateProfile) error {
	if r.cluster.Spec.AuthenticationMode != modeConfigMap {
		if err := f.deps.EnsureEntry(ctx, &r.cluster, p.Role, eks.FargateLinux); err != nil {
			return err
		}
	}
	if r.cluster.Spec.AuthenticationMode == modeAPI {
		return nil
	}
	username, _ := eks.NodeNames(eks.FargateLinux)
	has, err := ensureRow(ctx, r.kube, p.Role, username, fargateGroups)
	if err == nil && has != username && r.cluster.Spec.AuthenticationMode == modeConfigMap {
		return minato.Errorf(minato.InUse, "The role %s is %s in the ConfigMap kube-system/aws-auth already", p.Role, has)
	}
	return err
}

// webhook asks about each new pod. A cluster must not stand still because we are away, so a pod is then let through, and finds a node
// of another kind, or waits for one.
func (f *Fargate) webhook(clusterID string) kubeapi.Object {
	return kubeapi.Object{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": kubeapi.Object{"name": webhookName},
		"webhooks": []any{kubeapi.Object{
			"name": webhookName, "admissionReviewVersions": []any{"v1"}, "sideEffects": "None", "failurePolicy": "Ignore", "timeoutSeconds": 5,
			"clientConfig": kubeapi.Object{"url": f.own.WebhookURL(clusterID), "caBundle": f.own.WebhookCA},
			"rules": []any{kubeapi.Object{
				"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{"pods"}, "operations": []any{"CREATE"}, "scope": "Namespaced",
			}},
		}},
	}
}

// remove deletes the profile's pods, and the record once they and their machines are gone. The webhooks have passed over the profile
// since it began to go.
func (f *Fargate) remove(ctx context.Context, r *round, item *store.Item[eks.FargateProfile]) error {
	p := item.Value
	if err := f.own.HookApplied(ctx, item.Revision); err != nil {
		return err
	}
	left := false
	for _, pod := range r.pods {
		if pod.Metadata.Labels[profileLabel] != p.Name {
			continue
		}
		left = true
		if pod.Metadata.DeletionTimestamp == nil {
			if err := r.kube.Delete(ctx, pod.path()); err != nil {
				return err
			}
		}
	}
	for _, i := range r.machines {
		left = left || i.Tags["aws:eks:fargate-profile"] == p.Name
	}
	if left {
		return nil
	}
	if len(r.profiles) == 1 {
		if err := r.kube.Delete(ctx, webhooksPath+webhookName); err != nil {
			return err
		}
	}
	if !r.otherWithRole(p) {
		if err := f.deps.RemoveEntry(ctx, p.ClusterID, p.Role, eks.FargateLinux); err != nil {
			return err
		}
	}
	_, err := f.deps.Store.Commit(ctx, f.profiles.DeleteOp(*item))
	return ignoreRace(err)
}

func (r *round) otherWithRole(p eks.FargateProfile) bool {
	for _, item := range r.profiles {
		if item.Value.Name != p.Name && item.Value.Role == p.Role {
			return true
		}
	}
	return false
}

// checkHealth looks whether the profile's role can still be that of its machines.
func (f *Fargate) checkHealth(ctx context.Context, item *store.Item[eks.FargateProfile]) error {
	p := item.Value
	err := f.deps.CheckRole(ctx, p.Role, eks.FargateServicePrincipal, p.ARN())
	var health []eks.HealthIssue
	switch minato.KindOf(err) {
	case "":
	case minato.NotFound, minato.Denied:
		health = []eks.HealthIssue{{Code: issueAccess, Message: err.Error(), ResourceIDs: []string{p.Role.String()}}}
	default:
		return err
	}
	if len(health) == len(p.Health) && (len(health) == 0 || health[0].Message == p.Health[0].Message) {
		return nil
	}
	p.Health = health
	return f.put(ctx, item, p)
}

func (f *Fargate) put(ctx context.Context, item *store.Item[eks.FargateProfile], p eks.FargateProfile) error {
	next := *item
	next.Value = p
	next, err := f.profiles.Put(ctx, next)
	if err == nil {
		*item = next
	}
	return ignoreRace(err)
}
