package eksauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/iam/policy"
	"minato.dev/minato/service/sts"
)

// Explainer says which credentials the pods of a ServiceAccount have, and what these may do.
type Explainer struct {
	Store store.Store
	IAM   *iam.Service
	STS   *sts.Service
	// Annotations are those of a ServiceAccount; an Error of kind NotFound if there is none, of kind Unavailable if the cluster does
	// not answer.
	Annotations func(ctx context.Context, cluster *eks.Cluster, namespace, serviceAccount string) (map[string]string, error)
}

// Question is what is to be explained. Action and Resource are empty when only the credentials matter.
type Question struct {
	Scope                              minato.Scope
	Cluster, Namespace, ServiceAccount string
	Pod                                string // name; empty is any
	Action, Resource                   string
}

// Outcome is what one step came to.
type Outcome string

// The outcomes. A step that is Skipped has no part in this, because another one comes before it.
const (
	Yes     Outcome = "yes"
	No      Outcome = "no"
	Skipped Outcome = "-"
)

// ExplainStep is one step on the way to credentials, and from there to an action.
type ExplainStep struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
}

// Ways of a pod to credentials.
const (
	ByPodIdentity = "pod identity"
	ByAnnotation  = "annotation" // IAM roles for service accounts
)

// Explanation is the whole way, with the reason for a no.
type Explanation struct {
	Cluster        string `json:"cluster"`
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	Request        string `json:"request,omitempty"` // "s3:GetObject on arn:aws:s3:::data/x"
	Allowed        bool   `json:"allowed"`           // the request, or where there is none the credentials
	Reason         string `json:"reason"`
	// Statement decides: a policy, and its statement. Empty where nothing allows.
	Statement string        `json:"statement,omitempty"`
	Steps     []ExplainStep `json:"steps"`

	By            string      `json:"by,omitempty"` // "pod identity" or "annotation"; empty where pods have no credentials of their own
	AssociationID string      `json:"associationId,omitempty"`
	Principal     string      `json:"principal,omitempty"` // the session that the pods are in
	SessionTags   minato.Tags `json:"sessionTags,omitempty"`
}

// Words for what the questioner left open.
const (
	anyPod    = "any-pod"
	anyPodUID = "00000000-0000-0000-0000-000000000000"
)

const roleAnnotation, audienceAnnotation = "eks.amazonaws.com/role-arn", "eks.amazonaws.com/audience"

// Explain answers a question. An error is for whoever asked.
func (x Explainer) Explain(ctx context.Context, q Question) (*Explanation, error) {
	item, err := eks.FindCluster(ctx, x.Store, eks.ClusterKey(q.Scope, q.Cluster))
	if errors.Is(err, store.ErrNotFound) {
		return nil, minato.Errorf(minato.NotFound, "account %s has no cluster %q; --account names another account", q.Scope.Account, q.Cluster)
	}
	if err != nil {
		return nil, err
	}
	e := &Explanation{Cluster: q.Cluster, Namespace: q.Namespace, ServiceAccount: q.ServiceAccount}
	annotations, err := x.serviceAccount(ctx, e, &item.Value)
	if err != nil {
		return nil, err
	}
	who, err := x.credentials(ctx, e, &item.Value, q, annotations)
	if err != nil || who == nil {
		return e, err
	}
	e.Principal, e.SessionTags = who.Principal.ARN.String(), who.Session.Tags
	if q.Action == "" {
		e.Allowed = true
		return e, nil
	}
	return e, x.action(ctx, e, *who, q)
}

func (e *Explanation) add(name string, outcome Outcome, format string, args ...any) {
	e.Steps = append(e.Steps, ExplainStep{name, outcome, fmt.Sprintf(format, args...)})
	e.Reason = e.Steps[len(e.Steps)-1].Detail
}

func (x Explainer) serviceAccount(ctx context.Context, e *Explanation, cluster *eks.Cluster) (map[string]string, error) {
	annotations, err := x.Annotations(ctx, cluster, e.Namespace, e.ServiceAccount)
	switch minato.KindOf(err) {
	case "":
		e.add("service account", Yes, "%s/%s is in the cluster", e.Namespace, e.ServiceAccount)
	case minato.NotFound:
		e.add("service account", No, "%s/%s is not in the cluster: there are no pods of it", e.Namespace, e.ServiceAccount)
	case minato.Unavailable:
		e.add("service account", Skipped, "it cannot be asked for: %s", err)
	default:
		return nil, err
	}
	return annotations, nil
}

// credentials is who the pods are; nil when they have no credentials of their own.
func (x Explainer) credentials(ctx context.Context, e *Explanation, cluster *eks.Cluster, q Question, annotations map[string]string) (*iam.Credential, error) {
	item, err := eks.PodIdentityAssociations(x.Store).Get(ctx, eks.PodIdentityKey(cluster.ID, q.Namespace, q.ServiceAccount))
	annotated := annotations[roleAnnotation]
	switch {
	case err == nil:
		a := &item.Value
		e.By, e.AssociationID = ByPodIdentity, a.ID
		e.add("association", Yes, "%s gives them %s", a.ID, rolesOf(a))
		if annotated != "" {
			e.add("annotation", Skipped, "%s says %s, and the association comes first", roleAnnotation, annotated)
		}
		pod := Pod{Namespace: q.Namespace, ServiceAccount: q.ServiceAccount, Name: q.Pod, UID: anyPodUID}
		if pod.Name == "" {
			pod.Name = anyPod
		}
		session := SessionFor(cluster, a, pod)
		steps, who, err := x.STS.ExplainPodSession(ctx, session)
		e.tags(session.Tags)
		return who, e.steps(steps, eks.PodIdentityServicePrincipal, err)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	e.add("association", No, "there is none for %s/%s", q.Namespace, q.ServiceAccount)
	if annotated == "" {
		e.add("annotation", No, "%s is not on the service account either: its pods have no credentials of their own, and use what the node's role may, if they can", roleAnnotation)
		return nil, nil
	}
	return x.webIdentity(ctx, e, cluster, annotated, annotations[audienceAnnotation])
}

func rolesOf(a *eks.PodIdentityAssociation) string {
	roles := a.Role.String()
	if !a.TargetRole.IsZero() {
		roles += ", and through it " + a.TargetRole.String()
	}
	if !a.Owner.IsZero() {
		roles += "; it belongs to " + a.Owner.String()
	}
	return roles
}

func (e *Explanation) tags(tags minato.Tags) {
	if len(tags) == 0 {
		e.add("session tags", No, "they are disabled")
		return
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		pairs = append(pairs, key+"="+tags[key])
	}
	e.add("session tags", Yes, "%s", strings.Join(pairs, ", "))
}

// steps tells what the policies say on the way to a role.
func (e *Explanation) steps(steps []sts.Step, asks string, err error) error {
	for i, step := range steps {
		if i > 0 && step.Role != steps[i-1].Role {
			asks = steps[i-1].Role.ResourceName()
		}
		if step.Decision.Allowed {
			e.add(step.Action, Yes, "%s, for %s", statementOf(step.Decision), asks)
			continue
		}
		e.Statement = statementOf(step.Decision)
		e.add(step.Action, No, "on %s, for %s,%s%s", step.Role, asks, step.Decision.Reason(step.Action), in(e.Statement))
	}
	if minato.Is(err, minato.NotFound) {
		e.add("role", No, "%s", err)
		return nil
	}
	return err
}

func (x Explainer) webIdentity(ctx context.Context, e *Explanation, cluster *eks.Cluster, role, audience string) (*iam.Credential, error) {
	e.By = ByAnnotation
	arn, parseErr := minato.ParseARN(role)
	if wrong := parseErr != nil || arn.Service != "iam" || arn.ResourceType() != "role"; wrong {
		e.add("annotation", No, "%s says %q, which is not the ARN of a role", roleAnnotation, role)
		return nil, nil
	}
	if audience == "" {
		audience = "sts.amazonaws.com"
	}
	e.add("annotation", Yes, "%s gives them %s, for the audience %s", roleAnnotation, role, audience)
	steps, who, err := x.STS.ExplainWebIdentity(ctx, sts.WebIdentity{
		Role: arn, Issuer: cluster.Status.Issuer, Audience: audience, SessionName: "explain",
		Subject: "system:serviceaccount:" + e.Namespace + ":" + e.ServiceAccount,
	})
	return who, e.steps(steps, cluster.Status.Issuer, err)
}

// action decides what was asked about. What a policy on the resource itself says is not asked: only the service that has the resource
// knows it.
func (x Explainer) action(ctx context.Context, e *Explanation, who iam.Credential, q Question) error {
	e.Request = q.Action
	access := iam.Access{Credential: who, Action: q.Action}
	if q.Resource != "" && q.Resource != "*" {
		e.Request += " on " + q.Resource
		arn, err := minato.ParseARN(q.Resource)
		if err != nil {
			return err
		}
		access.Resource = arn
	}
	d, err := x.IAM.Decide(ctx, access)
	if err != nil {
		return err
	}
	e.Allowed, e.Statement = d.Allowed, statementOf(d)
	if d.Allowed {
		e.add(q.Action, Yes, "%s", e.Statement)
	} else {
		e.add(q.Action, No, "%s%s", strings.TrimSpace(d.Reason(q.Action)), in(e.Statement))
	}
	return nil
}

// statementOf is the statement that decides; empty where none does.
func statementOf(d policy.Decision) string {
	if d.Statement == nil {
		return ""
	}
	return d.Statement.String()
}

func in(statement string) string {
	if statement == "" {
		return ""
	}
	return ": " + statement
}
