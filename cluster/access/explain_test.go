package access_test

import (
	"fmt"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/service/eks"
)

// view is the role's access entry with AmazonEKSViewPolicy in the namespaces dev-*.
func view() *eks.AccessEntry {
	return &eks.AccessEntry{
		ClusterID: clusterID, PrincipalARN: role.RoleARN, PrincipalID: role.UniqueID(), Type: "STANDARD",
		Username: "ops:{{SessionName}}", Groups: []string{"sre"},
		Policies: []eks.AssociatedPolicy{{
			PolicyARN: minato.NewARN("eks", "", "aws", "cluster-access-policy/AmazonEKSViewPolicy"), ScopeType: "namespace", Namespaces: []string{"dev-*"},
		}},
	}
}

// nodeEntry is the access entry of the role that session("nodes", "/", …) has.
func nodeEntry() *eks.AccessEntry {
	p := session("nodes", "/", "")
	username, groups := eks.NodeNames(eks.EC2Linux)
	return &eks.AccessEntry{ClusterID: clusterID, PrincipalARN: p.RoleARN, PrincipalID: p.UniqueID(), Type: eks.EC2Linux, Username: username, Groups: groups}
}

func oneInstance(_, id string) (string, bool) { return "ip-10-0-0-1.ec2.internal", id == "i-0123" }

func TestExplain(t *testing.T) {
	t.Parallel()
	rows, err := access.ParseAWSAuth(map[string]string{"mapRoles": `
- {rolearn: "arn:aws:iam::111122223333:role/admin", username: admin}
- {rolearn: "arn:aws:iam::111122223333:role/ops/other", username: other}
`})
	if err != nil {
		t.Fatal(err)
	}
	kept := access.InForce{AWSAuth: rows, Malformed: "row 3\nrow 4", Kept: true}
	list := policies.Request{Verb: "list", Resource: "pods"}
	for _, tt := range []struct {
		name string
		mode string
		c    access.Case
		want []string // "outcome name: part of the detail", in order
	}{
		{"entry and policy", "API", access.Case{Principal: role, Entry: view(), Request: list, Namespace: "dev-1"}, []string{
			"yes access entry: access policies: 1", "- aws-auth: does not look", "yes user: ops:alice-example.com, groups: sre, system:authenticated",
			"yes AmazonEKSViewPolicy: it holds in the namespaces dev-*, and allows it",
		}},
		{"other namespace", "API", access.Case{Principal: role, Entry: view(), Request: list, Namespace: "prod"}, []string{
			"yes access entry: ", "- aws-auth: ", "yes user: ", "no AmazonEKSViewPolicy: dev-*, not in prod",
		}},
		{"whole cluster", "API", access.Case{Principal: role, Entry: view(), Request: list}, []string{
			"yes access entry: ", "- aws-auth: ", "yes user: ", "no AmazonEKSViewPolicy: a request for the whole cluster",
		}},
		{"other verb", "API", access.Case{Principal: role, Entry: view(), Request: policies.Request{Verb: "delete", Resource: "pods"}, Namespace: "dev-1"}, []string{
			"yes access entry: ", "- aws-auth: ", "yes user: ", "no AmazonEKSViewPolicy: its rules do not allow to delete pods",
		}},
		{"role made again", "API", access.Case{Principal: recreated, Entry: view(), Request: list}, []string{
			"no access entry: it was made for AROAEXAMPLEROLE, which has been deleted and made again since: now it is AROAEXAMPLEAGAIN",
			"- aws-auth: ", "no user: 401 Unauthorized",
		}},
		{"entry before aws-auth", "API_AND_CONFIG_MAP", access.Case{Principal: role, Entry: view(), InForce: access.InForce{AWSAuth: rows}, Request: list, Namespace: "dev-1"}, []string{
			"yes access entry: ", "- aws-auth: its row in mapRoles is not looked at: the access entry comes first", "yes user: ", "yes AmazonEKSViewPolicy: ",
		}},
		{"aws-auth", "CONFIG_MAP", access.Case{Principal: role, Entry: view(), InForce: access.InForce{AWSAuth: rows}, Request: list}, []string{
			"- access entry: CONFIG_MAP", "no creator: arn:aws:iam::111122223333:root", "yes aws-auth: mapRoles", "yes user: admin, groups: system:authenticated",
		}},
		{"creator", "CONFIG_MAP", access.Case{Principal: root, Request: list}, []string{
			"- access entry: ", "yes creator: ", "yes user: kubernetes-admin, groups: system:masters, system:authenticated",
		}},
		{"row with a path", "API_AND_CONFIG_MAP", access.Case{Principal: session("other", "/ops/", "x"), InForce: access.InForce{AWSAuth: rows}, Request: list}, []string{
			"no access entry: there is none for arn:aws:iam::111122223333:role/ops/other", "no aws-auth: leave that out", "no user: ",
		}},
		{"malformed", "CONFIG_MAP", access.Case{Principal: user, InForce: kept, Request: list}, []string{
			"- access entry: ", "no creator: ", "no aws-auth: what it said before goes on: row 3; row 4", "no user: ",
		}},
		{"node", "API", access.Case{Principal: session("nodes", "/", "i-0123"), Entry: nodeEntry(), Request: list, Name: oneInstance}, []string{
			"yes access entry: type EC2_LINUX", "- aws-auth: ", "yes user: system:node:ip-10-0-0-1.ec2.internal, groups: system:nodes", "no access policies: ",
		}},
		{"node that is not there", "API", access.Case{Principal: session("nodes", "/", "i-0456"), Entry: nodeEntry(), Request: list, Name: oneInstance}, []string{
			"yes access entry: type EC2_LINUX", "- aws-auth: ", "no user: i-0456 is none that is known",
		}},
		{"malformed but found", "CONFIG_MAP", access.Case{Principal: session("admin", "/", "x"), InForce: kept, Request: list}, []string{
			"- access entry: ", "no creator: ", "yes aws-auth: what it said before goes on: row 3", "yes user: admin",
		}},
		{"malformed when there was none", "CONFIG_MAP", access.Case{Principal: user, InForce: access.InForce{Malformed: "row 3", Kept: true}, Request: list}, []string{
			"- access entry: ", "no creator: ", "no aws-auth: there was no ConfigMap kube-system/aws-auth; the ConfigMap is malformed now", "no user: ",
		}},
		{"no ConfigMap", "CONFIG_MAP", access.Case{Principal: user, Request: list}, []string{
			"- access entry: ", "no creator: ", "no aws-auth: there is no ConfigMap", "no user: ",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.Cluster = cluster(root, tt.mode, true)
			e := tt.c.Explain()
			for i, step := range e.Steps {
				got := fmt.Sprintf("%s %s: %s", step.Outcome, step.Name, step.Detail)
				if i >= len(tt.want) {
					t.Fatalf("one step too many: %s", got)
				}
				head, part, _ := strings.Cut(tt.want[i], ": ")
				if !strings.HasPrefix(got, head+": ") || !strings.Contains(got, part) {
					t.Errorf("step %d: %s\nwant %s", i+1, got, tt.want[i])
				}
			}
			if len(e.Steps) < len(tt.want) {
				t.Errorf("%d steps, want %d", len(e.Steps), len(tt.want))
			}
			if nobody := strings.HasPrefix(tt.want[len(tt.want)-1], "no user"); nobody != (e.User == nil) {
				t.Errorf("the user is %+v", e.User)
			}
			if e.Allowed {
				t.Error("it is allowed before kube-apiserver has been asked")
			}
		})
	}
}

// TestExplainAgreesWithTheAuthorizer holds the explanation of access policies to the decision.
func TestExplainAgreesWithTheAuthorizer(t *testing.T) {
	t.Parallel()
	c := cluster(root, "API", true)
	entry := view()
	a, mappers := authorizerOf(c, newEntries(t, *entry))
	for _, request := range []string{"get pods dev-1", "get pods prod", "delete pods dev-1", "list secrets dev-1", "get nodes"} {
		question := ask(login(t, c, mappers, "ASIAROLE"), request)
		e := access.Case{Cluster: c, Principal: role, Entry: entry, Request: question.Request, Namespace: question.Namespace}.Explain()
		last := e.Steps[len(e.Steps)-1]
		if decision := a.Authorize(clusterID, question).Decision; (decision == access.Allow) != (last.Outcome == access.Yes) {
			t.Errorf("%s: decided %s, explained %+v", request, decision, last)
		}
	}
}

func TestReview(t *testing.T) {
	t.Parallel()
	e := access.Explanation{}
	e.Review(false, "")
	if e.Allowed || !strings.Contains(e.Reason, "no Role or ClusterRole") {
		t.Errorf("%+v", e)
	}
	e.Review(true, "RBAC: allowed by …")
	if !e.Allowed || e.Reason != "RBAC: allowed by …" || e.Steps[1].Outcome != access.Yes {
		t.Errorf("%+v", e)
	}
}
