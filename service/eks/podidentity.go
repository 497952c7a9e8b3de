package eks

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Where Pod Identity associations lie.
const (
	// PodIdentityPrefix is where the associations themselves lie: + cluster id/namespace/ServiceAccount, which is why there is one for
	// each. Whoever has a copy of this prefix (a store.View) finds the association of a pod by PodIdentityKey.
	PodIdentityPrefix = "/minato/eks/pod-identity-associations/"
	// podIdentityIDsPrefix is where it is noted which association has an id: + cluster id/association id.
	podIdentityIDsPrefix = "/minato/eks/pod-identity-ids/"
)

// PodIdentityServicePrincipal is who assumes the roles of associations.
const PodIdentityServicePrincipal = "pods.eks.amazonaws.com"

// podIdentityPart is the resource type in an association's ARN.
const podIdentityPart = "podidentityassociation"

// PodIdentityAssociation is the record of an IAM role whose credentials the pods of a ServiceAccount get. Only requests write it, and
// it is in force as soon as it is written. Its cluster, namespace and ServiceAccount never change.
type PodIdentityAssociation struct {
	Scope          minato.Scope `json:"scope"`
	ClusterID      string       `json:"clusterId"`
	ClusterName    string       `json:"clusterName"`
	ID             string       `json:"id"` // a-8mvwvh57cu74mgcst; never used again
	Namespace      string       `json:"namespace"`
	ServiceAccount string       `json:"serviceAccount"`

	// Role is assumed by EKS Auth on behalf of the pod, and is of the cluster's account.
	Role minato.ARN `json:"roleArn"`
	// TargetRole, zero for none, may be of any account: it is assumed with Role's credentials, and the pod gets its credentials.
	TargetRole minato.ARN `json:"targetRoleArn,omitzero"`
	// DisableSessionTags leaves out the session tags that tell pods apart.
	DisableSessionTags bool `json:"disableSessionTags,omitempty"`
	// Policy, a JSON document or empty, is the session policy of the credentials that the pod gets.
	Policy string `json:"policy,omitempty"`

	// Owner is the add-on that the association is a part of, zero for none.
	Owner      minato.ARN  `json:"ownerArn,omitzero"`
	Tags       minato.Tags `json:"tags,omitempty"`
	CreatedAt  time.Time   `json:"createdAt"`
	ModifiedAt time.Time   `json:"modifiedAt"`

	// The tokens and hashes make CreatePodIdentityAssociation and UpdatePodIdentityAssociation idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`
	UpdateToken        string `json:"updateToken,omitempty"`
	UpdateHash         string `json:"updateHash,omitempty"`
}

// podIdentityID is which association has an id.
type podIdentityID struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// ARN is arn:aws:eks:REGION:ACCOUNT:podidentityassociation/CLUSTER/ID.
func (a *PodIdentityAssociation) ARN() minato.ARN {
	return podIdentityARN(a.Scope, a.ClusterName, a.ID)
}

func podIdentityARN(scope minato.Scope, cluster, id string) minato.ARN {
	return minato.NewARN("eks", string(scope.Region), scope.Account, podIdentityPart+"/"+cluster+"/"+id)
}

// ExternalID is the sts:ExternalId with which the target role is assumed: REGION/ACCOUNT/CLUSTER/NAMESPACE/SERVICEACCOUNT. It is
// empty where there is no target role.
func (a *PodIdentityAssociation) ExternalID() string {
	if a.TargetRole.IsZero() {
		return ""
	}
	return strings.Join([]string{string(a.Scope.Region), a.Scope.Account, a.ClusterName, a.Namespace, a.ServiceAccount}, "/")
}

// PodIdentityAssociations is the collection of associations.
func PodIdentityAssociations(s store.Store) *store.Collection[PodIdentityAssociation] {
	return store.NewCollection[PodIdentityAssociation](s, PodIdentityPrefix)
}

// PodIdentityKey is the id of the record of a ServiceAccount's association.
func PodIdentityKey(clusterID, namespace, serviceAccount string) string {
	return store.ID(clusterID, namespace, serviceAccount)
}

func (a *PodIdentityAssociation) key() string {
	return PodIdentityKey(a.ClusterID, a.Namespace, a.ServiceAccount)
}

func podIdentityIDs(s store.Store) *store.Collection[podIdentityID] {
	return store.NewCollection[podIdentityID](s, podIdentityIDsPrefix)
}

// podIdentityByID reads a cluster's association with an id: store.ErrNotFound if there is none.
func podIdentityByID(ctx context.Context, s store.Store, clusterID, id string) (store.Item[PodIdentityAssociation], error) {
	noted, err := podIdentityIDs(s).Get(ctx, store.ID(clusterID, id))
	if err != nil {
		return store.Item[PodIdentityAssociation]{}, err
	}
	item, err := PodIdentityAssociations(s).Get(ctx, PodIdentityKey(clusterID, noted.Value.Namespace, noted.Value.ServiceAccount))
	if err == nil && item.Value.ID != id {
		err = store.ErrNotFound // deleted and made again between the two reads
	}
	return item, err
}

// createPodIdentity are the ops that write a new association.
func createPodIdentity(s store.Store, a PodIdentityAssociation) []store.Op {
	return []store.Op{
		PodIdentityAssociations(s).CreateOp(a.key(), a),
		podIdentityIDs(s).CreateOp(store.ID(a.ClusterID, a.ID), podIdentityID{a.Namespace, a.ServiceAccount}),
	}
}

// deletePodIdentity are the ops that remove an association.
func deletePodIdentity(s store.Store, item store.Item[PodIdentityAssociation]) []store.Op {
	id := podIdentityIDs(s).Key(store.ID(item.Value.ClusterID, item.Value.ID))
	return []store.Op{PodIdentityAssociations(s).DeleteOp(item), store.Delete(id, store.AnyRevision)}
}

// RemovePodIdentityAssociations removes all associations of a cluster that is being deleted. It comes before the removal of the
// cluster's own record and may be repeated.
func RemovePodIdentityAssociations(ctx context.Context, s store.Store, c *Cluster) error {
	if err := removeAll(ctx, s, c, PodIdentityPrefix+store.ID(c.ID)+"/"); err != nil {
		return err
	}
	if err := removeAll(ctx, s, c, podIdentityIDsPrefix+store.ID(c.ID)+"/"); err != nil {
		return err
	}
	return removeAll(ctx, s, c, podIdentityTurnsPrefix+store.ID(c.ID)+"/")
}

// newPodIdentityID is a- and 17 lower case letters and digits, as EKS has them.
func newPodIdentityID() string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	id := []byte("a-")
	for len(id) < 2+17 {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails
		if int(b[0]) < 256-256%len(letters) {
			id = append(id, letters[int(b[0])%len(letters)])
		}
	}
	return string(id)
}

// podIdentityError says what went wrong when the record of an association was read or written.
func (s *Service) podIdentityError(ctx context.Context, clusterName, id string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return minato.Errorf(minato.NotFound, "No Pod Identity association found with id: %s in cluster: %s", shorten(id), clusterName).With("clusterName", clusterName)
	}
	if corrupt, ok := errors.AsType[*store.CorruptError](err); ok {
		s.logCorrupt(ctx, corrupt)
	}
	return minato.Errorf(minato.Internal, "reading or writing the record of Pod Identity association %s failed: %w", id, err).With("clusterName", clusterName)
}
