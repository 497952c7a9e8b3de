package access

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/internal/sigv4"
)

const (
	// Prefix begins every token.
	Prefix = "k8s-aws-v1."
	// MaxTokenBytes is the longest token that is looked at, prefix included.
	MaxTokenBytes = 4096
	// TokenLifetime is how long a token is good after the date in it. X-Amz-Expires is checked for its range and otherwise
	// means nothing, as on AWS: the AWS CLI writes 60 seconds and expects 15 minutes.
	TokenLifetime = 15 * time.Minute

	maxExpires    = 900 // seconds
	clusterHeader = "x-k8s-aws-id"
)

// parameters are all that a token's query may hold.
var parameters = []string{
	"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
}

// parseToken takes a token apart as far as that goes without knowing keys or clusters.
func (h hosts) parseToken(token string) (*url.URL, error) {
	if len(token) > MaxTokenBytes {
		return nil, refuse(TokenTooLong, "the token has %d bytes, want at most %d", len(token), MaxTokenBytes)
	}
	encoded, ok := strings.CutPrefix(token, Prefix)
	if !ok {
		return nil, refuse(NotOurToken, "the token does not begin with %s", Prefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, refuse(MalformedToken, "what follows %s is not base64url without padding", Prefix)
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		return nil, refuse(MalformedToken, "the token does not hold a URL")
	}
	if err := h.check(u); err != nil {
		return nil, err
	}
	return u, checkQuery(u.RawQuery)
}

// checkQuery is that a query is one GetCallerIdentity, each parameter known and given once. Names are compared as AWS
// clients write them: the signature covers them in that spelling.
func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return refuse(BadParameters, "the token's query is not well encoded")
	}
	for name, values := range query {
		if !slices.Contains(parameters, name) {
			return refuse(BadParameters, "the token's query has the parameter %.64q, want only %s", name, strings.Join(parameters, ", "))
		}
		if len(values) != 1 {
			return refuse(BadParameters, "the token's query has the parameter %s %d times, want it once", name, len(values))
		}
	}
	if action := query.Get("Action"); action != "GetCallerIdentity" {
		return refuse(BadParameters, "the token's action is %.64q, want GetCallerIdentity", action)
	}
	if signed := strings.ToLower(query.Get("X-Amz-SignedHeaders")); signed != "host;"+clusterHeader {
		return refuse(BadParameters, "the token signs the headers %.64q, want host and %s", signed, clusterHeader)
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || seconds < 0 || seconds > maxExpires {
		return refuse(BadParameters, "the token's X-Amz-Expires is %.64q, want a number of seconds from 0 to %d",
			query.Get("X-Amz-Expires"), maxExpires)
	}
	return nil
}

// readSignature reads what the token says about its signature, as a request that carries the name of the cluster.
func readSignature(u *url.URL, clusterName string) (*sigv4.Signed, error) {
	signed, err := sigv4.ParseURL(u, http.Header{"X-K8s-Aws-Id": {clusterName}})
	if err != nil {
		return nil, err
	}
	if signed.Scope.Service != "sts" {
		return nil, refuse(BadParameters, "the token is signed for the service %.64q, want sts", signed.Scope.Service)
	}
	signed.Lifetime = TokenLifetime
	return signed, nil
}
