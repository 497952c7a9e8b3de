package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

// explainAccess answers `minato access explain`: the way of a principal through the webhooks, and the verdict of the cluster's
// own kube-apiserver on it.
func (s *Server) explainAccess(ctx context.Context, q control.AccessQuestion) (*access.Explanation, error) {
	principal, err := s.findPrincipal(ctx, q.Principal, q.Session)
	if err != nil {
		return nil, err
	}
	scope := minato.Scope{Account: q.Account, Region: s.cfg.Region}
	if scope.Account == "" {
		scope.Account = s.cfg.Accounts[0]
	}
	item, err := eks.Clusters(s.store).Get(ctx, eks.ClusterKey(scope, q.Cluster))
	if errors.Is(err, store.ErrNotFound) {
		return nil, minato.Errorf(minato.NotFound, "account %s has no cluster %q; --account names another account", scope.Account, q.Cluster)
	}
	if err != nil {
		return nil, err
	}
	c := access.Case{Cluster: &item.Value, Principal: principal, Name: s.instanceName(ctx)}
	name, err := s.readQuestion(ctx, &c, q)
	if err == nil {
		err = s.readCase(ctx, &c)
	}
	if err != nil {
		return nil, err
	}
	e := c.Explain()
	if e.User == nil {
		return e, nil
	}
	allowed, reason, err := s.planes.Review(ctx, c.Cluster.ID, access.Question{User: *e.User, Request: c.Request, Namespace: c.Namespace}, name)
	if err != nil {
		return nil, err
	}
	e.Review(allowed, reason)
	return e, nil
}

// instanceName is the access.PrivateDNSName that the webhooks have, from the records.
func (s *Server) instanceName(ctx context.Context) access.PrivateDNSName {
	return func(account, id string) (string, bool) {
		found, err := ec2.Instances(s.store).Get(ctx, ec2.RecordID(minato.Scope{Account: account, Region: s.cfg.Region}, id))
		return found.Value.PrivateDNSName, err == nil && found.Value.State != ec2.InstanceTerminated
	}
}

// unlisted are resources that kube-apiserver asks about, for the verbs impersonate, sign and approve, and that no API has, with their groups.
var unlisted = map[string]string{
	"users": "", "groups": "", "uids": "authentication.k8s.io", "userextras": "authentication.k8s.io", "signers": "certificates.k8s.io",
}

// readQuestion reads what is asked about, and the name of the object.
func (s *Server) readQuestion(ctx context.Context, c *access.Case, q control.AccessQuestion) (name string, err error) {
	c.Request.Verb = strings.ToLower(q.Verb)
	if strings.HasPrefix(q.Resource, "/") {
		c.Request.NonResource, c.Request.Path = true, q.Resource
		return "", nil
	}
	word, subresource, _ := strings.Cut(q.Resource, "/")
	found, err := s.planes.Resource(ctx, c.Cluster.ID, word)
	if group, ok := unlisted[strings.ToLower(word)]; ok && minato.Is(err, minato.NotFound) {
		found, err = controlplane.Resource{Group: group, Name: strings.ToLower(word)}, nil
	}
	if err != nil {
		return "", err
	}
	c.Request = policies.Request{Verb: c.Request.Verb, Group: found.Group, Resource: found.Name, Subresource: subresource}
	switch {
	case found.Namespaced:
		c.Namespace = q.Namespace
	case found.Name == "namespaces": // the namespace of a request for a namespace is itself
		c.Namespace = q.Name
	case q.Namespace != "":
		return "", minato.Errorf(minato.Invalid, "%s are not in namespaces: leave --namespace out", found.Name)
	}
	return q.Name, nil
}

// readCase reads what the answer depends on.
func (s *Server) readCase(ctx context.Context, c *access.Case) error {
	entry, err := eks.AccessEntries(s.store).Get(ctx, eks.AccessEntryKey(c.Cluster.ID, c.Principal.IAMARN()))
	switch {
	case err == nil:
		c.Entry = &entry.Value
		if c.Policy, err = s.policiesOf(ctx, c.Entry); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if c.Cluster.Spec.AuthenticationMode != "API" {
		c.InForce, err = s.hook.AWSAuth(ctx, c.Cluster.ID)
		return err
	}
	return nil
}

// findPrincipal is the principal of an ARN as it would sign; a role does so in a session.
func (s *Server) findPrincipal(ctx context.Context, name, session string) (minato.Principal, error) {
	arn, err := minato.ParseARN(name)
	if err != nil {
		return minato.Principal{}, err
	}
	if role, of, ok := strings.Cut(arn.ResourceID(), "/"); ok && arn.Service == "sts" && arn.ResourceType() == "assumed-role" {
		found, err := s.iam.Role(ctx, arn.Account, role)
		if err != nil {
			return minato.Principal{}, fmt.Errorf("account %s: %w", arn.Account, err)
		}
		arn, session = found.ARN(), of
	}
	if arn == minato.NewARN("iam", "", arn.Account, "root") {
		return minato.Principal{Type: minato.AccountRoot, Account: arn.Account, ID: arn.Account, ARN: arn}, nil
	}
	id, err := s.iam.PrincipalID(ctx, arn)
	if err != nil {
		return minato.Principal{}, fmt.Errorf("%s is nobody on this server: %w", arn, err)
	}
	if arn.ResourceType() == string(iam.UserKind) {
		return minato.Principal{Type: minato.IAMUser, Account: arn.Account, ID: id, ARN: arn}, nil
	}
	return minato.Principal{
		Type: minato.AssumedRole, Account: arn.Account, ID: id + ":" + session, RoleARN: arn, SessionName: session,
		ARN: minato.NewARN("sts", "", arn.Account, "assumed-role/"+arn.ResourceName()+"/"+session),
	}, nil
}
