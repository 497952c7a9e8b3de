package eks

import (
	"context"
	"net/url"
	"strings"
	"unicode/utf8"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// IdentityProvider is the OIDC identity provider config of a cluster. It is part of the cluster's spec, because the control
// plane has to carry it out.
type IdentityProvider struct {
	Name           string            `json:"name"`
	UUID           string            `json:"uuid"` // last part of its ARN
	IssuerURL      string            `json:"issuerUrl"`
	ClientID       string            `json:"clientId"`
	UsernameClaim  string            `json:"usernameClaim,omitempty"`  // empty is "sub"
	UsernamePrefix string            `json:"usernamePrefix,omitempty"` // as it was given; see Prefix
	GroupsClaim    string            `json:"groupsClaim,omitempty"`
	GroupsPrefix   string            `json:"groupsPrefix,omitempty"`
	RequiredClaims map[string]string `json:"requiredClaims,omitempty"`
	Tags           minato.Tags       `json:"tags,omitempty"`
	// Generation is the spec's generation that associated it or, if Removed, disassociates it.
	Generation int64 `json:"generation"`
	Removed    bool  `json:"removed,omitempty"`
}

const defaultUsernameClaim = "sub"

// Claim is the claim that usernames are made of.
func (p *IdentityProvider) Claim() string {
	if p.UsernameClaim == "" {
		return defaultUsernameClaim
	}
	return p.UsernameClaim
}

// Prefix is what usernames begin with: by default the issuer's URL and a #, so that nobody can be called like a user of
// another issuer; nothing for e-mail addresses, and for the prefix "-".
func (p *IdentityProvider) Prefix() string {
	switch {
	case p.UsernamePrefix == "-":
		return ""
	case p.UsernamePrefix == "" && p.UsernameClaim != "email":
		return p.IssuerURL + "#"
	}
	return p.UsernamePrefix
}

// IdentityProvider is the config that the control plane is to have; nil for none.
func (s *ClusterSpec) IdentityProvider() *IdentityProvider {
	if s.OIDC == nil || s.OIDC.Removed {
		return nil
	}
	return s.OIDC
}

// IdentityProvider is the config that a cluster shows, with its status: CREATING, ACTIVE or DELETING; nil when there is none.
func (c *Cluster) IdentityProvider() (p *IdentityProvider, status string) {
	p = c.Spec.OIDC
	done := p != nil && p.Generation <= c.Status.ObservedGeneration
	switch {
	case p == nil || p.Removed && done:
		return nil, ""
	case p.Removed:
		return p, "DELETING"
	case done:
		return p, "ACTIVE"
	}
	return p, "CREATING"
}

// ARN is the config's ARN: arn:aws:eks:REGION:ACCOUNT:identityproviderconfig/CLUSTER/oidc/NAME/UUID.
func (p *IdentityProvider) ARN(c *Cluster) minato.ARN {
	return providerARN(c.Scope, c.Name, p.Name, p.UUID)
}

func providerARN(scope minato.Scope, cluster, name, uuid string) minato.ARN {
	return minato.NewARN("eks", string(scope.Region), scope.Account, providerPart+"/"+cluster+"/oidc/"+name+"/"+uuid)
}

// providerPart is the resource type in a config's ARN.
const providerPart = "identityproviderconfig"

// providerKind is how configs are read and written for their tags, which the control plane does not look at.
var providerKind = partKind{
	read: func(_ context.Context, _ *Service, c *Cluster, name string) (string, minato.Tags, error) {
		p, _, err := provider(c, "oidc", name)
		if err != nil {
			return "", nil, err
		}
		return p.UUID, p.Tags, nil
	},
	write: func(ctx context.Context, s *Service, c *Cluster, name string, change func(*minato.Tags) error) error {
		_, err := Clusters(s.Store).Modify(ctx, ClusterKey(c.Scope, c.Name), func(c *Cluster) error {
			p, _, err := provider(c, "oidc", name)
			if err != nil {
				return err
			}
			return change(&p.Tags)
		})
		return err
	},
}

// AssociateIdentityProviderRequest asks for an identity provider config.
type AssociateIdentityProviderRequest struct {
	ClusterName        string
	Provider           IdentityProvider // what the client gave; the rest is zero
	ClientRequestToken string           `json:"-"`
}

// AssociateIdentityProvider begins to let the users of an OIDC issuer into a cluster. A cluster can have one issuer beside IAM.
func (s *Service) AssociateIdentityProvider(ctx context.Context, c Caller, r AssociateIdentityProviderRequest) (Update, error) {
	asked := conditions{"eks:clientid": {r.Provider.ClientID}, "eks:issuerurl": {r.Provider.IssuerURL}}
	associate := change{kind: "AssociateIdentityProviderConfig", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		if spec.IdentityProvider() != nil {
			return nil, minato.Errorf(minato.InUse, "The cluster has the identity provider config %s already: it can have one at a time", spec.OIDC.Name)
		}
		p := r.Provider
		p.UUID = newUpdateID(s.Now())
		p.Generation = spec.Generation + 1
		spec.OIDC = &p
		return []UpdateParam{{"IdentityProviderConfig", wire([]providerName{{"oidc", p.Name}})}}, nil
	}}
	read := func() (store.Item[Cluster], error) {
		return s.cluster(ctx, c, "eks:AssociateIdentityProviderConfig", r.ClusterName, asked, requestTags(r.Provider.Tags))
	}
	return s.changeProvider(ctx, r.ClusterName, r.ClientRequestToken, hashOf(r), read, func(cluster *Cluster) (change, error) {
		if err := checkTags(r.Provider.Tags); err != nil {
			return change{}, err
		}
		if len(r.Provider.Tags) > 0 {
			if err := s.authorize(ctx, c, "eks:TagResource", providerARN(c.Scope, r.ClusterName, r.Provider.Name, "*"), requestTags(r.Provider.Tags)); err != nil {
				return change{}, err
			}
		}
		return associate, checkProvider(r.Provider, cluster.Status.Issuer)
	})
}

// providerName is how updates name a config.
type providerName struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

// DisassociateIdentityProvider begins to take the identity provider config off a cluster. Its users are locked out when the
// update is done, but for tokens that kube-apiserver has accepted within the last 10 s.
func (s *Service) DisassociateIdentityProvider(ctx context.Context, c Caller, clusterName, kind, name, token string) (Update, error) {
	disassociate := change{kind: "DisassociateIdentityProviderConfig", apply: func(_ context.Context, _ minato.Scope, spec *ClusterSpec) ([]UpdateParam, error) {
		p := *spec.OIDC
		p.Removed, p.Generation = true, spec.Generation+1
		spec.OIDC = &p
		return []UpdateParam{{"IdentityProviderConfig", "[]"}}, nil
	}}
	hash := hashOf([]string{clusterName, kind, name})
	read := func() (store.Item[Cluster], error) {
		return s.clusterFor(ctx, c, "eks:DisassociateIdentityProviderConfig", clusterName, providerOf(c.Scope, clusterName, name))
	}
	return s.changeProvider(ctx, clusterName, token, hash, read, func(cluster *Cluster) (change, error) {
		_, _, err := provider(cluster, kind, name)
		return disassociate, err
	})
}

// changeProvider begins an update of the identity provider config of a cluster that read authorizes.
func (s *Service) changeProvider(ctx context.Context, clusterName, token, hash string, read func() (store.Item[Cluster], error), choose func(*Cluster) (change, error)) (Update, error) {
	var update Update
	_, err := s.modifyRead(ctx, clusterName, read, func(cluster *Cluster) (ops []store.Op, err error) {
		update, ops, err = s.beginUpdate(ctx, cluster, token, hash, func() (change, error) { return choose(cluster) })
		return ops, withCluster(err, clusterName)
	})
	if err != nil {
		return Update{}, err
	}
	return update, nil
}

// provider is a cluster's config of a name, with its status.
func provider(c *Cluster, kind, name string) (*IdentityProvider, string, error) {
	if kind != "oidc" {
		return nil, "", minato.Errorf(minato.Invalid, "The identity provider config type %q is not valid: want oidc", shorten(kind))
	}
	p, status := c.IdentityProvider()
	if p == nil || p.Name != name {
		return nil, "", minato.Errorf(minato.NotFound, "No identity provider config found for name: %s.", shorten(name))
	}
	return p, status, nil
}

// providerOf is the config of a name, as what an action is on.
func providerOf(scope minato.Scope, clusterName, name string) within {
	return func(cluster *Cluster) (minato.ARN, minato.Tags) {
		p, _, err := provider(cluster, "oidc", name)
		if err != nil {
			return providerARN(scope, clusterName, name, "*"), nil
		}
		return providerARN(scope, clusterName, name, p.UUID), p.Tags
	}
}

// DescribeIdentityProvider reads a cluster's identity provider config, and its status.
func (s *Service) DescribeIdentityProvider(ctx context.Context, c Caller, clusterName, kind, name string) (Cluster, *IdentityProvider, string, error) {
	cluster, err := s.clusterFor(ctx, c, "eks:DescribeIdentityProviderConfig", clusterName, providerOf(c.Scope, clusterName, name))
	if err != nil {
		return Cluster{}, nil, "", err
	}
	p, status, err := provider(&cluster.Value, kind, name)
	return cluster.Value, p, status, withCluster(err, clusterName)
}

// ListIdentityProviders lists the names of a cluster's identity provider configs, of which it has one or none.
func (s *Service) ListIdentityProviders(ctx context.Context, c Caller, clusterName string, page PageRequest) ([]string, string, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListIdentityProviderConfigs", clusterName)
	if err != nil {
		return nil, "", err
	}
	names := []string{}
	if p, _ := cluster.Value.IdentityProvider(); p != nil {
		names = append(names, p.Name)
	}
	names, next, err := pageOf(names, "identityProviderConfigs", page, func(name string) string { return name })
	return names, next, withCluster(err, clusterName)
}

// Limits of claims (API model) and, where AWS publishes none, of the rest.
const (
	maxClaimKey   = 63
	maxClaimValue = 253
	maxClaims     = 50
	maxProvider   = 1024
)

// checkProvider checks a config for a cluster with an issuer of its own.
func checkProvider(p IdentityProvider, ownIssuer string) error {
	if !clusterName.MatchString(p.Name) {
		return minato.Errorf(minato.Invalid, "The identityProviderConfigName %q is not valid: 1 to 100 letters, digits, hyphens and underscores, beginning with a letter or digit", shorten(p.Name))
	}
	if p.ClientID == "" {
		return minato.Errorf(minato.Invalid, "clientId is missing: the audience that the issuer's tokens for this cluster have")
	}
	for name, value := range map[string]string{
		"issuerUrl": p.IssuerURL, "clientId": p.ClientID, "usernameClaim": p.UsernameClaim, "usernamePrefix": p.UsernamePrefix,
		"groupsClaim": p.GroupsClaim, "groupsPrefix": p.GroupsPrefix,
	} {
		if len(value) > maxProvider || !utf8.ValidString(value) {
			return minato.Errorf(minato.Invalid, "%s %q is not valid: want at most %d bytes of UTF-8", name, shorten(value), maxProvider)
		}
		if strings.HasSuffix(name, "Prefix") && beginsReserved(value) {
			return minato.Errorf(minato.Invalid, "The %s %q is not valid: it must not begin with system:, or with a part of that which a claim could complete", name, shorten(value))
		}
	}
	if p.GroupsPrefix != "" && p.GroupsClaim == "" {
		return minato.Errorf(minato.Invalid, "groupsPrefix is given without groupsClaim")
	}
	if len(p.RequiredClaims) > maxClaims {
		return minato.Errorf(minato.Invalid, "There can be at most %d requiredClaims, these are %d", maxClaims, len(p.RequiredClaims))
	}
	for claim, value := range p.RequiredClaims {
		if n, m := utf8.RuneCountInString(claim), utf8.RuneCountInString(value); n < 1 || n > maxClaimKey || m < 1 || m > maxClaimValue {
			return minato.Errorf(minato.Invalid, "The required claim %q is not valid: want 1 to %d characters, and a value of 1 to %d", shorten(claim), maxClaimKey, maxClaimValue)
		}
	}
	return checkIssuer(p.IssuerURL, ownIssuer)
}

// beginsReserved is whether names that begin with a prefix can begin with system: (EKS User Guide, "Grant users access to Kubernetes with an
// external OIDC provider": "don't specify system: or any portion of that string"). What has no prefix is the owner's wish.
func beginsReserved(prefix string) bool {
	const reserved = "system:"
	return prefix != "" && (strings.HasPrefix(prefix, reserved) || strings.HasPrefix(reserved, prefix))
}

func checkIssuer(issuer, own string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return minato.Errorf(minato.Invalid, "The issuerUrl %q is not valid: want https://HOST/PATH without user, query and fragment", shorten(issuer))
	}
	if strings.TrimSuffix(issuer, "/") == strings.TrimSuffix(own, "/") {
		return minato.Errorf(minato.Invalid, "The issuerUrl %s is the cluster's own, whose ServiceAccounts it knows already", shorten(issuer))
	}
	return nil
}
