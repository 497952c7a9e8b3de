package eksapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

// newService is the real service over a memstore, in an account with one VPC, three subnets and one role. The user mallory may
// do nothing.
func newService() *eks.Service {
	zones := map[string]string{"subnet-a": "us-east-1a", "subnet-b": "us-east-1b", "subnet-c": "us-east-1c"}
	return &eks.Service{
		Store: memstore.New(),
		Now:   func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 506e6, time.UTC) },
		Authorize: func(_ context.Context, a iam.Access) error {
			if who := a.Credential.Principal.ARN; who.ResourceName() == "mallory" {
				return minato.Errorf(minato.Denied, "User: %s is not authorized to perform: %s on resource: %s", who, a.Action, a.Resource)
			}
			return nil
		},
		CheckRole: func(_ context.Context, role minato.ARN, _ string, _ minato.ARN) error {
			switch role.ResourceName() {
			case "eks-cluster", "node":
				return nil
			case "lambda":
				return minato.Errorf(minato.Denied, "it trusts somebody else")
			}
			return minato.Errorf(minato.NotFound, "no such role")
		},
		PrincipalID: func(_ context.Context, principal minato.ARN) (string, error) {
			switch principal.String() {
			case "arn:aws:iam::111122223333:role/team/ops":
				return "AROAOPS", nil
			case "arn:aws:iam::444455556666:user/bob":
				return "AIDABOB", nil
			}
			return "", minato.Errorf(minato.NotFound, "nobody is called that")
		},
		AccessPolicies: []eks.AccessPolicy{
			accessPolicy("AmazonEKSAutoNodePolicy", "AWS does not publish its rules"),
			accessPolicy("AmazonEKSClusterAdminPolicy", ""),
			accessPolicy("AmazonEKSViewPolicy", ""),
		},
		Addons: []eks.AddonKind{{
			Name: "coredns", Type: "networking", Publisher: "minato", Owner: "community", Namespace: "kube-system", Schema: `{"type":"object"}`,
			Versions: []eks.AddonVersion{{
				Version: "v1.0.0-minatobuild.2", Architectures: []string{"amd64"}, ComputeTypes: []string{"ec2"},
				Compatible: []eks.AddonCompatibility{{Minor: "1.35", Default: true}, {Minor: "1.36", Default: true}},
			}, {
				Version: "v1.0.0-minatobuild.1", Architectures: []string{"amd64"}, ComputeTypes: []string{"ec2"},
				Compatible: []eks.AddonCompatibility{{Minor: "1.35"}},
			}},
		}, {
			Name: "vpc-cni", Type: "networking", Publisher: "minato", Owner: "minato", Namespace: "kube-system", Schema: `{"type":"object"}`,
			ServiceAccount: "aws-node", Policies: []string{"arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"},
			Versions: []eks.AddonVersion{{Version: "v1.0.0-minatobuild.1", Compatible: []eks.AddonCompatibility{{Minor: "1.36"}}}},
		}},
		CheckAddonValues: func(_, values string) error {
			if strings.Contains(values, "bad") {
				return errors.New("Json schema validation failed with error: [$.bad: is not defined in the schema and the schema does not allow additional properties]")
			}
			return nil
		},
		Applied:  func(context.Context, store.Revision) error { return nil },
		Kubelets: func(context.Context, string) ([]eks.Kubelet, error) { return nil, nil },
		Network: eks.Network{
			Subnets: func(_ context.Context, _ minato.Scope, ids []string) (found []eks.Subnet, _ error) {
				for _, id := range ids {
					if zone, ok := zones[id]; ok {
						found = append(found, eks.Subnet{ID: id, VPCID: "vpc-1", AvailabilityZone: zone, FreeAddresses: 4091})
					}
				}
				return found, nil
			},
			SecurityGroups: func(context.Context, minato.Scope, []string) ([]eks.SecurityGroup, error) {
				return []eks.SecurityGroup{{ID: "sg-1", VPCID: "vpc-1"}}, nil
			},
			CIDRs: func(context.Context, minato.Scope, string) ([]netip.Prefix, error) {
				return []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")}, nil
			},
			NewSecurityGroup: func(_ context.Context, _ minato.Scope, g eks.NewSecurityGroup) (string, []store.Op, error) {
				return "sg-cluster", []store.Op{store.Create("/test/"+g.Name, nil)}, nil
			},
		},
		Compute: eks.Compute{
			InstanceType: func(name string) (eks.InstanceType, bool) {
				return eks.InstanceType{Name: name, Architecture: "x86_64", Addresses: 18}, name == "t3.medium"
			},
			Release:      func(minor string) (string, bool) { return "1.35.4-20260127", minor == "1.35" },
			Architecture: "x86_64",
			NodePolicies: func(context.Context, minato.ARN) (eks.RolePolicies, error) {
				return eks.RolePolicies{Attached: []string{"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly"}}, nil
			},
		},
		BuiltMinors: func() []string { return []string{"1.31", "1.35", "1.37"} },
		Log:         slog.New(slog.DiscardHandler),
	}
}

func accessPolicy(name, unassociable string) eks.AccessPolicy {
	return eks.AccessPolicy{Name: name, ARN: minato.NewARN("eks", "", "aws", "cluster-access-policy/"+name), Unassociable: unassociable}
}

// TestScripts runs the conversations in testdata. A section is a request ("POST /clusters", "mallory: GET /clusters"), what it
// must be answered ("200", "404 ResourceNotFoundException"), or something that happens meanwhile: "active NAME" and "remove
// NAME" are what the control plane's reconciler does, "settle CLUSTER NAME" what that of nodegroups does and "degrade CLUSTER NAME" what that of add-ons does. $UPDATE stands for the id of the update that was begun last, $ENTRY for the ARN of the access entry answered
// last, $ASSOCIATION for the id of the Pod Identity association answered last, $UUID for the end of any.
func TestScripts(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{service: newService()}
			s.api = New(s.service)
			for i, section := range archive.Files {
				s.run(t, fmt.Sprintf("section %d (%s)", i+1, section.Name), section.Name, string(section.Data))
			}
		})
	}
}

// randomID is the end of an ARN or of a name, which is random.
var randomID = regexp.MustCompile(`((:access-entry|:nodegroup|:addon|:fargateprofile)/[^"]+/|"eks-[^"]+-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

type script struct {
	service *eks.Service
	api     aws.API
	last    *httptest.ResponseRecorder
	update  string
	entry   string // ARN of the access entry that was answered last
	// association is the id of the Pod Identity association that was answered last.
	association string
}

func (s *script) run(t *testing.T, where, line, body string) {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "active":
		s.activate(t, rest)
	case word == "settle":
		s.settle(t, rest)
	case word == "degrade":
		s.degrade(t, rest)
	case word == "remove":
		if _, err := s.service.Store.Commit(t.Context(), eks.Clusters(s.service.Store).DeleteOp(s.cluster(t, rest))); err != nil {
			t.Fatalf("%s: %v", where, err)
		}
	case word[0] >= '0' && word[0] <= '9':
		s.compare(t, where, word, rest, body)
	default:
		s.request(line, body)
	}
}

func (s *script) request(line, body string) {
	user := "alice"
	if who, request, ok := strings.Cut(line, ": "); ok {
		user, line = who, request
	}
	method, uri, _ := strings.Cut(line, " ")
	uri = strings.NewReplacer("$UPDATE", s.update, "$ENTRY", url.PathEscape(s.entry), "$ASSOCIATION", s.association).Replace(uri)
	r := httptest.NewRequest(method, uri, strings.NewReader(body))
	principal := minato.Principal{Type: minato.IAMUser, Account: scope.Account, ARN: minato.NewARN("iam", "", scope.Account, "user/"+user)}
	s.last = serve(s.api, r, &aws.Call{RequestID: "request-1", Scope: scope, Credential: iam.Credential{Principal: principal}})
	var answer struct {
		Update      struct{ ID string }
		AccessEntry struct{ AccessEntryArn string }
		Association struct{ AssociationID string }
	}
	if json.Unmarshal(s.last.Body.Bytes(), &answer) != nil {
		return
	}
	if id := answer.Update.ID; id != "" {
		s.update = id
	}
	if arn := answer.AccessEntry.AccessEntryArn; arn != "" {
		s.entry = arn
	}
	if id := answer.Association.AssociationID; id != "" {
		s.association = id
	}
}

func (s *script) compare(t *testing.T, where, status, code, body string) {
	t.Helper()
	text := s.last.Body.String()
	if s.update != "" {
		text = strings.ReplaceAll(text, s.update, "$UPDATE")
	}
	if s.association != "" {
		text = strings.ReplaceAll(text, s.association, "$ASSOCIATION")
	}
	text = randomID.ReplaceAllString(text, "$1$$UUID")
	if fmt.Sprint(s.last.Code) != status || s.last.Header().Get("x-amzn-ErrorType") != code {
		t.Fatalf("%s: got %d %s\n%s", where, s.last.Code, s.last.Header().Get("x-amzn-ErrorType"), text)
	}
	if diff := cmp.Diff(object(t, []byte(strings.TrimSpace(body))), object(t, []byte(text))); diff != "" {
		t.Errorf("%s: (-want +got)\n%s\n%s", where, diff, text)
	}
}

func (s *script) cluster(t *testing.T, name string) store.Item[eks.Cluster] {
	t.Helper()
	item, err := eks.Clusters(s.service.Store).Get(t.Context(), eks.ClusterKey(scope, name))
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func (s *script) activate(t *testing.T, name string) {
	t.Helper()
	item := s.cluster(t, name)
	c := &item.Value
	c.Status = eks.Status{
		Status: c.Status.Status, ObservedGeneration: c.Spec.Generation, Endpoint: "https://127.0.0.1:6443", CAData: "Q0E=",
		Issuer: "https://127.0.0.1:4567/id/0123", PlatformVersion: "eks.1",
	}
	ops, err := eks.CompleteUpdates(t.Context(), s.service.Store, c)
	if err == nil {
		err = c.Transition(eks.ClusterActive, eks.ByReconciler)
	}
	if err == nil {
		_, err = s.service.Store.Commit(t.Context(), append(ops, eks.Clusters(s.service.Store).UpdateOp(item))...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *script) settle(t *testing.T, names string) {
	t.Helper()
	cluster, name, _ := strings.Cut(names, " ")
	groups := eks.Nodegroups(s.service.Store)
	c := s.cluster(t, cluster).Value
	item, err := groups.Get(t.Context(), eks.NodegroupKey(c.ID, name))
	if err != nil {
		t.Fatal(err)
	}
	n := &item.Value
	n.Status.Status, n.Status.ObservedGeneration, n.Status.GroupName = eks.NodegroupActive, n.Spec.Generation, n.GroupName()
	ops, err := eks.CompleteNodegroupUpdates(t.Context(), s.service.Store, n)
	if err == nil {
		_, err = s.service.Store.Commit(t.Context(), append(ops, groups.UpdateOp(item))...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *script) degrade(t *testing.T, names string) {
	t.Helper()
	cluster, name, _ := strings.Cut(names, " ")
	addons := eks.Addons(s.service.Store)
	item, err := addons.Get(t.Context(), eks.AddonKey(s.cluster(t, cluster).Value.ID, name))
	if err != nil {
		t.Fatal(err)
	}
	a := &item.Value
	a.Status.Status, a.Status.Health = eks.AddonDegraded, []eks.HealthIssue{{Code: "InsufficientNumberOfReplicas", Message: "too few"}}
	ops, err := eks.CompleteAddonUpdates(t.Context(), s.service.Store, a)
	if err == nil {
		_, err = s.service.Store.Commit(t.Context(), append(ops, addons.UpdateOp(item))...)
	}
	if err != nil {
		t.Fatal(err)
	}
}
