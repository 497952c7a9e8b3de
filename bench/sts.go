package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"minato.dev/minato/service/iam/policy"
)

// stsRate is below what one principal may ask.
const stsRate = 150

// benchSTS asks for sessions with a signature and with a token of the cluster, beside GetCallerIdentity, which takes what every signed
// request takes. The figures are for each second of the processes' CPU time, which is what one core does.
func (s *server) benchSTS(ctx context.Context, k *cluster, pids []int) ([]Row, error) {
	trust, web, err := s.stsRoles(ctx, k)
	if err != nil {
		return nil, err
	}
	var token struct{ Status struct{ Token string } }
	request := `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["sts.amazonaws.com"]}}`
	if err := s.post(ctx, k, defaultServiceAccount+"/token", request, &token); err != nil {
		return nil, err
	}
	var perCPU []float64
	for _, form := range []url.Values{
		{"Action": {"GetCallerIdentity"}},
		{"Action": {"AssumeRole"}, "RoleArn": {trust}, "RoleSessionName": {"bench"}},
		{"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {web}, "RoleSessionName": {"bench"}, "WebIdentityToken": {token.Status.Token}},
	} {
		form.Set("Version", "2011-06-15")
		sign := s.sign("sts")
		a := &asker{
			client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}, url: s.env["AWS_ENDPOINT_URL"] + "/",
			questions: []question{{body: []byte(form.Encode()), want: []byte(form.Get("Action") + "Result")}},
			prepare: func(r *http.Request, body []byte) error {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				if form.Has("WebIdentityToken") {
					return nil
				}
				return sign(r, body)
			},
		}
		before := cpuSeconds(pids...)
		answers, err := a.paced(ctx, stsRate, podDuration)
		if err != nil {
			return nil, err
		}
		perCPU = append(perCPU, float64(len(answers))/(cpuSeconds(pids...)-before))
	}
	const name = "%s, per second of CPU time of minato up and etcd, beside GetCallerIdentity"
	return []Row{
		against(fmt.Sprintf(name, "AssumeRole"), perCPU[1], perCPU[0], "1/s", ""),
		against(fmt.Sprintf(name, "AssumeRoleWithWebIdentity"), perCPU[2], perCPU[0], "1/s", ""),
		benchPolicies(),
	}, nil
}

// stsRoles makes a role that the administrator may assume, and one for the cluster's pods.
func (s *server) stsRoles(ctx context.Context, k *cluster) (trusting, web string, err error) {
	described, err := s.eks().DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &k.name})
	if err != nil {
		return "", "", err
	}
	var provider struct {
		ARN string `xml:"CreateOpenIDConnectProviderResult>OpenIDConnectProviderArn"`
	}
	form := url.Values{"Action": {"CreateOpenIDConnectProvider"}, "Version": {"2010-05-08"}, "Url": {*described.Cluster.Identity.Oidc.Issuer}, "ClientIDList.member.1": {"sts.amazonaws.com"}}
	if err := s.query(ctx, "iam", form, &provider); err != nil {
		return "", "", err
	}
	account := strings.Split(provider.ARN, ":")[4]
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{%q:%q},"Action":%q}]}`
	role := func(name, kind, principal, action string) (string, error) {
		form := url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {name}, "AssumeRolePolicyDocument": {fmt.Sprintf(trust, kind, principal, action)}}
		return "arn:aws:iam::" + account + ":role/" + name, s.query(ctx, "iam", form, &struct{}{})
	}
	if trusting, err = role("bench-trusting", "AWS", account, "sts:AssumeRole"); err != nil {
		return "", "", err
	}
	web, err = role("bench-web", "Federated", provider.ARN, "sts:AssumeRoleWithWebIdentity")
	return trusting, web, err
}

// benchPolicies decides with 10 policies of 20 statements, of which the last allows, beside 10 policies of one.
func benchPolicies() Row {
	decisions := func(statements int) float64 {
		set := policies(10, statements)
		r := policy.Request{
			Principal: policy.Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ann"}, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/red/report",
			Context: map[string][]string{"aws:principaltag/team": {"red"}, "aws:requestedregion": {"us-east-1"}},
		}
		result := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				if !policy.Evaluate(r, set).Allowed {
					b.Fatal("denied")
				}
			}
		})
		return 1e9 / float64(result.NsPerOp())
	}
	return against("policy decisions, 10 policies of 20 statements, beside 10 of one", decisions(20), decisions(1), "1/s", "")
}

func policies(n, statements int) (set policy.Set) {
	for i := range n {
		var list []string
		for j := range statements - 1 {
			list = append(list, fmt.Sprintf(`{"Effect":"Allow","Action":["s3:Get*","ec2:Describe*"],"Resource":"arn:aws:s3:::bucket-%d-%d/*",
				"Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}`, i, j))
		}
		list = append(list, `{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::data/${aws:PrincipalTag/team}/*"}`)
		p, err := policy.Parse(`{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`, policy.Identity)
		if err != nil {
			panic(err) // a constant
		}
		set.Identity = append(set.Identity, policy.Named{Name: fmt.Sprint(i), Policy: p})
	}
	return set
}
