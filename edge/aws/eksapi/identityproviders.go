package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

func (h *handlers) associateIdentityProviderConfig(ctx context.Context, in *awseks.AssociateIdentityProviderConfigInput) (*awseks.AssociateIdentityProviderConfigOutput, error) {
	r := eks.AssociateIdentityProviderRequest{ClusterName: value(in.ClusterName), ClientRequestToken: value(in.ClientRequestToken)}
	if o := in.Oidc; o != nil {
		r.Provider = eks.IdentityProvider{
			Name:           value(o.IdentityProviderConfigName),
			IssuerURL:      value(o.IssuerUrl),
			ClientID:       value(o.ClientId),
			UsernameClaim:  value(o.UsernameClaim),
			UsernamePrefix: value(o.UsernamePrefix),
			GroupsClaim:    value(o.GroupsClaim),
			GroupsPrefix:   value(o.GroupsPrefix),
			RequiredClaims: o.RequiredClaims,
			Tags:           in.Tags,
		}
	}
	u, err := h.service.AssociateIdentityProvider(ctx, callerOn(ctx, r.ClusterName), r)
	if err != nil {
		return nil, err
	}
	return &awseks.AssociateIdentityProviderConfigOutput{Update: updateOut(&u), Tags: tagsOut(in.Tags)}, nil
}

func (h *handlers) disassociateIdentityProviderConfig(ctx context.Context, in *awseks.DisassociateIdentityProviderConfigInput) (*awseks.DisassociateIdentityProviderConfigOutput, error) {
	kind, name := providerIn(in.IdentityProviderConfig)
	u, err := h.service.DisassociateIdentityProvider(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), kind, name, value(in.ClientRequestToken))
	if err != nil {
		return nil, err
	}
	return &awseks.DisassociateIdentityProviderConfigOutput{Update: updateOut(&u)}, nil
}

func (h *handlers) describeIdentityProviderConfig(ctx context.Context, in *awseks.DescribeIdentityProviderConfigInput) (*awseks.DescribeIdentityProviderConfigOutput, error) {
	kind, name := providerIn(in.IdentityProviderConfig)
	cluster, p, status, err := h.service.DescribeIdentityProvider(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), kind, name)
	if err != nil {
		return nil, err
	}
	return &awseks.DescribeIdentityProviderConfigOutput{IdentityProviderConfig: &ekstypes.IdentityProviderConfigResponse{
		Oidc: &ekstypes.OidcIdentityProviderConfig{
			ClusterName:                &cluster.Name,
			IdentityProviderConfigName: &p.Name,
			IdentityProviderConfigArn:  new(p.ARN(&cluster).String()),
			IssuerUrl:                  &p.IssuerURL,
			ClientId:                   &p.ClientID,
			UsernameClaim:              new(p.Claim()),
			UsernamePrefix:             present(p.UsernamePrefix),
			GroupsClaim:                present(p.GroupsClaim),
			GroupsPrefix:               present(p.GroupsPrefix),
			RequiredClaims:             p.RequiredClaims,
			Tags:                       tagsOut(p.Tags),
			Status:                     ekstypes.ConfigStatus(status),
		},
	}}, nil
}

func (h *handlers) listIdentityProviderConfigs(ctx context.Context, in *awseks.ListIdentityProviderConfigsInput) (*awseks.ListIdentityProviderConfigsOutput, error) {
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	names, next, err := h.service.ListIdentityProviders(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), page)
	if err != nil {
		return nil, err
	}
	configs := []ekstypes.IdentityProviderConfig{}
	for _, name := range names {
		configs = append(configs, ekstypes.IdentityProviderConfig{Type: new("oidc"), Name: &name})
	}
	return &awseks.ListIdentityProviderConfigsOutput{IdentityProviderConfigs: configs, NextToken: present(next)}, nil
}

func providerIn(c *ekstypes.IdentityProviderConfig) (kind, name string) {
	if c == nil {
		return "", ""
	}
	return value(c.Type), value(c.Name)
}
