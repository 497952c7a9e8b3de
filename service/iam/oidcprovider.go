package iam

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Quotas of OpenID Connect providers.
const (
	maxClientIDs   = 100
	maxThumbprints = 5
	maxProviderURL = 255
)

var thumbprintForm = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

// CreateOIDCProvider records an identity provider by its issuer's URL. Without thumbprints the provider's certificate is
// judged by the machine's certificate authorities.
func (s *Service) CreateOIDCProvider(ctx context.Context, account, issuer string, clientIDs, thumbprints []string, tags minato.Tags) (OIDCProvider, error) {
	name, err := checkIssuer(issuer)
	if err == nil {
		err = CheckTags(tags)
	}
	if err == nil {
		err = checkClientIDs(clientIDs)
	}
	if err == nil {
		err = checkThumbprints(thumbprints)
	}
	if err != nil {
		return OIDCProvider{}, err
	}
	p := OIDCProvider{Account: account, URL: name, ClientIDs: clientIDs, Thumbprints: thumbprints,
		Created: s.clock.Now().UTC(), Tags: tags}
	id := recordID(account, name)
	return p, s.transact(ctx, func() ([]store.Op, error) {
		taken, err := exists(ctx, s.providers, id)
		if taken {
			err = alreadyExists("Provider with url %s already exists.", issuer)
		}
		return []store.Op{s.providers.CreateOp(id, p)}, err
	})
}

// checkIssuer is the issuer's URL without its scheme.
func checkIssuer(issuer string) (string, error) {
	if err := checkLength("url", issuer, maxProviderURL); err != nil {
		return "", err
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", invalidInput("Invalid Open ID Connect Provider URL: %q: want https://host/path, without a query", issuer)
	}
	return strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/"), nil
}

func checkClientIDs(ids []string) error {
	if len(ids) > maxClientIDs {
		return limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	for _, id := range ids {
		if err := checkLength("clientIDList", id, 255); err != nil {
			return err
		}
	}
	return nil
}

func checkThumbprints(thumbprints []string) error {
	if len(thumbprints) > maxThumbprints {
		return invalidInput("Thumbprint list must contain fewer than %d entries.", maxThumbprints+1)
	}
	for _, t := range thumbprints {
		if !thumbprintForm.MatchString(t) {
			return invalidInput("Invalid thumbprint: %q: want the 40 hex digits of a certificate's SHA-1", t)
		}
	}
	return nil
}

func (s *Service) getProvider(ctx context.Context, account, arn string) (store.Item[OIDCProvider], error) {
	var item store.Item[OIDCProvider]
	parsed, err := minato.ParseARN(arn)
	if err != nil || parsed.Service != "iam" || parsed.ResourceType() != "oidc-provider" {
		return item, invalidInput("Invalid ARN: %s: want arn:aws:iam::account:oidc-provider/host/path", arn)
	}
	item, err = s.providers.Get(ctx, recordID(account, parsed.ResourceID()))
	if errors.Is(err, store.ErrNotFound) || (err == nil && item.Value.ARN() != parsed) {
		return item, notFound("OpenIDConnect Provider not found for arn %s", arn)
	}
	return item, err
}

// OIDCProvider reads an identity provider by its ARN.
func (s *Service) OIDCProvider(ctx context.Context, account, arn string) (OIDCProvider, error) {
	item, err := s.getProvider(ctx, account, arn)
	return item.Value, err
}

// OIDCProviders lists all identity providers of an account.
func (s *Service) OIDCProviders(ctx context.Context, account string) ([]OIDCProvider, error) {
	return all(ctx, s.providers, account, func(*OIDCProvider) bool { return true })
}

// DeleteOIDCProvider removes an identity provider; there may be none, as on AWS.
func (s *Service) DeleteOIDCProvider(ctx context.Context, account, arn string) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		item, err := s.getProvider(ctx, account, arn)
		if minato.Is(err, minato.NotFound) {
			return nil, nil
		}
		return []store.Op{s.providers.DeleteOp(item)}, err
	})
}

// SetThumbprints replaces the provider's thumbprints.
func (s *Service) SetThumbprints(ctx context.Context, account, arn string, thumbprints []string) error {
	return s.modifyProvider(ctx, account, arn, func(p *OIDCProvider) error {
		p.Thumbprints = thumbprints
		return checkThumbprints(thumbprints)
	})
}

// AddClientID adds an audience; it may be there already.
func (s *Service) AddClientID(ctx context.Context, account, arn, id string) error {
	return s.modifyProvider(ctx, account, arn, func(p *OIDCProvider) error {
		if !slices.Contains(p.ClientIDs, id) {
			p.ClientIDs = append(p.ClientIDs, id)
		}
		return checkClientIDs(p.ClientIDs)
	})
}

// RemoveClientID takes an audience away; it may be gone already.
func (s *Service) RemoveClientID(ctx context.Context, account, arn, id string) error {
	return s.modifyProvider(ctx, account, arn, func(p *OIDCProvider) error {
		p.ClientIDs = without(p.ClientIDs, id)
		return nil
	})
}

// TagOIDCProvider adds tags.
func (s *Service) TagOIDCProvider(ctx context.Context, account, arn string, tags minato.Tags) error {
	return s.modifyProvider(ctx, account, arn, func(p *OIDCProvider) error { return addTags(&p.Tags, tags) })
}

// UntagOIDCProvider takes tags away.
func (s *Service) UntagOIDCProvider(ctx context.Context, account, arn string, keys []string) error {
	return s.modifyProvider(ctx, account, arn, func(p *OIDCProvider) error { removeTags(p.Tags, keys); return nil })
}

func (s *Service) modifyProvider(ctx context.Context, account, arn string, change func(*OIDCProvider) error) error {
	return s.transact(ctx, func() ([]store.Op, error) {
		item, err := s.getProvider(ctx, account, arn)
		if err == nil {
			err = change(&item.Value)
		}
		return []store.Op{s.providers.UpdateOp(item)}, err
	})
}
