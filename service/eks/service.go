package eks

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// Service is the operations of the EKS API on the records. All fields are needed but the switches and what says so.
type Service struct {
	Store     store.Store
	Now       func() time.Time
	Authorize iam.Authorize
	// CheckRole is whether a role exists (else an Error of kind NotFound) and its trust policy lets an AWS service principal
	// assume it on behalf of a resource (else of kind Denied).
	CheckRole func(ctx context.Context, role minato.ARN, servicePrincipal string, resource minato.ARN) error
	// PrincipalID is the unique id of the IAM user or role with an ARN, of any account; an Error of kind NotFound if there is none.
	PrincipalID func(ctx context.Context, principal minato.ARN) (string, error)
	// AccessPolicies are all access policies of AWS.
	AccessPolicies []AccessPolicy
	// CheckPolicyRules is what is wrong with the rules of a CustomPolicy, an Error of kind Invalid.
	CheckPolicyRules func(arn minato.ARN, rules string) error
	// Addons are the add-ons that clusters can have, by name.
	Addons []AddonKind
	// CheckAddonValues is what is wrong with the configuration values of an add-on, in the words of EKS; nil if nothing is.
	CheckAddonValues func(addon, values string) error
	// Applied waits until access to clusters is decided by the records of a revision or a later one.
	Applied func(ctx context.Context, rev store.Revision) error
	Network Network
	Compute Compute
	// PrivateEndpoints is whether clusters' endpoints are reached from inside of their VPCs, which must be real for that.
	PrivateEndpoints bool
	// BuiltMinors are the Kubernetes minors that this server can run: "1.35".
	BuiltMinors func() []string
	// Kubelets are the kubelets of a cluster's nodes, as the cluster itself knows them.
	Kubelets func(ctx context.Context, clusterID string) ([]Kubelet, error)
	// RollbackBlockers are the names of a cluster's insights of category ROLLBACK_READINESS that are in ERROR for going back to a
	// minor. It may be nil.
	RollbackBlockers func(ctx context.Context, c *Cluster, target string) ([]string, error)
	// AllowUnsupported offers built minors that are past their support, or have none.
	AllowUnsupported bool
	Log              *slog.Logger
}

// Caller is who asks, and from where.
type Caller struct {
	Credential iam.Credential
	Scope      minato.Scope
	// Context are the condition keys that the request brings, in lower case: "aws:sourceip".
	Context conditions
}

// servicePrincipal is who assumes a cluster's role.
const servicePrincipal = "eks.amazonaws.com"

// clusterARN is the ARN that a name stands for, whether there is such a cluster or not.
func clusterARN(scope minato.Scope, name string) minato.ARN {
	return (&Cluster{Scope: scope, Name: name}).ARN()
}

// accountARN is the resource of actions that are about no cluster, as EKS's refusals name it: the account, in a region.
func accountARN(scope minato.Scope) minato.ARN {
	return minato.NewARN("eks", string(scope.Region), scope.Account, "*")
}

// conditions are condition keys of a request, in lower case, with their values.
type conditions map[string][]string

// authorize asks whether the caller may do action on resource, under the conditions of the caller's request and some more.
func (s *Service) authorize(ctx context.Context, c Caller, action string, resource minato.ARN, more ...conditions) error {
	keys := conditions{}
	maps.Copy(keys, c.Context)
	for _, m := range more {
		maps.Copy(keys, m)
	}
	return s.Authorize(ctx, iam.Access{Credential: c.Credential, Action: action, Resource: resource, Context: keys})
}

// requestTags are the conditions that tags in a request set.
func requestTags(tags minato.Tags) conditions {
	keys := conditions{}
	for k, v := range tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	if len(tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

// resourceTags are the conditions that the tags of a resource set.
func resourceTags(tags minato.Tags) conditions {
	keys := conditions{}
	for k, v := range tags {
		keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	return keys
}

// cluster reads a cluster's record for an action and authorizes it. Who may not do the action learns nothing about whether
// the cluster exists.
func (s *Service) cluster(ctx context.Context, c Caller, action, name string, more ...conditions) (store.Item[Cluster], error) {
	return s.clusterFor(ctx, c, action, name, func(cluster *Cluster) (minato.ARN, minato.Tags) { return clusterARN(c.Scope, name), cluster.Tags }, more...)
}

// within is what of a cluster an action is on, with its tags; the cluster is zero where there is none.
type within func(*Cluster) (minato.ARN, minato.Tags)

// clusterFor is cluster for an action on something that its record holds.
func (s *Service) clusterFor(ctx context.Context, c Caller, action, name string, on within, more ...conditions) (store.Item[Cluster], error) {
	item, readErr := FindCluster(ctx, s.Store, ClusterKey(c.Scope, name))
	resource, tags := on(&item.Value)
	more = append(more, resourceTags(tags))
	if err := s.authorize(ctx, c, action, resource, more...); err != nil {
		return store.Item[Cluster]{}, err
	}
	if item.Value.Connector != nil && !slices.Contains(connectedActions, action) {
		return item, minato.Errorf(minato.WrongState, "Cluster %s runs elsewhere: it is registered for EKS Pod Identity, and %s is not for such clusters", name, action).
			With("clusterName", name)
	}
	return item, s.clusterError(ctx, name, readErr)
}

// errUnchanged ends a modify that has nothing to write.
var errUnchanged = errors.New("nothing to change")

// modify reads a cluster for an action, lets change work on it and give ops that go along, and writes all of it, from the
// start again whenever somebody else wrote in between. It answers the cluster as it then is.
func (s *Service) modify(ctx context.Context, c Caller, action, name string, change func(*Cluster) ([]store.Op, error), more ...conditions) (Cluster, error) {
	return s.modifyRead(ctx, name, func() (store.Item[Cluster], error) { return s.cluster(ctx, c, action, name, more...) }, change)
}

// modifyRead is modify with another way to read and to authorize.
func (s *Service) modifyRead(ctx context.Context, name string, read func() (store.Item[Cluster], error), change func(*Cluster) ([]store.Op, error)) (Cluster, error) {
	for {
		item, err := read()
		if err != nil {
			return Cluster{}, err
		}
		ops, err := change(&item.Value)
		if errors.Is(err, errUnchanged) {
			return item.Value, nil
		}
		if err != nil {
			return Cluster{}, err
		}
		_, err = s.Store.Commit(ctx, append(ops, recordsOf(s.Store, &item.Value).UpdateOp(item))...)
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue
		}
		return item.Value, s.clusterError(ctx, name, err)
	}
}

// clusterError says what went wrong when the record of a cluster was read or written.
func (s *Service) clusterError(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return minato.Errorf(minato.NotFound, "No cluster found for name: %s.", name).With("clusterName", name)
	}
	if corrupt, ok := errors.AsType[*store.CorruptError](err); ok {
		s.logCorrupt(ctx, corrupt)
	}
	return minato.Errorf(minato.Internal, "reading or writing the record of cluster %s failed: %w", name, err).With("clusterName", name)
}

func (s *Service) logCorrupt(ctx context.Context, corrupt *store.CorruptError) {
	s.Log.ErrorContext(ctx, "a record is corrupt; it is left as it is", "key", corrupt.Key, "error", corrupt.Err)
}
