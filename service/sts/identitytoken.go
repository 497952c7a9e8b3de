package sts

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

const (
	minIdentityToken = 4 // bytes
	maxIdentityToken = 20000
	// maxSkew is how far an identity provider's clock may be ahead of ours.
	maxSkew = 5 * time.Minute
)

// identityAlgorithms are those that IAM takes (IAM User Guide, "Create an OpenID Connect identity provider"). There is no "none" among them.
var identityAlgorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}

// identityToken is what a token of an identity provider says.
type identityToken struct {
	jwt.RegisteredClaims
	AuthorizedParty string   `json:"azp"`
	Methods         []string `json:"amr"`

	audience string // the one that the provider's client ids have
	keyID    string
}

// readIdentityToken takes a token apart. Nothing of it is to be believed yet.
func readIdentityToken(token string) (*identityToken, error) {
	if token == "" {
		return nil, iam.Missing("webIdentityToken")
	}
	if len(token) < minIdentityToken || len(token) > maxIdentityToken { // a token is a secret: it is not shown
		return nil, invalid("1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: "+
			"Member must have length between %d and %d, it has %d", minIdentityToken, maxIdentityToken, len(token))
	}
	claims := &identityToken{}
	parsed, _, err := jwt.NewParser().ParseUnverified(token, claims)
	if err != nil {
		return nil, invalidIdentity("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	if alg := parsed.Method.Alg(); !slices.Contains(identityAlgorithms, alg) {
		return nil, invalidIdentity("The algorithm %q of the token is not supported: want one of %v", alg, identityAlgorithms)
	}
	claims.keyID, _ = parsed.Header["kid"].(string)
	for _, c := range []struct {
		name  string
		there bool
	}{
		{"iss", claims.Issuer != ""}, {"sub", claims.Subject != ""}, {"aud", len(claims.Audience) > 0},
		{"exp", claims.ExpiresAt != nil}, {"iat", claims.IssuedAt != nil},
	} {
		if !c.there {
			return nil, invalidIdentity("Missing a required claim: %s", c.name)
		}
	}
	return claims, nil
}

// verify checks a token's signature, times and audience. Its times are real ones, by which its provider made it.
func (s *Service) verify(ctx context.Context, token string, claims *identityToken, p iam.OIDCProvider) error {
	if s.ProviderKey == nil {
		return errors.New("sts: a Service without ProviderKey is asked for web identities")
	}
	key, err := s.ProviderKey(ctx, p, claims.keyID)
	switch minato.KindOf(err) {
	case "":
	case minato.NotFound:
		return invalidIdentity("Couldn't retrieve verification key from your identity provider, please reference "+
			"AssumeRoleWithWebIdentity documentation for requirements: %s", err)
	case minato.Denied:
		return invalidIdentity("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint: %s", err)
	case minato.Unavailable:
		return minato.Errorf(minato.Invalid, "The identity provider %s could not be reached: %s", p.URL, err).Because(IDPCommunicationError)
	default:
		return err
	}
	parser := jwt.NewParser(jwt.WithValidMethods(identityAlgorithms), jwt.WithoutClaimsValidation())
	if _, err := parser.Parse(token, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return invalidIdentity("The signature of the token is not one of %s with the key %.64q", p.URL, claims.keyID)
	}
	if err := claims.checkTimes(time.Now()); err != nil {
		return err
	}
	return claims.findAudience(p)
}

func (t *identityToken) checkTimes(now time.Time) error {
	if !now.Before(t.ExpiresAt.Time) {
		return minato.Errorf(minato.Invalid, "Token expired: current date/time %s must be before the expiration date/time %s",
			strconv.FormatInt(now.Unix(), 10), strconv.FormatInt(t.ExpiresAt.Unix(), 10)).Because(ExpiredTokenException)
	}
	for name, begin := range map[string]*jwt.NumericDate{"iat": t.IssuedAt, "nbf": t.NotBefore} {
		if begin != nil && begin.After(now.Add(maxSkew)) {
			return minato.Errorf(minato.Denied, "The claim %s of the token lies in the future: current date/time %d, %s %d",
				name, now.Unix(), name, begin.Unix()).Because(IDPRejectedClaim)
		}
	}
	return nil
}

// findAudience is the audience for which the provider's client ids let the token in: the authorized party, where there is one.
func (t *identityToken) findAudience(p iam.OIDCProvider) error {
	audiences := []string(t.Audience)
	if t.AuthorizedParty != "" {
		audiences = []string{t.AuthorizedParty}
	}
	for _, a := range audiences {
		if slices.Contains(p.ClientIDs, a) {
			t.audience = a
			return nil
		}
	}
	return invalidIdentity("Incorrect token audience")
}

func invalidIdentity(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(InvalidIdentityToken)
}
