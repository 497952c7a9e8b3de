// Package token gives a node's kubelet its tokens: it signs a k8s-aws-v1 token with the credentials of the node's role, from
// the metadata service, as aws-iam-authenticator and `aws eks get-token` do on EKS's nodes.
package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"minato.dev/minato/cluster/node/imds"
	"minato.dev/minato/internal/sigv4"
)

const (
	prefix = "k8s-aws-v1."
	// lifetime is what the token's URL says; a cluster takes tokens for 15 minutes whatever it says. Clients get a new one
	// a minute earlier.
	lifetime = time.Minute
	goodFor  = 14 * time.Minute
)

// credentials are what the metadata service says of the role.
type credentials struct {
	Code            string
	Message         string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
}

// Get makes a token for a cluster.
func Get(ctx context.Context, metadata *imds.Client, cluster, region string, now time.Time) (string, error) {
	const folder = "meta-data/iam/security-credentials/"
	roles, err := metadata.List(ctx, folder)
	if err != nil {
		return "", err
	}
	if len(roles) == 0 {
		return "", errors.New("the instance has no role: give it an instance profile")
	}
	answer, err := metadata.Get(ctx, folder+roles[0])
	if err != nil {
		return "", err
	}
	var c credentials
	if err := json.Unmarshal([]byte(answer), &c); err != nil {
		return "", errors.New("the metadata service's credentials cannot be read")
	}
	if c.Code != "Success" {
		return "", fmt.Errorf("there are no credentials of the role %s: %s: %s", roles[0], c.Code, c.Message)
	}
	return c.sign(cluster, region, now)
}

// sign makes the token.
func (c credentials) sign(cluster, region string, now time.Time) (string, error) {
	return Sign(sigv4.Key{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.Token}, cluster, region, now)
}

// Sign makes a token for a cluster with a key.
func Sign(key sigv4.Key, cluster, region string, now time.Time) (string, error) {
	u := &url.URL{Scheme: "https", Host: "sts." + region + ".amazonaws.com", Path: "/", RawQuery: url.Values{
		"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"},
	}.Encode()}
	signed, err := sigv4.Presign(u, http.Header{"X-K8s-Aws-Id": {cluster}}, key, region, "sts", now, lifetime)
	if err != nil {
		return "", err
	}
	return prefix + base64.RawURLEncoding.EncodeToString([]byte(signed.String())), nil
}

// ExecCredential is what a Kubernetes client reads of its credential plugin (client.authentication.k8s.io/v1).
func ExecCredential(token string, now time.Time) ([]byte, error) {
	return json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
		"status": map[string]any{"token": token, "expirationTimestamp": now.UTC().Add(goodFor).Format(time.RFC3339)},
	})
}
