package eks

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// FargateServicePrincipal is who assumes a pod execution role.
const FargateServicePrincipal = "eks-fargate-pods.amazonaws.com"

// Quotas of Fargate profiles (L-33415657, L-D78D8AF8, L-23414FF3).
const (
	maxFargateProfiles  = 10
	maxFargateSelectors = 5
	maxSelectorLabels   = 5
)

// CreateFargateProfileRequest asks for a Fargate profile. Zero values are what the client left out.
type CreateFargateProfileRequest struct {
	ClusterName        string
	Name               string
	Role               string
	SubnetIDs          []string
	Selectors          []FargateSelector
	Tags               minato.Tags
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// fargateName is what a Fargate profile may be called.
var fargateName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)

// reservedProfilePrefix begins no profile's name, as eksctl knows too.
const reservedProfilePrefix = "eks-"

// namespaceSelector is a namespace's name in which * and ? stand for other characters; labelSelector is a label's key or value so.
var (
	namespaceSelector = regexp.MustCompile(`^[a-z0-9*?]([-a-z0-9*?]{0,61}[a-z0-9*?])?$`)
	labelSelector     = regexp.MustCompile(`^[-A-Za-z0-9_./*?]{1,316}$`)
)

// CreateFargateProfile writes the record of a new Fargate profile, CREATING. The same request with the same token gives the same
// profile again.
func (s *Service) CreateFargateProfile(ctx context.Context, c Caller, r CreateFargateProfileRequest) (FargateProfile, error) {
	hash := hashOf(r)
	for {
		cluster, err := s.cluster(ctx, c, "eks:CreateFargateProfile", r.ClusterName, requestTags(r.Tags))
		if err == nil && len(r.Tags) > 0 {
			err = s.authorize(ctx, c, "eks:TagResource", fargateARN(c.Scope, r.ClusterName, r.Name, "*"), requestTags(r.Tags))
		}
		if err != nil {
			return FargateProfile{}, err
		}
		p, err := s.putNewProfile(ctx, c, cluster, r, hash)
		if isRace(err) && ctx.Err() == nil {
			continue // look at it all again
		}
		if err != nil {
			return FargateProfile{}, profileWords.on(err, r.ClusterName, r.Name)
		}
		return p, nil
	}
}

// putNewProfile writes the profile that a request asks for, or finds the one that the very same request has made before. Like that of a
// new nodegroup the commit writes the cluster's record again.
func (s *Service) putNewProfile(ctx context.Context, c Caller, cluster store.Item[Cluster], r CreateFargateProfileRequest, hash string) (FargateProfile, error) {
	profiles := FargateProfiles(s.Store)
	page, err := profiles.List(ctx, store.ID(cluster.Value.ID)+"/", "", 0)
	if err != nil {
		return FargateProfile{}, s.partError(ctx, profileWords, r.ClusterName, r.Name, err)
	}
	exists := minato.Errorf(minato.AlreadyExists, "A Fargate Profile already exists with this name in this cluster.")
	if isCorrupt(page, profiles.Key(FargateProfileKey(cluster.Value.ID, r.Name))) {
		return FargateProfile{}, exists
	}
	for _, item := range page.Items {
		p := item.Value
		sameToken := r.ClientRequestToken != "" && p.ClientRequestToken == r.ClientRequestToken
		switch {
		case sameToken && p.RequestHash == hash:
			return p, nil
		case sameToken:
			return FargateProfile{}, errTokenReused(r.ClientRequestToken, r.ClusterName)
		case p.Name == r.Name:
			return FargateProfile{}, exists
		case p.Status.Transient():
			return FargateProfile{}, minato.Errorf(minato.InUse, "Cannot create Fargate Profile %s because cluster %s currently has Fargate profile %s in status %s", r.Name, r.ClusterName, p.Name, p.Status)
		}
	}
	if n := len(page.Items) + len(page.Corrupt); n >= maxFargateProfiles {
		return FargateProfile{}, minato.Errorf(minato.LimitExceeded, "Cluster %s has %d Fargate profiles already, at most %d are allowed", r.ClusterName, n, maxFargateProfiles)
	}
	if cluster.Value.Status.Status != ClusterActive {
		return FargateProfile{}, minato.Errorf(minato.WrongState, "Cluster '%s' is not in ACTIVE status", r.ClusterName)
	}
	p, err := s.newProfile(ctx, c, &cluster.Value, r)
	if err != nil {
		return FargateProfile{}, err
	}
	p.ClientRequestToken, p.RequestHash = r.ClientRequestToken, hash
	_, err = s.Store.Commit(ctx, Clusters(s.Store).UpdateOp(cluster), profiles.CreateOp(FargateProfileKey(p.ClusterID, p.Name), p))
	return p, err
}

// newProfile checks a request and makes the record that it asks for. Nothing is written.
func (s *Service) newProfile(ctx context.Context, c Caller, cluster *Cluster, r CreateFargateProfileRequest) (p FargateProfile, err error) {
	if !fargateName.MatchString(r.Name) {
		return p, minato.Errorf(minato.Invalid, "The Fargate profile name %q is not valid: 1 to 100 letters, digits, hyphens and underscores, beginning with a letter or digit", shorten(r.Name))
	}
	if strings.HasPrefix(r.Name, reservedProfilePrefix) {
		return p, minato.Errorf(minato.Invalid, "The Fargate profile name %q is not valid: names that begin with %s are EKS's own", shorten(r.Name), reservedProfilePrefix)
	}
	if err := checkSelectors(r.Selectors); err != nil {
		return p, err
	}
	if err := checkTags(r.Tags); err != nil {
		return p, err
	}
	now := s.modified()
	p = FargateProfile{
		Scope: c.Scope, ClusterID: cluster.ID, ClusterName: cluster.Name, Name: r.Name, UUID: newUpdateID(now), CreatedAt: now,
		Selectors: r.Selectors, Tags: r.Tags, Status: FargateCreating,
	}
	p.Role, err = s.checkPodExecutionRole(ctx, c, cluster, r.Role, p.ARN())
	if err != nil {
		return p, err
	}
	p.SubnetIDs, err = s.fargateSubnets(ctx, cluster, r.SubnetIDs)
	return p, err
}

func checkSelectors(selectors []FargateSelector) error {
	if len(selectors) == 0 {
		return minato.Errorf(minato.Invalid, "Fargate Profile requires at least one selector.")
	}
	if len(selectors) > maxFargateSelectors {
		return minato.Errorf(minato.Invalid, "Request contains %d selectors, a Fargate Profile can have at most %d", len(selectors), maxFargateSelectors)
	}
	for _, s := range selectors {
		if s.Namespace == "" {
			return minato.Errorf(minato.Invalid, "Fargate Profile must have at least one selector with at least one namespace value.")
		}
		if !namespaceSelector.MatchString(s.Namespace) {
			return minato.Errorf(minato.Invalid, "The namespace %q of a selector is not valid: want up to 63 lower case letters, digits and hyphens, where * and ? stand for others", shorten(s.Namespace))
		}
		if len(s.Labels) > maxSelectorLabels {
			return minato.Errorf(minato.Invalid, "Request contains Selector with more than %d Label pairs", maxSelectorLabels)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
			if value := s.Labels[key]; !labelSelector.MatchString(key) || value != "" && !labelSelector.MatchString(value) {
				return minato.Errorf(minato.Invalid, "The label %q=%q of a selector is not valid", shorten(key), shorten(value))
			}
		}
	}
	return nil
}

func (s *Service) checkPodExecutionRole(ctx context.Context, c Caller, cluster *Cluster, role string, profile minato.ARN) (minato.ARN, error) {
	arn, err := s.passRole(ctx, c, cluster, "podExecutionRoleArn", role)
	if err != nil {
		return arn, err
	}
	switch err := s.CheckRole(ctx, arn, FargateServicePrincipal, profile); minato.KindOf(err) {
	case "":
		return arn, nil
	case minato.NotFound:
		return arn, minato.Errorf(minato.Invalid, "The role with name %s cannot be found.", arn.ResourceName())
	case minato.Denied:
		return arn, minato.Errorf(minato.Invalid, "Misconfigured PodExecutionRole Trust Policy; Please add the %s Service Principal", FargateServicePrincipal)
	default:
		return arn, fmt.Errorf("checking the role of a new Fargate profile: %w", err)
	}
}

// fargateSubnets checks the subnets of a profile; where none are given they are the cluster's private ones.
func (s *Service) fargateSubnets(ctx context.Context, cluster *Cluster, ids []string) ([]string, error) {
	chosen := len(ids) > 0
	if !chosen {
		ids = cluster.Spec.SubnetIDs
	}
	subnets, err := s.partSubnets(ctx, cluster, ids)
	if err != nil {
		return nil, err
	}
	var private []string
	for _, n := range subnets {
		if !n.Public {
			private = append(private, n.ID)
		} else if chosen {
			return nil, minato.Errorf(minato.Invalid, "Subnet %s provided in Fargate Profile is not a private subnet", n.ID)
		}
	}
	if len(private) == 0 {
		return nil, minato.Errorf(minato.Invalid, "None of the cluster's subnets is a private one: give the Fargate Profile subnets without a route to an internet gateway")
	}
	return private, nil
}
