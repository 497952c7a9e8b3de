// Package oidc publishes what a verifier of a cluster's ServiceAccount tokens needs, under the cluster's issuer URL:
//
//	GET /id/{hex}/.well-known/openid-configuration
//	GET /id/{hex}/keys
//
// The documents are those that EKS serves at oidc.eks.<region>.amazonaws.com (OpenID Connect Discovery 1.0 and RFC 7517).
package oidc

import (
	"context"
	"crypto"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
)

const (
	// DiscoveryPath is where, below an issuer, its discovery document lies.
	DiscoveryPath = "/.well-known/openid-configuration"
	// KeysPath is where, below an issuer, its public keys lie.
	KeysPath = "/keys"

	// discoveryCaching lasts an hour, as kube-apiserver has it: the document does not change.
	discoveryCaching = "public, max-age=3600"
	// keysCaching is short, because a new key must be known to verifiers before tokens are signed with it.
	keysCaching = "public, max-age=60"
)

var issuerID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Issuer finds the issuer URL with the 32 hex digits given, and its public keys: those that sign now, those that will sign
// next and those that signed tokens still valid. Keys are RSA, or ECDSA on P-256, P-384 or P-521.
type Issuer func(ctx context.Context, id string) (issuer string, keys []crypto.PublicKey, ok bool)

// Handler serves discovery and keys of every issuer that find knows, and 404 for anything else.
func Handler(find Issuer, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	publish := func(path, caching string, document func(issuer string, keys []jwk) any) {
		mux.HandleFunc("GET /id/{id}"+path, func(w http.ResponseWriter, r *http.Request) {
			id := r.PathValue("id")
			if !issuerID.MatchString(id) {
				http.NotFound(w, r)
				return
			}
			issuer, public, ok := find(r.Context(), id)
			if !ok {
				http.NotFound(w, r)
				return
			}
			keys, err := encodeKeys(public)
			if err != nil {
				log.ErrorContext(r.Context(), "keys of an issuer cannot be published", "issuer", issuer, "error", err)
				http.Error(w, "internal error", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", caching)
			_ = json.NewEncoder(w).Encode(document(issuer, keys))
		})
	}
	publish(DiscoveryPath, discoveryCaching, discover)
	publish(KeysPath, keysCaching, func(_ string, keys []jwk) any { return keySet{keys} })
	return mux
}

// configuration is the discovery document, its members in the order in which EKS writes them.
type configuration struct {
	Issuer                 string   `json:"issuer"`
	JWKSURI                string   `json:"jwks_uri"`
	AuthorizationEndpoint  string   `json:"authorization_endpoint"`
	ResponseTypesSupported []string `json:"response_types_supported"`
	SubjectTypesSupported  []string `json:"subject_types_supported"`
	ClaimsSupported        []string `json:"claims_supported"`
	SigningAlgorithms      []string `json:"id_token_signing_alg_values_supported"`
}

func discover(issuer string, keys []jwk) any {
	return configuration{
		Issuer:  issuer,
		JWKSURI: issuer + KeysPath,
		// Nobody authorizes in a browser here; the URN says so, as it does on EKS.
		AuthorizationEndpoint:  "urn:kubernetes:programmatic_authorization",
		ResponseTypesSupported: []string{"id_token"},
		SubjectTypesSupported:  []string{"public"},
		ClaimsSupported:        []string{"sub", "iss"},
		SigningAlgorithms:      algorithms(keys),
	}
}
