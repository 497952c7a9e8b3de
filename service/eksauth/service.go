package eksauth

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

// Service is EKS Auth. All fields are needed.
type Service struct {
	Authorize iam.Authorize
	// Cluster and Association read records by their ids, as eks.Clusters and eks.PodIdentityAssociations have them: store.ErrNotFound if
	// there is none. They are functions because they are asked for each pod, so that copies in memory can answer.
	Cluster     func(ctx context.Context, id string) (eks.Cluster, error)
	Association func(ctx context.Context, id string) (eks.PodIdentityAssociation, error)
	// Issuer is who signs the ServiceAccount tokens of a cluster.
	Issuer func(ctx context.Context, cluster *eks.Cluster) (Issuer, error)
	// Alive asks a cluster whether the pod and the ServiceAccount of a token that it has signed are still there: an Error of kind
	// NotFound if not, of kind Unavailable if the cluster does not answer.
	Alive func(ctx context.Context, cluster *eks.Cluster, token string) error
	// Session gives the credentials, or says why not by an Error of kind Denied.
	Session func(ctx context.Context, s sts.PodSession) (sts.AssumedRole, error)
	Log     *slog.Logger
}

// Issuer is who signs a cluster's ServiceAccount tokens.
type Issuer struct {
	URL string
	// Keys are all keys that have signed tokens which may still be good, by the ids that tokens name them by.
	Keys map[string]crypto.PublicKey
}

// Caller is who asks: a node, by its role, or an agent with credentials of its own.
type Caller struct {
	Credential iam.Credential
	Scope      minato.Scope
	Context    map[string][]string // condition keys, in lower case
}

// Credentials are what a pod gets.
type Credentials struct {
	Association eks.PodIdentityAssociation
	Role        sts.AssumedRole
}

// Codes of EKS Auth's errors that the kinds of errors do not tell.
const (
	InvalidToken = "InvalidTokenException"
	ExpiredToken = "ExpiredTokenException"
)

// maxToken bounds a token, in bytes: kube-apiserver's are about one KiB.
const maxToken = 16 << 10

// AssumeRoleForPodIdentity gives the credentials of the role that is associated with the ServiceAccount of a pod, which shows a token
// of its cluster.
func (s *Service) AssumeRoleForPodIdentity(ctx context.Context, c Caller, clusterName, token string) (Credentials, error) {
	cluster, err := s.cluster(ctx, c, clusterName)
	if err != nil {
		return Credentials{}, err
	}
	if cluster.Status.Status == eks.ClusterPending {
		return Credentials{}, minato.Errorf(minato.WrongState, "Cluster %s is registered and not connected yet: `minato identity register` says who signs its tokens", clusterName)
	}
	issuer, err := s.Issuer(ctx, &cluster)
	if err != nil {
		return Credentials{}, fmt.Errorf("finding the issuer of cluster %s: %w", clusterName, err)
	}
	pod, err := issuer.verify(token)
	if err != nil {
		return Credentials{}, err
	}
	association, err := s.association(ctx, &cluster, pod)
	if err != nil {
		return Credentials{}, err
	}
	if err := s.checkAlive(ctx, &cluster, pod, token); err != nil {
		return Credentials{}, err
	}
	role, err := s.Session(ctx, SessionFor(&cluster, &association, pod))
	if denied, ok := errors.AsType[*minato.Error](err); ok && denied.Kind == minato.Denied {
		// The first sentence is EKS's. The reason is ours to add: EKS leaves one to guess.
		return Credentials{}, minato.Errorf(minato.Denied, "Unauthorized Exception! EKS does not have permissions to assume the associated role. (%s)", denied.Message)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("making a session of %s: %w", association.Role, err)
	}
	return Credentials{association, role}, nil
}

// cluster reads a cluster of the caller's account, and asks whether the caller may get credentials for its pods. Who may not learns
// nothing about whether it exists.
func (s *Service) cluster(ctx context.Context, c Caller, name string) (eks.Cluster, error) {
	named := eks.Cluster{Scope: c.Scope, Name: name}
	access := iam.Access{Credential: c.Credential, Action: "eks-auth:AssumeRoleForPodIdentity", Resource: named.ARN(), Context: c.Context}
	if err := s.Authorize(ctx, access); err != nil {
		return eks.Cluster{}, err
	}
	cluster, err := s.Cluster(ctx, eks.ClusterKey(c.Scope, name))
	if errors.Is(err, store.ErrNotFound) {
		return eks.Cluster{}, minato.Errorf(minato.NotFound, "No cluster found for name: %s.", name)
	}
	if err != nil {
		return eks.Cluster{}, fmt.Errorf("reading the record of cluster %s: %w", name, err)
	}
	return cluster, nil
}

func (s *Service) association(ctx context.Context, cluster *eks.Cluster, pod Pod) (eks.PodIdentityAssociation, error) {
	a, err := s.Association(ctx, eks.PodIdentityKey(cluster.ID, pod.Namespace, pod.ServiceAccount))
	if errors.Is(err, store.ErrNotFound) {
		return a, minato.Errorf(minato.NotFound, "No Pod Identity association found for service account: %s in namespace: %s of cluster: %s",
			pod.ServiceAccount, pod.Namespace, cluster.Name)
	}
	if err != nil {
		return a, fmt.Errorf("reading the association of %s/%s: %w", pod.Namespace, pod.ServiceAccount, err)
	}
	return a, nil
}

// checkAlive refuses the token of a pod that is gone. A cluster that does not answer is no reason to believe the token: agents have
// credentials for hours, and come again.
func (s *Service) checkAlive(ctx context.Context, cluster *eks.Cluster, pod Pod, token string) error {
	err := s.Alive(ctx, cluster, token)
	switch minato.KindOf(err) {
	case minato.NotFound:
		return minato.Errorf(minato.Invalid, "The token included in the request is invalid: the pod %s (uid %s) or its service account %s is not in namespace %s any more",
			pod.Name, pod.UID, pod.ServiceAccount, pod.Namespace).Because(InvalidToken)
	case minato.Unavailable:
		s.Log.WarnContext(ctx, "a cluster cannot be asked about a pod", "cluster", cluster.Name, "error", err)
		return minato.Errorf(minato.Unavailable, "The cluster %s does not answer whether the pod is still there: try again", cluster.Name)
	}
	return err
}

// SessionFor is the session that a pod gets by an association.
func SessionFor(cluster *eks.Cluster, a *eks.PodIdentityAssociation, pod Pod) sts.PodSession {
	session := sts.PodSession{
		Cluster: cluster.ARN(), Role: a.Role, TargetRole: a.TargetRole, SessionName: sessionName(cluster.Name, pod.Name), Policy: a.Policy,
	}
	if a.DisableSessionTags {
		session.ExternalID = a.ExternalID()
		return session
	}
	session.Tags = minato.Tags{
		"eks-cluster-arn":            cluster.ARN().String(),
		"eks-cluster-name":           cluster.Name,
		"kubernetes-namespace":       pod.Namespace,
		"kubernetes-service-account": pod.ServiceAccount,
		"kubernetes-pod-name":        pod.Name,
		"kubernetes-pod-uid":         pod.UID,
	}
	return session
}

// sessionNamePart is how much of the cluster's name and of the pod's goes into a session's name.
const sessionNamePart = 10

// sessionName is eks-CLUSTER-POD-UUID, as EKS Auth has it: eks-eks-worksh-carts-d49c-c1857ccc-86be-4bd6-9c6d-0b90748341b4.
func sessionName(cluster, pod string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("eks-%.*s-%.*s-%x-%x-%x-%x-%x", sessionNamePart, cluster, sessionNamePart, pod, b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
