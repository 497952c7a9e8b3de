package eks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/jwks"
)

// ConnectedClustersPrefix is where clusters lie that run elsewhere: + account/region/name. They are apart from ours, so that nothing
// takes them for clusters to run.
const ConnectedClustersPrefix = "/minato/eks/connected-clusters/"

const (
	// maxConnected is the quota "Registered clusters" (L-FDFA5F81).
	maxConnected = 10
	// maxIssuer bounds an issuer, in bytes.
	maxIssuer = 2048
	// connectorPrincipal is whom the role of a registered cluster trusts.
	connectorPrincipal = "ssm.amazonaws.com"
)

// ClusterPending is the status of a registered cluster that is not connected yet.
const ClusterPending ClusterStatus = "PENDING"

// connectorProviders are where a registered cluster may run (API model, ConnectorConfigProvider).
var connectorProviders = []string{"EKS_ANYWHERE", "ANTHOS", "GKE", "AKS", "OPENSHIFT", "TANZU", "RANCHER", "EC2", "OTHER"}

// Connector is what is known of a cluster that runs elsewhere.
type Connector struct {
	Provider string     `json:"provider"`
	RoleARN  minato.ARN `json:"roleArn"`
	// JWKS are the public keys of its ServiceAccount tokens (Status.Issuer signs them); empty until it is connected.
	JWKS        json.RawMessage `json:"jwks,omitempty"`
	ConnectedAt time.Time       `json:"connectedAt,omitzero"`
}

// ConnectedClusters is the collection of clusters that run elsewhere. Their Connector is never nil, and their Spec empty.
func ConnectedClusters(s store.Store) *store.Collection[Cluster] {
	return store.NewCollection[Cluster](s, ConnectedClustersPrefix)
}

// connectedActions are what can be done with a cluster that runs elsewhere.
var connectedActions = []string{
	"eks:DescribeCluster", "eks:DeregisterCluster", "eks:TagResource", "eks:UntagResource", "eks:ListTagsForResource",
	"eks:CreatePodIdentityAssociation", "eks:ListPodIdentityAssociations",
}

// recordsOf is the collection that a cluster's record is in.
func recordsOf(s store.Store, c *Cluster) *store.Collection[Cluster] {
	if c.Connector != nil {
		return ConnectedClusters(s)
	}
	return Clusters(s)
}

// FindCluster reads a cluster, of ours or connected: store.ErrNotFound if there is neither.
func FindCluster(ctx context.Context, s store.Store, key string) (store.Item[Cluster], error) {
	item, err := Clusters(s).Get(ctx, key)
	if !errors.Is(err, store.ErrNotFound) {
		return item, err
	}
	return ConnectedClusters(s).Get(ctx, key)
}

// RegisterClusterRequest asks for the registration of a cluster that runs elsewhere.
type RegisterClusterRequest struct {
	Name, RoleARN, Provider string
	Tags                    minato.Tags
	ClientRequestToken      string `json:"-"`
}

// RegisterCluster writes the record of a cluster that runs elsewhere, PENDING. ConnectCluster makes it ACTIVE.
func (s *Service) RegisterCluster(ctx context.Context, c Caller, r RegisterClusterRequest) (Cluster, error) {
	if !clusterName.MatchString(r.Name) {
		return Cluster{}, minato.Errorf(minato.Invalid, "The cluster name %q is not valid: 1 to 100 letters, digits, hyphens and underscores, beginning with a letter or digit", shorten(r.Name))
	}
	arn := clusterARN(c.Scope, r.Name)
	err := s.authorize(ctx, c, "eks:RegisterCluster", arn, requestTags(r.Tags))
	if err == nil && len(r.Tags) > 0 {
		err = s.authorize(ctx, c, "eks:TagResource", arn, requestTags(r.Tags))
	}
	if err != nil {
		return Cluster{}, err
	}
	hash := hashOf(r)
	for {
		cluster, err := s.putRegistered(ctx, c, r, hash)
		if isRace(err) && ctx.Err() == nil {
			continue // maybe this very request, sent twice
		}
		return cluster, withCluster(err, r.Name)
	}
}

func (s *Service) putRegistered(ctx context.Context, c Caller, r RegisterClusterRequest, hash string) (Cluster, error) {
	page, err := ConnectedClusters(s.Store).List(ctx, store.ID(c.Scope.Account, string(c.Scope.Region))+"/", "", 0)
	if err != nil {
		return Cluster{}, s.clusterError(ctx, r.Name, err)
	}
	for _, item := range page.Items {
		sameToken := r.ClientRequestToken != "" && item.Value.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && item.Value.RequestHash == hash:
			return item.Value, nil
		case sameToken:
			return Cluster{}, errTokenReused(r.ClientRequestToken, r.Name)
		}
	}
	key := ClusterKey(c.Scope, r.Name)
	switch _, err := FindCluster(ctx, s.Store, key); {
	case err == nil:
		return Cluster{}, minato.Errorf(minato.AlreadyExists, "Cluster already exists with name: %s", r.Name)
	case !errors.Is(err, store.ErrNotFound):
		return Cluster{}, s.clusterError(ctx, r.Name, err)
	}
	if n := len(page.Items) + len(page.Corrupt); n >= maxConnected {
		return Cluster{}, minato.Errorf(minato.LimitExceeded, "This account has %d registered clusters in %s already, at most %d are allowed", n, c.Scope.Region, maxConnected)
	}
	cluster, err := s.newRegistered(ctx, c, r)
	if err != nil {
		return Cluster{}, err
	}
	cluster.ClientRequestToken, cluster.RequestHash = r.ClientRequestToken, hash
	_, err = s.Store.Commit(ctx, ConnectedClusters(s.Store).CreateOp(key, cluster), store.Absent(Clusters(s.Store).Key(key)))
	return cluster, err
}

// newRegistered checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newRegistered(ctx context.Context, c Caller, r RegisterClusterRequest) (Cluster, error) {
	if !slices.Contains(connectorProviders, r.Provider) {
		return Cluster{}, minato.Errorf(minato.Invalid, "The provider %q is not valid: want one of %s", shorten(r.Provider), strings.Join(connectorProviders, ", "))
	}
	if err := checkTags(r.Tags); err != nil {
		return Cluster{}, err
	}
	cluster := Cluster{
		Scope: c.Scope, Name: r.Name, ID: newClusterID(), CreatedAt: s.modified(), Creator: c.Credential.Principal, Tags: r.Tags,
		Status: Status{Status: ClusterPending},
	}
	role, err := parseRoleARN("connectorConfig.roleArn", r.RoleARN, c.Scope.Account)
	if err != nil {
		return Cluster{}, err
	}
	if role.Account != c.Scope.Account {
		return Cluster{}, minato.Errorf(minato.Invalid, "Cross-account pass role is not allowed: the role %s is of another account than %s", role, c.Scope.Account)
	}
	if err := s.authorize(ctx, c, "iam:PassRole", role, conditions{"iam:passedtoservice": {connectorPrincipal}}); err != nil {
		return Cluster{}, err
	}
	switch err := s.CheckRole(ctx, role, connectorPrincipal, cluster.ARN()); minato.KindOf(err) {
	case "":
	case minato.NotFound:
		return Cluster{}, minato.Errorf(minato.Invalid, "The role with name %s cannot be found.", role.ResourceName())
	case minato.Denied:
		return Cluster{}, minato.Errorf(minato.Invalid, "The trust policy of the role %s does not let %s assume it", role, connectorPrincipal)
	default:
		return Cluster{}, fmt.Errorf("checking the role of a registered cluster: %w", err)
	}
	cluster.Connector = &Connector{Provider: r.Provider, RoleARN: role}
	return cluster, nil
}

// DeregisterCluster forgets a cluster that runs elsewhere, with its associations, and answers what it was.
func (s *Service) DeregisterCluster(ctx context.Context, c Caller, name string) (Cluster, error) {
	for {
		item, err := s.cluster(ctx, c, "eks:DeregisterCluster", name)
		if err != nil {
			return Cluster{}, err
		}
		if item.Value.Connector == nil {
			return Cluster{}, minato.Errorf(minato.WrongState, "Cluster %s is not a registered cluster: DeleteCluster deletes it", name).With("clusterName", name)
		}
		// What is left by a server that is killed in between can be deregistered again.
		if err := RemovePodIdentityAssociations(ctx, s.Store, &item.Value); err != nil {
			return Cluster{}, s.clusterError(ctx, name, err)
		}
		_, err = s.Store.Commit(ctx, ConnectedClusters(s.Store).DeleteOp(item))
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		if err == nil { // those that were made meanwhile; without the cluster none is
			err = RemovePodIdentityAssociations(ctx, s.Store, &item.Value)
		}
		item.Value.Status.Status = ClusterDeleting
		return item.Value, s.clusterError(ctx, name, err)
	}
}

// ConnectCluster says who signs the ServiceAccount tokens of a registered cluster, and with which keys; again when these change. It is for
// the operator of this server: the API of EKS has no way to say it.
func (s *Service) ConnectCluster(ctx context.Context, scope minato.Scope, name, issuer string, keys json.RawMessage) (Cluster, error) {
	if issuer == "" || len(issuer) > maxIssuer {
		return Cluster{}, minato.Errorf(minato.Invalid, "the issuer has %d characters: want 1 to %d", len(issuer), maxIssuer)
	}
	if _, err := jwks.Parse(keys); err != nil {
		return Cluster{}, minato.Errorf(minato.Invalid, "%s", err)
	}
	item, err := ConnectedClusters(s.Store).Modify(ctx, ClusterKey(scope, name), func(c *Cluster) error {
		c.Status.Status, c.Status.Issuer = ClusterActive, issuer
		c.Connector.JWKS, c.Connector.ConnectedAt = keys, s.modified()
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return Cluster{}, minato.Errorf(minato.NotFound, "account %s has no registered cluster %q: register it with `aws eks register-cluster`", scope.Account, name)
	}
	return item.Value, s.clusterError(ctx, name, err)
}
