package eksauth_test

import (
	"context"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/eksauth"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

// explain asks about dev/app; the ServiceAccount has these annotations.
func (w *world) explain(annotations map[string]string, missing error, action, resource string) *eksauth.Explanation {
	w.Helper()
	x := eksauth.Explainer{
		Store: w.store, IAM: w.iam, STS: sts.New(w.iam),
		Annotations: func(context.Context, *eks.Cluster, string, string) (map[string]string, error) {
			return annotations, missing
		},
	}
	e, err := x.Explain(w.Context(), eksauth.Question{Scope: scope, Cluster: w.cluster.Name, Namespace: "dev", ServiceAccount: "app", Action: action, Resource: resource})
	w.must(err)
	return e
}

// told is an explanation as text.
func told(e *eksauth.Explanation) string {
	var b strings.Builder
	for _, s := range e.Steps {
		b.WriteString(string(s.Outcome) + " " + s.Name + ": " + s.Detail + "\n")
	}
	return b.String()
}

const readData = `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/${aws:PrincipalTag/kubernetes-namespace}/*"},
	{"Sid":"Never","Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-service-account":"other"}}},
	{"Sid":"NoDelete","Effect":"Deny","Action":"s3:DeleteObject","Resource":"*"}]}`

func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.explain(nil, minato.Errorf(minato.NotFound, "none"), "", "")
	if got := told(e); e.Allowed || e.By != "" || !strings.Contains(got, "no service account: dev/app is not in the cluster") || !strings.Contains(got, "no annotation: eks.amazonaws.com/role-arn is not on the service account either") {
		t.Errorf("nothing there: %+v\n%s", e, got)
	}

	w.associate(nil)
	w.inline(account, "reader", readData)
	for _, tt := range []struct {
		action, resource string
		allowed          bool
		statement, last  string
	}{
		{"s3:GetObject", "arn:aws:s3:::data/dev/report", true, "inline policy p of role reader, statement Read", "yes s3:GetObject: inline policy p of role reader, statement Read\n"},
		{"s3:GetObject", "arn:aws:s3:::data/prod/report", false, "", "no s3:GetObject: because no identity-based policy allows the s3:GetObject action\n"},
		{"s3:DeleteObject", "arn:aws:s3:::data/dev/report", false, "inline policy p of role reader, statement NoDelete",
			"no s3:DeleteObject: with an explicit deny in an identity-based policy: inline policy p of role reader, statement NoDelete\n"},
	} {
		e := w.explain(map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/old"}, nil, tt.action, tt.resource)
		got := told(e)
		if e.Allowed != tt.allowed || e.Statement != tt.statement || !strings.HasSuffix(got, tt.last) || e.By != eksauth.ByPodIdentity ||
			!strings.Contains(e.Principal, ":assumed-role/reader/eks-production-any-pod-") || e.SessionTags["kubernetes-namespace"] != "dev" {
			t.Errorf("%s: %+v\n%s", tt.resource, e, got)
		}
		for _, want := range []string{
			"yes association: a-0123456789abcdefg gives them arn:aws:iam::111122223333:role/reader\n", "- annotation: ", "and the association comes first",
			"yes session tags: eks-cluster-arn=", "yes sts:AssumeRole: trust policy of reader, Statement[0], for pods.eks.amazonaws.com\n", "yes sts:TagSession",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
	}

	w.must(w.iam.UpdateTrust(t.Context(), account, "reader", strings.Replace(podTrust, `,"sts:TagSession"`, "", 1)))
	e = w.explain(nil, nil, "s3:GetObject", "*")
	if got := told(e); e.Allowed || e.Principal != "" || !strings.HasSuffix(got,
		"no sts:TagSession: on arn:aws:iam::111122223333:role/reader, for pods.eks.amazonaws.com, because no role trust policy allows the sts:TagSession action\n") {
		t.Errorf("%+v\n%s", e, got)
	}
	w.must(w.iam.DeleteInlinePolicy(t.Context(), iam.Holder{Account: account, Kind: iam.RoleKind, Name: "reader"}, "p"))
	w.must(w.iam.DeleteRole(t.Context(), account, "reader"))
	if e := w.explain(nil, nil, "", ""); e.Allowed || !strings.Contains(told(e), "no role: ") {
		t.Errorf("%+v", e)
	}
}

func TestExplainAnnotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	item, err := eks.Clusters(w.store).Get(t.Context(), eks.ClusterKey(scope, w.cluster.Name))
	w.must(err)
	item.Value.Status.Issuer = "https://oidc.example/id/ABC"
	_, err = eks.Clusters(w.store).Put(t.Context(), item)
	w.must(err)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.example/id/ABC"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example/id/ABC:sub":"system:serviceaccount:dev:app","oidc.example/id/ABC:aud":"sts.amazonaws.com"}}}]}`
	w.role(account, "irsa", trust)
	w.inline(account, "irsa", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	annotated := map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/irsa"}
	if e := w.explain(annotated, nil, "", ""); e.Allowed || !strings.Contains(told(e), "no role: ") {
		t.Errorf("without a provider: %+v", e)
	}
	_, err = w.iam.CreateOIDCProvider(t.Context(), account, "https://oidc.example/id/ABC", []string{"sts.amazonaws.com"}, nil, nil)
	w.must(err)
	if e := w.explain(annotated, nil, "s3:GetObject", "arn:aws:s3:::data/x"); !e.Allowed || e.By != eksauth.ByAnnotation || e.Statement != "inline policy p of role irsa, Statement[0]" {
		t.Errorf("%+v\n%s", e, told(e))
	}
	annotated["eks.amazonaws.com/audience"] = "other"
	if e := w.explain(annotated, nil, "", ""); e.Allowed || !strings.Contains(told(e), "no sts:AssumeRoleWithWebIdentity: ") {
		t.Errorf("another audience: %+v\n%s", e, told(e))
	}
	if e := w.explain(map[string]string{"eks.amazonaws.com/role-arn": "nonsense"}, nil, "", ""); e.Allowed || !strings.Contains(told(e), `"nonsense", which is not the ARN of a role`) {
		t.Errorf("%+v", e)
	}
}
