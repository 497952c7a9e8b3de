package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"minato.dev/minato"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/etcdstore"
	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/service/eks"
)

// granter writes access entries where the server keeps them, for principals that need not exist, and waits until they hold.
type granter struct {
	entries *store.Collection[eks.AccessEntry]
	hook    *kubehook.Client
	cluster eks.Cluster
}

func newGranter(t *testing.T, e *testenv.Env, k *cluster) *granter {
	t.Helper()
	cfg, err := e.Home.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	identity := etcd.PKI(e.Home.PKI()).Target(etcd.Root, cfg.EtcdEndpoints...)
	client, err := etcd.Connect(identity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	own, err := tls.LoadX509KeyPair(identity.CertFile, identity.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(e.Home.Path("pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	s := etcdstore.New(client)
	g := &granter{entries: eks.AccessEntries(s), hook: kubehook.NewClient(net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.HookPort)),
		&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}})}
	t.Cleanup(g.hook.Close)
	page, err := eks.Clusters(s).List(t.Context(), "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		if item.Value.Name == k.name {
			g.cluster = item.Value
		}
	}
	return g
}

// put writes an entry, over the one that its principal has.
func (g *granter) put(t *testing.T, e eks.AccessEntry) {
	t.Helper()
	e.ClusterID = g.cluster.ID
	id := eks.AccessEntryKey(e.ClusterID, e.PrincipalARN)
	item, err := g.entries.Create(t.Context(), id, e)
	if errors.Is(err, store.ErrExists) {
		item, err = g.entries.Modify(t.Context(), id, func(old *eks.AccessEntry) error { *old = e; return nil })
	}
	g.applied(t, item.Revision, err)
}

func (g *granter) remove(t *testing.T, e eks.AccessEntry) {
	t.Helper()
	key := g.entries.Key(eks.AccessEntryKey(g.cluster.ID, e.PrincipalARN))
	rev, err := g.entries.Store().Commit(t.Context(), store.Delete(key, store.AnyRevision))
	g.applied(t, rev, err)
}

func (g *granter) applied(t *testing.T, rev store.Revision, err error) {
	t.Helper()
	if err == nil {
		err = g.hook.Applied(t.Context(), rev)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// entry is the STANDARD entry of a user, with a policy in namespaces, or in the whole cluster if there are none.
func entry(user minato.ARN, id, policy string, namespaces ...string) eks.AccessEntry {
	a := eks.AssociatedPolicy{
		PolicyARN: minato.ARN{Partition: "aws", Service: "eks", Account: "aws", Resource: "cluster-access-policy/" + policy}, ScopeType: "cluster",
	}
	if len(namespaces) > 0 {
		a.ScopeType, a.Namespaces = "namespace", namespaces
	}
	return eks.AccessEntry{
		PrincipalARN: user, PrincipalID: id, Type: "STANDARD", Username: user.String(), Policies: []eks.AssociatedPolicy{a},
	}
}

// specOf is what kube-apiserver says of the user that an entry is for.
func specOf(e eks.AccessEntry) authorizationv1.SubjectAccessReviewSpec {
	arn := []string{e.PrincipalARN.String()}
	return authorizationv1.SubjectAccessReviewSpec{
		User: e.Username, Groups: append(e.Groups, "system:authenticated"), Extra: map[string]authorizationv1.ExtraValue{
			"accessKeyId": {"AKIAEXAMPLE"}, "arn": arn, "canonicalArn": arn, "principalId": {e.PrincipalID}, "sessionName": {""},
			"sigs.k8s.io/aws-iam-authenticator/principalId": {e.PrincipalID},
		},
	}
}

// kubeAPI is a cluster's kube-apiserver as somebody with a token, without kubectl between.
type kubeAPI struct {
	client          *http.Client
	endpoint, token string
}

func newKubeAPI(t *testing.T, k *cluster, token string) *kubeAPI {
	t.Helper()
	endpoint, ca := endpointOf(t, k)
	client := trusting(t, ca)
	transport, _ := client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	t.Cleanup(client.CloseIdleConnections)
	return &kubeAPI{client, endpoint, token}
}

func (a *kubeAPI) do(ctx context.Context, method, path string, in any) (status int, body []byte, err error) {
	b, err := json.Marshal(in)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.endpoint+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// review asks what all authorizers together say of a request.
func (a *kubeAPI) review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (authorizationv1.SubjectAccessReviewStatus, error) {
	in := authorizationv1.SubjectAccessReview{Spec: spec}
	in.APIVersion, in.Kind = "authorization.k8s.io/v1", "SubjectAccessReview"
	code, body, err := a.do(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", in)
	if err == nil && code != http.StatusCreated {
		err = fmt.Errorf("%d: %s", code, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	return in.Status, err
}
