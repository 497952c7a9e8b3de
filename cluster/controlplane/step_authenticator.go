package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/internal/pki"
)

// authenticatorStep proves, once in each server's life, that the way of an IAM token works: it asks the webhook as the
// cluster's kube-apiserver does, about a token that is none, and wants the answer no.
type authenticatorStep struct {
	hookPort       int
	hookCA         []byte
	tenantIdentity func(clusterID string) (pki.Pair, error)
	done           *memo
}

func (s authenticatorStep) do(ctx context.Context, p *pass) error {
	if s.done.has(p.cluster.ID) {
		return nil
	}
	pair, err := s.tenantIdentity(p.cluster.ID)
	if err != nil {
		return err
	}
	cert, err := pair.TLS()
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.hookCA) {
		return fmt.Errorf("the webhooks' CA is not a certificate")
	}
	client := kubeapi.HTTPClient(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{cert}})
	defer client.CloseIdleConnections()
	if err := poll(ctx, "the authentication webhook", func(ctx context.Context) error { return s.ask(ctx, client, p.cluster.ID) }); err != nil {
		return err
	}
	s.done.set(p.cluster.ID)
	return nil
}

func (s authenticatorStep) ask(ctx context.Context, client *http.Client, clusterID string) error {
	review, err := json.Marshal(doc{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": doc{"token": "k8s-aws-v1.", "audiences": []string{apiAudience}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hookURL(s.hookPort, clusterID, "authenticate"), bytes.NewReader(review))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	var answer struct {
		Kind   string
		Status struct{ Authenticated bool }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Kind != "TokenReview" {
		return fmt.Errorf("the webhook answers %s without a TokenReview", resp.Status)
	}
	if answer.Status.Authenticated {
		return problemf("Unsafe", issueInternal, "the authentication webhook lets an empty token in")
	}
	return nil
}
