package iamapi

import (
	"context"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// oidcProviderInput is what the operations on OpenID Connect providers take.
type oidcProviderInput struct {
	OpenIDConnectProviderArn string
	URL                      string `query:"Url"`
	ClientIDList             []string
	ThumbprintList           []string
	ClientID                 string
	Tags                     []tag
	TagKeys                  []string
	pageInput
}

// allowProvider is allow for a provider that is there, with its tags.
func (h handlers) allowProvider(ctx context.Context, in *oidcProviderInput, more ...conditions) (account string, err error) {
	if in.OpenIDConnectProviderArn == "" {
		return "", iam.Missing("openIDConnectProviderArn")
	}
	resource, err := minato.ParseARN(in.OpenIDConnectProviderArn)
	if err != nil {
		return "", minato.Errorf(minato.Invalid, "Invalid ARN: %s", in.OpenIDConnectProviderArn).Because(iam.InvalidInput)
	}
	p, err := h.iam.OIDCProvider(ctx, arn(ctx, "").Account, in.OpenIDConnectProviderArn)
	if err != nil && !minato.Is(err, minato.NotFound) {
		return "", err
	}
	return h.allow(ctx, resource, append([]conditions{resourceTags(p.Tags)}, more...)...)
}

type createOIDCProviderOutput struct {
	OpenIDConnectProviderArn string
	Tags                     []tag
}

func (h handlers) createOIDCProvider(ctx context.Context, in *oidcProviderInput) (*createOIDCProviderOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(in.URL, "https://")
	account, err := h.allowNew(ctx, "oidc-provider", "/", name, "TagOpenIDConnectProvider", tags)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.CreateOIDCProvider(ctx, account, in.URL, in.ClientIDList, in.ThumbprintList, tags)
	if err != nil {
		return nil, err
	}
	return &createOIDCProviderOutput{p.ARN().String(), wireTags(p.Tags)}, nil
}

type getOIDCProviderOutput struct {
	URL            string `query:"Url"`
	ClientIDList   []string
	ThumbprintList []string
	CreateDate     time.Time
	Tags           []tag
}

func (h handlers) getOIDCProvider(ctx context.Context, in *oidcProviderInput) (*getOIDCProviderOutput, error) {
	account, err := h.allowProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.OIDCProvider(ctx, account, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	same := func(s string) string { return s }
	return &getOIDCProviderOutput{p.URL, each(p.ClientIDs, same), each(p.Thumbprints, same), p.Created, wireTags(p.Tags)}, nil
}

type listOIDCProvidersOutput struct {
	OpenIDConnectProviderList []oidcProviderEntry
}

type oidcProviderEntry struct{ Arn string }

func (h handlers) listOIDCProviders(ctx context.Context, _ *struct{}) (*listOIDCProvidersOutput, error) {
	account, err := h.allowList(ctx, "oidc-provider", "")
	if err != nil {
		return nil, err
	}
	providers, err := h.iam.OIDCProviders(ctx, account)
	return &listOIDCProvidersOutput{each(providers, func(p iam.OIDCProvider) oidcProviderEntry {
		return oidcProviderEntry{p.ARN().String()}
	})}, err
}

func (h handlers) deleteOIDCProvider(ctx context.Context, in *oidcProviderInput) (*struct{}, error) {
	account, err := h.allowProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.DeleteOIDCProvider(ctx, account, in.OpenIDConnectProviderArn)
}

func (h handlers) updateThumbprint(ctx context.Context, in *oidcProviderInput) (*struct{}, error) {
	account, err := h.allowProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.SetThumbprints(ctx, account, in.OpenIDConnectProviderArn, in.ThumbprintList)
}

func (h handlers) addClientID(ctx context.Context, in *oidcProviderInput) (*struct{}, error) {
	account, err := h.allowProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.AddClientID(ctx, account, in.OpenIDConnectProviderArn, in.ClientID)
}

func (h handlers) removeClientID(ctx context.Context, in *oidcProviderInput) (*struct{}, error) {
	account, err := h.allowProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	return nil, h.iam.RemoveClientID(ctx, account, in.OpenIDConnectProviderArn, in.ClientID)
}

func (h handlers) tagOIDCProvider(ctx context.Context, in *oidcProviderInput) (*struct{}, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	account, err := h.allowProvider(ctx, in, requestTags(tags))
	if err != nil {
		return nil, err
	}
	return nil, h.iam.TagOIDCProvider(ctx, account, in.OpenIDConnectProviderArn, tags)
}

func (h handlers) untagOIDCProvider(ctx context.Context, in *oidcProviderInput) (*struct{}, error) {
	account, err := h.allowProvider(ctx, in, conditions{"aws:tagkeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	return nil, h.iam.UntagOIDCProvider(ctx, account, in.OpenIDConnectProviderArn, in.TagKeys)
}

func (h handlers) listOIDCProviderTags(ctx context.Context, in *oidcProviderInput) (*tagsOutput, error) {
	account, err := h.allowProvider(ctx, in)
	if err != nil {
		return nil, err
	}
	p, err := h.iam.OIDCProvider(ctx, account, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return tagPage(p.Tags), nil
}
