package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	awscore "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func (s *server) credentials() awscore.Credentials {
	return awscore.Credentials{AccessKeyID: s.env["AWS_ACCESS_KEY_ID"], SecretAccessKey: s.env["AWS_SECRET_ACCESS_KEY"]}
}

func (s *server) eks() *eks.Client {
	return eks.New(eks.Options{
		Region:       s.env["AWS_REGION"],
		BaseEndpoint: awscore.String(s.env["AWS_ENDPOINT_URL"]),
		Credentials: awscore.CredentialsProviderFunc(func(context.Context) (awscore.Credentials, error) {
			return s.credentials(), nil
		}),
	})
}

// prepareAccount makes the cluster role and looks up subnets in two zones.
func (s *server) prepareAccount(ctx context.Context) error {
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	var role struct {
		ARN string `xml:"CreateRoleResult>Role>Arn"`
	}
	err := s.query(ctx, "iam", url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {"bench"}, "AssumeRolePolicyDocument": {trust}}, &role)
	if err != nil {
		return err
	}
	s.role = role.ARN
	var subnets struct {
		IDs  []string `xml:"subnetSet>item>subnetId"`
		VPCs []string `xml:"subnetSet>item>vpcId"`
	}
	if err := s.query(ctx, "ec2", url.Values{"Action": {"DescribeSubnets"}, "Version": {"2016-11-15"}}, &subnets); err != nil {
		return err
	}
	if len(subnets.IDs) < 2 {
		return fmt.Errorf("the default VPC has %d subnets, want at least 2", len(subnets.IDs))
	}
	s.subnet, s.vpc = subnets.IDs[:2], subnets.VPCs[0]
	return nil
}

// query calls an API of the query protocol.
func (s *server) query(ctx context.Context, service string, form url.Values, out any) error {
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.env["AWS_ENDPOINT_URL"]+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, s.credentials(), req, hex.EncodeToString(sum[:]), service, s.env["AWS_REGION"], time.Now()); err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", service, form.Get("Action"), resp.Status, b)
	}
	return xml.Unmarshal(b, out)
}

// createCluster calls CreateCluster and returns once the default ServiceAccount was read through the cluster's endpoint with an
// IAM token, which is what a user would call ready.
func (s *server) createCluster(ctx context.Context, o options, name string) (*cluster, error) {
	client := s.eks()
	_, err := client.CreateCluster(ctx, &eks.CreateClusterInput{
		Name: &name, Version: &o.minor, RoleArn: &s.role,
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: s.subnet},
		AccessConfig:       &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi},
	})
	if err != nil {
		return nil, err
	}
	for {
		out, err := client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			return nil, err
		}
		switch c := out.Cluster; c.Status {
		case types.ClusterStatusActive:
			k, err := newCluster(name, *c.Endpoint, *c.CertificateAuthority.Data)
			if err != nil {
				return nil, err
			}
			return k, waitFor(ctx, k.client, k.endpoint+defaultServiceAccount, func() string { return s.token(ctx, name) })
		case types.ClusterStatusFailed:
			return nil, fmt.Errorf("cluster %s FAILED: %v", name, c.Health)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// deleteCluster returns when the cluster is gone.
func (s *server) deleteCluster(ctx context.Context, name string) error {
	client := s.eks()
	if _, err := client.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &name}); err != nil {
		return err
	}
	for {
		_, err := client.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			if strings.Contains(err.Error(), "ResourceNotFoundException") {
				return nil
			}
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// token is what `aws eks get-token` prints for the administrator: a presigned GetCallerIdentity.
func (s *server) token(ctx context.Context, clusterName string) string {
	return s.tokenAt(ctx, clusterName, time.Now())
}

func (s *server) tokenAt(ctx context.Context, clusterName string, at time.Time) string {
	return s.presign(ctx, s.env["AWS_ENDPOINT_URL"], s.credentials(), clusterName, at)
}

// presign makes a token of a key for a cluster, to be shown to the STS at an endpoint.
func (s *server) presign(ctx context.Context, endpoint string, key awscore.Credentials, clusterName string, at time.Time) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		return ""
	}
	req.Header.Set("x-k8s-aws-id", clusterName)
	empty := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, key, req, hex.EncodeToString(empty[:]), "sts", s.env["AWS_REGION"], at)
	if err != nil {
		return ""
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed))
}
