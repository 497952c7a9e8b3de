package eks

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// maxClusters is the quota "Clusters" per region and account (L-1194D53C).
const maxClusters = 100

// clusterName is ClusterName of the API model.
var clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)

// CreateCluster writes the record of a new cluster, CREATING, together with its security group. The same request with the
// same token gives the same cluster again.
func (s *Service) CreateCluster(ctx context.Context, c Caller, r CreateClusterRequest) (Cluster, error) {
	if !clusterName.MatchString(r.Name) {
		return Cluster{}, minato.Errorf(minato.Invalid, "The cluster name %q is not valid: 1 to 100 letters, digits, hyphens and underscores, beginning with a letter or digit", shorten(r.Name))
	}
	if err := s.authorizeCreate(ctx, c, r); err != nil {
		return Cluster{}, err
	}
	hash := hashOf(r)
	if before, err := s.createdBefore(ctx, c.Scope, r, hash); err != nil || before != nil {
		return orZero(before), err
	}
	cluster, err := s.newCluster(ctx, c, r)
	if err != nil {
		return Cluster{}, withCluster(err, r.Name)
	}
	cluster.ClientRequestToken, cluster.RequestHash = r.ClientRequestToken, hash
	groupID, ops, err := s.Network.NewSecurityGroup(ctx, c.Scope, clusterSecurityGroup(cluster))
	if err != nil {
		return Cluster{}, err
	}
	cluster.Spec.ClusterSecurityGroup = groupID
	if cluster.Spec.AuthenticationMode != modeConfigMap && cluster.Spec.BootstrapCreatorAdmin {
		entry, err := s.creatorEntry(ctx, &cluster)
		if err != nil {
			return Cluster{}, err
		}
		ops = append(ops, entry...)
	}
	key := ClusterKey(c.Scope, r.Name)
	_, err = s.Store.Commit(ctx, append(ops, Clusters(s.Store).CreateOp(key, cluster), store.Absent(ConnectedClusters(s.Store).Key(key)))...)
	if errors.Is(err, store.ErrExists) { // somebody was faster: maybe this very request, sent twice
		if before, err := s.createdBefore(ctx, c.Scope, r, hash); err != nil || before != nil {
			return orZero(before), err
		}
	}
	if err != nil {
		return Cluster{}, s.clusterError(ctx, r.Name, err)
	}
	return cluster, nil
}

func orZero(c *Cluster) Cluster {
	if c == nil {
		return Cluster{}
	}
	return *c
}

func (s *Service) authorizeCreate(ctx context.Context, c Caller, r CreateClusterRequest) error {
	arn := clusterARN(c.Scope, r.Name)
	if err := s.authorize(ctx, c, "eks:CreateCluster", arn, createConditions(r), requestTags(r.Tags)); err != nil {
		return err
	}
	if len(r.Tags) == 0 {
		return nil
	}
	return s.authorize(ctx, c, "eks:TagResource", arn, requestTags(r.Tags))
}

// createdBefore is the cluster that this very request has made before, nil where none. The name being taken otherwise, the
// token having served another request, and the quota being used up are errors.
func (s *Service) createdBefore(ctx context.Context, scope minato.Scope, r CreateClusterRequest, hash string) (*Cluster, error) {
	page, err := Clusters(s.Store).List(ctx, store.ID(scope.Account, string(scope.Region))+"/", "", 0)
	if err != nil {
		return nil, s.clusterError(ctx, r.Name, err)
	}
	exists := minato.Errorf(minato.AlreadyExists, "Cluster already exists with name: %s", r.Name).With("clusterName", r.Name)
	for _, corrupt := range page.Corrupt {
		if corrupt.Key == Clusters(s.Store).Key(ClusterKey(scope, r.Name)) {
			return nil, exists
		}
	}
	for i := range page.Items {
		cluster := &page.Items[i].Value
		sameToken := r.ClientRequestToken != "" && cluster.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && cluster.RequestHash == hash:
			return cluster, nil
		case sameToken:
			return nil, errTokenReused(r.ClientRequestToken, r.Name)
		case cluster.Name == r.Name:
			return nil, exists
		}
	}
	switch _, err := ConnectedClusters(s.Store).Get(ctx, ClusterKey(scope, r.Name)); {
	case err == nil:
		return nil, exists
	case !errors.Is(err, store.ErrNotFound):
		return nil, s.clusterError(ctx, r.Name, err)
	}
	if n := len(page.Items) + len(page.Corrupt); n >= maxClusters {
		return nil, minato.Errorf(minato.LimitExceeded, "This account has %d clusters in %s already, at most %d are allowed", n, scope.Region, maxClusters).With("clusterName", r.Name)
	}
	return nil, nil
}

// newCluster checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newCluster(ctx context.Context, c Caller, r CreateClusterRequest) (Cluster, error) {
	spec, err := s.newSpec(r)
	if err != nil {
		return Cluster{}, err
	}
	if err := checkTags(r.Tags); err != nil {
		return Cluster{}, err
	}
	if spec.RoleARN, err = s.checkRole(ctx, c, r.RoleARN, clusterARN(c.Scope, r.Name)); err != nil {
		return Cluster{}, err
	}
	if spec.VPCID, spec.Zones, err = s.checkSubnets(ctx, c.Scope, spec.SubnetIDs); err != nil {
		return Cluster{}, err
	}
	if err := s.checkSecurityGroups(ctx, c.Scope, spec.VPCID, spec.SecurityGroupIDs); err != nil {
		return Cluster{}, err
	}
	if spec.ServiceIPv4CIDR, err = s.serviceCIDR(ctx, c.Scope, spec.VPCID, r.ServiceIPv4CIDR); err != nil {
		return Cluster{}, err
	}
	if spec.RemoteNetworks, err = s.remoteNetworks(ctx, c.Scope, &spec, r.RemoteNetworks); err != nil {
		return Cluster{}, err
	}
	return Cluster{
		Scope:     c.Scope,
		Name:      r.Name,
		ID:        newClusterID(),
		CreatedAt: s.Now().UTC().Truncate(time.Millisecond),
		Creator:   c.Credential.Principal,
		Spec:      spec,
		Status:    Status{Status: ClusterCreating},
		Tags:      r.Tags,
	}, nil
}

// newSpec checks what needs no other service and fills in the defaults (API reference, CreateCluster).
func (s *Service) newSpec(r CreateClusterRequest) (ClusterSpec, error) {
	spec := ClusterSpec{
		Generation:            1,
		SubnetIDs:             r.VPC.SubnetIDs,
		SecurityGroupIDs:      r.VPC.SecurityGroupIDs,
		EndpointPublicAccess:  orDefault(r.VPC.EndpointPublicAccess, true),
		EndpointPrivateAccess: orDefault(r.VPC.EndpointPrivateAccess, false),
		PublicAccessCIDRs:     r.VPC.PublicAccessCIDRs,
		AuthenticationMode:    r.AuthenticationMode,
		BootstrapCreatorAdmin: orDefault(r.BootstrapCreatorAdmin, true),
		BootstrapAddons:       orDefault(r.BootstrapAddons, true),
		SupportType:           r.SupportType,
		DeletionProtection:    orDefault(r.DeletionProtection, false),
	}
	if len(spec.PublicAccessCIDRs) == 0 {
		spec.PublicAccessCIDRs = []string{"0.0.0.0/0"}
	}
	if spec.AuthenticationMode == "" {
		spec.AuthenticationMode = modeConfigMap
	}
	if spec.AuthenticationMode == modeConfigMap && !spec.BootstrapCreatorAdmin {
		return spec, minato.Errorf(minato.Invalid, "bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP")
	}
	if spec.SupportType == "" {
		spec.SupportType = "EXTENDED"
	}
	var err error
	if spec.Version, err = s.chooseVersion(r.Version); err != nil {
		return spec, err
	}
	if r.IPFamily != "" && r.IPFamily != "ipv4" {
		return spec, minato.Errorf(minato.Invalid, "ipFamily %q is not supported: Minato's clusters are ipv4", r.IPFamily)
	}
	if spec.LoggingTypes, err = applyLogging(nil, r.Logging); err != nil {
		return spec, err
	}
	if err := checkEgressMode(r.VPC.ControlPlaneEgressMode); err != nil {
		return spec, err
	}
	if spec.Echoed, err = checkOther(r.Other); err != nil {
		return spec, err
	}
	if err := s.checkEndpointAccess(spec); err != nil {
		return spec, err
	}
	return spec, checkSpec(spec)
}

// checkRole checks that the caller may pass the role, and that EKS can assume it. The messages keep clear of the phrases on
// which Terraform tries again for minutes, "does not exist" among them: here a role is there at once, or not at all.
func (s *Service) checkRole(ctx context.Context, c Caller, role string, cluster minato.ARN) (minato.ARN, error) {
	arn, err := minato.ParseARN(role)
	if err != nil || arn.Service != "iam" || arn.ResourceType() != "role" || arn.ResourceName() == "" {
		return arn, minato.Errorf(minato.Invalid, "roleArn %q is not the ARN of an IAM role: want arn:aws:iam::%s:role/NAME", shorten(role), c.Scope.Account)
	}
	if arn.Account != c.Scope.Account {
		return arn, minato.Errorf(minato.Invalid, "Cross-account pass role is not allowed: the role %s is of another account than %s", arn, c.Scope.Account)
	}
	passing := conditions{"iam:passedtoservice": {servicePrincipal}, "iam:associatedresourcearn": {cluster.String()}}
	if err := s.authorize(ctx, c, "iam:PassRole", arn, passing); err != nil {
		return arn, err
	}
	switch err := s.CheckRole(ctx, arn, servicePrincipal, cluster); minato.KindOf(err) {
	case "":
		return arn, nil
	case minato.NotFound:
		return arn, minato.Errorf(minato.Invalid, "The role %s was not found: create it before the cluster", arn)
	case minato.Denied:
		return arn, minato.Errorf(minato.Invalid, "The role %s could not be assumed: its trust policy must allow sts:AssumeRole to the service %s", arn, servicePrincipal)
	default:
		return arn, fmt.Errorf("checking the role of a new cluster: %w", err)
	}
}

// clusterSecurityGroup is the security group that comes with a cluster, named as EKS names it.
func clusterSecurityGroup(c Cluster) NewSecurityGroup {
	name := fmt.Sprintf("eks-cluster-sg-%s-%s", c.Name, c.ID[:10])
	return NewSecurityGroup{
		Name:        name,
		Description: "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
		VPCID:       c.Spec.VPCID,
		Tags:        minato.Tags{"Name": name, "kubernetes.io/cluster/" + c.Name: "owned", "aws:eks:cluster-name": c.Name},
	}
}

func newClusterID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func orDefault[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// shorten keeps a client's value fit for an error message.
func shorten(s string) string {
	if len(s) > 128 {
		return strings.ToValidUTF8(s[:128], "") + "…"
	}
	return s
}

// withCluster names the cluster in an error that is meant for the client.
func withCluster(err error, name string) error {
	if e, ok := errors.AsType[*minato.Error](err); ok && e.Kind != minato.Denied {
		return e.With("clusterName", name)
	}
	return err
}
