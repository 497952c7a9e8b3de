package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	awscore "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"golang.org/x/sync/errgroup"

	"minato.dev/minato/server/control"
)

const (
	podRate     = 200 // cold requests a second
	podDuration = 5 * time.Second
	podAudience = "pods.eks.amazonaws.com"
	podCluster  = "podidentity"
	podTrust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
)

// benchPodIdentity asks EKS Auth for credentials with tokens that nobody has seen before, beside what the cluster's own kube-apiserver
// takes to review as many of them.
func benchPodIdentity(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	k, err := s.createCluster(ctx, o, podCluster)
	if err != nil {
		return nil, err
	}
	if err := s.associate(ctx, "default", "default"); err != nil {
		return nil, err
	}
	n := int(podRate * podDuration.Seconds())
	tokens, err := s.podTokens(ctx, k, 2*n)
	if err != nil {
		return nil, err
	}
	iamToken := s.token(ctx, podCluster)
	reviews := &asker{client: k.client, url: k.endpoint + "/apis/authentication.k8s.io/v1/tokenreviews", prepare: func(r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "Bearer "+iamToken)
		return nil
	}}
	agents := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}} // DefaultClient keeps two connections
	auth := &asker{client: agents, url: s.env["AWS_ENDPOINT_URL"] + "/clusters/" + podCluster + "/assume-role-for-pod-identity", prepare: s.sign("eks-auth")}
	for i, token := range tokens {
		if i < n {
			body, _ := json.Marshal(map[string]string{"token": token})
			auth.questions = append(auth.questions, question{body: body, want: []byte(`"secretAccessKey"`)})
			continue
		}
		body, _ := json.Marshal(map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]any{"token": token, "audiences": []string{podAudience}},
		})
		reviews.questions = append(reviews.questions, question{body: body, want: []byte(`"authenticated":true`)})
	}
	st, err := s.status(ctx)
	if err != nil {
		return nil, err
	}
	ours, theirs := podPIDs(st)
	before := cpuSeconds(theirs)
	bare, err := reviews.paced(ctx, podRate, podDuration)
	if err != nil {
		return nil, err
	}
	bareCPU := cpuSeconds(theirs) - before
	before = cpuSeconds(ours...)
	cold, err := auth.paced(ctx, podRate, podDuration)
	if err != nil {
		return nil, err
	}
	cpu := cpuSeconds(ours...) - before
	name := fmt.Sprintf("AssumeRoleForPodIdentity, cold, at %d/s, %%s, beside a TokenReview of the cluster", podRate)
	sessions, err := s.benchSTS(ctx, k, ours)
	if err != nil {
		return nil, err
	}
	return append([]Row{
		against(fmt.Sprintf(name, "p50"), percentile(cold, 50)*1000, percentile(bare, 50)*1000, "ms", ""),
		against(fmt.Sprintf(name, "p99"), percentile(cold, 99)*1000, percentile(bare, 99)*1000, "ms", "< 20"),
		against("CPU time of minato up and etcd for each, beside kube-apiserver's for a TokenReview", cpu/float64(n)*1000, bareCPU/float64(n)*1000, "ms", ""),
	}, sessions...), nil
}

// podPIDs are the processes that give credentials, and the cluster's kube-apiserver.
func podPIDs(st control.Status) (ours []int, apiserver int) {
	ours = []int{st.PID}
	for _, p := range st.Processes {
		if p.Name == "etcd" {
			ours = append(ours, p.PID)
		}
	}
	for _, p := range st.Clusters[0].Processes {
		if strings.Contains(p.Name, "apiserver") {
			apiserver = p.PID
		}
	}
	return ours, apiserver
}

// associate gives the pods of a ServiceAccount a role.
func (s *server) associate(ctx context.Context, namespace, serviceAccount string) error {
	var role struct {
		ARN string `xml:"CreateRoleResult>Role>Arn"`
	}
	form := url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {"bench-pods"}, "AssumeRolePolicyDocument": {podTrust}}
	if err := s.query(ctx, "iam", form, &role); err != nil {
		return err
	}
	_, err := s.eks().CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
		ClusterName: awscore.String(podCluster), Namespace: &namespace, ServiceAccount: &serviceAccount, RoleArn: &role.ARN,
	})
	return err
}

// podTokens are tokens of one pod, each another.
func (s *server) podTokens(ctx context.Context, k *cluster, n int) ([]string, error) {
	pod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bench"},"spec":{"containers":[{"name":"c","image":"none.invalid/none"}]}}`
	var made struct{ Metadata struct{ UID string } }
	if err := s.post(ctx, k, "/api/v1/namespaces/default/pods", pod, &made); err != nil {
		return nil, err
	}
	request := fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":[%q],"expirationSeconds":3600,
		"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"bench","uid":%q}}}`, podAudience, made.Metadata.UID)
	tokens := make([]string, n)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range tokens {
		group.Go(func() error {
			var answer struct{ Status struct{ Token string } }
			err := s.post(ctx, k, defaultServiceAccount+"/token", request, &answer)
			tokens[i] = answer.Status.Token
			return err
		})
	}
	return tokens, group.Wait()
}

// post makes an object of a cluster, as its creator.
func (s *server) post(ctx context.Context, k *cluster, path, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.endpoint+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.token(ctx, k.name))
	req.Header.Set("Content-Type", "application/json")
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST %s: %s: %s", path, resp.Status, b)
	}
	return json.Unmarshal(b, out)
}

// sign signs requests for an AWS service, as the administrator.
func (s *server) sign(service string) func(*http.Request, []byte) error {
	return func(r *http.Request, body []byte) error {
		sum := sha256.Sum256(body)
		return v4.NewSigner().SignHTTP(r.Context(), s.credentials(), r, hex.EncodeToString(sum[:]), service, s.env["AWS_REGION"], time.Now())
	}
}
