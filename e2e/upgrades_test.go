//go:build upgrades

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/kube"
)

// consecutive are the minors that are built, of the longest run without a gap.
func consecutive(t *testing.T) (run []kube.Version) {
	t.Helper()
	var current []kube.Version
	for _, v := range kube.Binaries(filepath.Join("..", "bin", "kube")).Built() {
		if !v.HasCalendar() {
			continue
		}
		if n := len(current); n > 0 && v.Number() != current[n-1].Number()+1 {
			current = nil
		}
		if current = append(current, v); len(current) > len(run) {
			run = current
		}
	}
	if len(run) < 2 {
		t.Fatal("no two minors in a row are built: make kube VERSION=1.35 and 1.36")
	}
	return run
}

const thingCRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.test.example}
spec:
  group: test.example
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: nobody}
webhooks:
- name: nobody.test.example
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  timeoutSeconds: 1
  clientConfig: {url: "https://127.0.0.1:1/"}
  rules: [{apiGroups: [test.example], apiVersions: [v1], resources: [things], operations: [CREATE]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-bad-things}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: [test.example], apiVersions: [v1], resources: [things], operations: [CREATE]}]}
  validations: [{expression: "object.metadata.name != 'bad'"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-bad-things}
spec: {policyName: no-bad-things, validationActions: [Deny]}
`

// TestEveryUpgrade takes one cluster through all minors that are built, one after the other, with nodes, pods, custom resources, webhooks,
// policies and clients at work, and looks at all of it at every step. The server is killed in the middle of each, of which clients see nothing.
func TestEveryUpgrade(t *testing.T) {
	minors := consecutive(t)
	e := testenv.Start(t, testenv.Options{Args: []string{"--test-clock", "2026-11-01"}})
	k := createCluster(t, e.Admin(t), "upgrades", "--kubernetes-version", minors[0].Minor)
	k.kubectl(t, "apply", "-f", k.file(t, thingCRD))
	k.kubectl(t, "wait", "crd/things.test.example", "--for=condition=Established", "--timeout=180s")
	k.client.AWS(t, k.nodegroup("create-nodegroup", "ng", "--node-role", createNodeRole(t, k.client, "upgrades-nodes"), "--subnets", firstSubnet(t, k.client),
		"--labels", "minato.dev/node=simulated", "--scaling-config", "minSize=0,desiredSize=2,maxSize=4")...)
	k.client.AWS(t, "eks", "wait", "nodegroup-active", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.kubectl(t, "create", "deployment", "web", "--image=nowhere.invalid/app", "--replicas=4")
	k.everything(t, minors[0])
	for _, v := range minors[1:] {
		load, began := startLoad(t, k), time.Now()
		u := k.changeVersion(t, v.Minor)
		awaitSecondGeneration(t, e)
		e.Kill(t)
		e.Up(t)
		k.waitActive(t)
		t.Logf("to %s took %s", v.Minor, time.Since(began))
		if u = k.versionUpdate(t, u.ID); u.Status != "Successful" {
			t.Fatalf("the update to %s is %+v", v.Minor, u)
		}
		load.finish(t)
		k.kubectl(t, "delete", "--raw", loadPath+"?labelSelector=load%3Dyes")
		if next, ok := v.Next(); ok { // the nodes come first, whether that is built or not
			k.client.RefusedAWS(t, []string{"InvalidParameterException", "Nodegroups ng must be updated to match cluster version " + v.Minor},
				"eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", next.Minor)
		}
		k.updateNodegroup(t, "update-nodegroup-version")
		k.everything(t, v)
	}
	for _, v := range minors {
		k.holds(t, "made-on-"+strings.ReplaceAll(v.Minor, ".", "-"), v.Minor)
	}
}

// awaitSecondGeneration waits until the only cluster has the kube-apiservers of two versions.
func awaitSecondGeneration(t *testing.T, e *testenv.Env) {
	t.Helper()
	testenv.Eventually(t, func() error {
		running := names(e.Status(t).All())
		servers := slices.DeleteFunc(slices.Clone(running), func(name string) bool { return !strings.Contains(name, "kube-apiserver") })
		if len(servers) < 2 {
			return fmt.Errorf("running are %v", running)
		}
		return nil
	})
}

// everything looks at what the cluster has, and leaves a mark.
func (k *cluster) everything(t *testing.T, v kube.Version) {
	t.Helper()
	name := "made-on-" + strings.ReplaceAll(v.Minor, ".", "-")
	k.write(t, name, v.Minor)
	thing := func(name string) string {
		return k.file(t, fmt.Sprintf("apiVersion: test.example/v1\nkind: Thing\nmetadata: {name: %s}\nsize: 3\n", name))
	}
	k.kubectl(t, "create", "-f", thing(name))
	if r := k.client.TryKubectl(t, k.config, "create", "-f", thing("bad")); r.ExitCode == 0 {
		t.Errorf("%s: the admission policy lets a bad thing in", v.Minor)
	}
	if got := k.kubectl(t, "get", "things", "-o", "jsonpath={.items[*].size}"); strings.Trim(got, "3 ") != "" || got == "" {
		t.Errorf("%s: the things say %q", v.Minor, got)
	}
	k.kubectl(t, "wait", "deployment/web", "--for=condition=Available", "--timeout=180s")
	if got := k.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}"); strings.Count(got, "v"+v.Minor) != 2 {
		t.Errorf("%s: the nodes have %s", v.Minor, got)
	}
	if got := k.kubectl(t, "get", "--raw", "/version"); !strings.Contains(got, v.Patch) {
		t.Errorf("kube-apiserver says it is %s, want %s", got, v.Patch)
	}
}
