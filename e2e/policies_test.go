package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/service/eks"
)

// everyVerb are the verbs that a policy or RBAC knows, and * for "everything".
var everyVerb = []string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate", "use", "*",
}

// neighbours lie beside what policies name, as "group resource/subresource".
var neighbours = strings.Split(` pods/eviction| pods/ephemeralcontainers| pods/resize| serviceaccounts/token| nodes| nodes/proxy| persistentvolumes|`+
	` namespaces/finalize| secrets/status| users| groups| componentstatuses|apps pods| deployments|apps deployments/scale/x|example.com widgets|`+
	`coordination.k8s.io leases|rbac.authorization.k8s.io clusterroles|rbac.authorization.k8s.io clusterrolebindings|* *| *|`+
	`authorization.k8s.io subjectaccessreviews|apiextensions.k8s.io customresourcedefinitions|storage.k8s.io storageclasses|`+
	`discovery.k8s.io endpointslices/status|extensions deployments/rollback|metrics.k8s.io pods`, "|")

// TestEveryAccessPolicy holds every policy with published rules against a ClusterRole of the same rules, in a real
// kube-apiserver: of everything that any policy names and of what lies beside it, both must allow the same.
func TestEveryAccessPolicy(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "policies", "--access-config", "authenticationMode=API")
	g := newGranter(t, e, k)
	api := newKubeAPI(t, k, getToken(t, k.client, k.name))
	attributes, urls := universe()
	for _, p := range policies.List() {
		if _, ok := p.Associable(); !ok {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			principal := entry(minato.NewARN("iam", "", g.cluster.Scope.Account, "user/"+p.Name), "AIDA"+strings.ToUpper(p.Name), p.Name)
			g.put(t, principal)
			reference := bindReference(t, k, api, p)
			var group errgroup.Group
			group.SetLimit(16)
			for _, a := range attributes {
				group.Go(func() error {
					return same(t.Context(), api, principal, reference, authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &a}, lists(p, a))
				})
			}
			for _, a := range urls {
				group.Go(func() error {
					return same(t.Context(), api, principal, reference, authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &a}, false)
				})
			}
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	k.delete(t)
}

// universe is every request that the test asks about: all verbs on everything named anywhere.
func universe() (resources []authorizationv1.ResourceAttributes, urls []authorizationv1.NonResourceAttributes) {
	seen := map[string]bool{}
	add := func(group, resource string) {
		if seen[group+" "+resource] {
			return
		}
		seen[group+" "+resource] = true
		name, sub, _ := strings.Cut(resource, "/")
		for _, verb := range everyVerb {
			resources = append(resources, authorizationv1.ResourceAttributes{
				Verb: verb, Group: group, Resource: name, Subresource: sub, Namespace: "default",
			})
		}
	}
	for _, p := range policies.List() {
		for _, rule := range p.Rules() {
			for _, group := range rule.Groups {
				for _, resource := range rule.Resources {
					add(group, resource)
				}
			}
		}
	}
	for _, n := range neighbours {
		group, resource, _ := strings.Cut(n, " ")
		add(group, resource)
	}
	for _, path := range []string{"/", "/metrics", "/debug/pprof/heap", "/logs/", "*"} {
		for _, verb := range []string{"get", "post", "*"} {
			urls = append(urls, authorizationv1.NonResourceAttributes{Path: path, Verb: verb})
		}
	}
	return resources, urls
}

// lists is whether a rule of the policy names a request, word by word.
func lists(p policies.Policy, a authorizationv1.ResourceAttributes) bool {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	for _, rule := range p.Rules() {
		if slices.Contains(rule.Groups, a.Group) && slices.Contains(rule.Resources, resource) && slices.Contains(rule.Verbs, a.Verb) {
			return true
		}
	}
	return false
}

// same asks about a request for both users, and wants it allowed where a rule names it.
func same(ctx context.Context, api *kubeAPI, e eks.AccessEntry, reference string, request authorizationv1.SubjectAccessReviewSpec, listed bool) error {
	spec := specOf(e)
	spec.ResourceAttributes, spec.NonResourceAttributes = request.ResourceAttributes, request.NonResourceAttributes
	got, err := api.review(ctx, spec)
	if err != nil {
		return err
	}
	request.User = reference
	want, err := api.review(ctx, request)
	if err != nil {
		return err
	}
	if got.Allowed != want.Allowed || got.Denied || listed && !got.Allowed {
		return fmt.Errorf("%+v %+v: allowed %t (%s), a ClusterRole with these rules %t, listed %t",
			request.ResourceAttributes, request.NonResourceAttributes, got.Allowed, got.Reason, want.Allowed, listed)
	}
	if reason := "EKS Access Policy: allowed by ClusterRoleBinding"; got.Allowed && !strings.HasPrefix(got.Reason, reason) {
		return fmt.Errorf("%+v: allowed by %q", request.ResourceAttributes, got.Reason)
	}
	return nil
}

// bindReference makes a user that has the policy's rules by RBAC, and waits until that holds.
func bindReference(t *testing.T, k *cluster, api *kubeAPI, p policies.Policy) (user string) {
	t.Helper()
	name := strings.ToLower(p.Name)
	role := rbacv1.ClusterRole{}
	role.APIVersion, role.Kind, role.Name = "rbac.authorization.k8s.io/v1", "ClusterRole", name
	for _, r := range p.Rules() {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{
			APIGroups: r.Groups, Resources: r.Resources, NonResourceURLs: r.NonResourceURLs, Verbs: r.Verbs,
		})
	}
	b, err := json.Marshal(role)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "role.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	k.kubectl(t, "create", "-f", file)
	k.kubectl(t, "create", "clusterrolebinding", name, "--clusterrole", name, "--user", "reference:"+name)
	spec := authorizationv1.SubjectAccessReviewSpec{User: "reference:" + name}
	first := p.Rules()[0]
	resource, sub, _ := strings.Cut(first.Resources[0], "/")
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: first.Verbs[0], Group: first.Groups[0], Resource: resource, Subresource: sub, Namespace: "default",
	}
	for deadline := time.Now().Add(settle); time.Now().Before(deadline); {
		if got, err := api.review(t.Context(), spec); err != nil || got.Allowed {
			if err != nil {
				t.Fatal(err)
			}
			return spec.User
		}
	}
	t.Fatalf("the ClusterRole of %s does not hold", p.Name)
	return ""
}
