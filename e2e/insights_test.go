package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// insight is an insight as the AWS CLI shows it.
type insight struct {
	ID, Name, Category, KubernetesVersion string
	InsightStatus                         struct{ Status, Reason string }
	LastTransitionTime                    float64
	Resources                             []struct{ KubernetesResourceURI string }
	CategorySpecificSummary               struct {
		DeprecationDetails []struct {
			Usage, ReplacedWith, StopServingVersion, StartServingReplacementVersion string
			ClientStats                                                             []struct {
				UserAgent                  string
				NumberOfRequestsLast30Days int
				LastRequestTime            float64
			}
		}
	}
}

// called are the APIs that an insight has clients of. The others that the minor removes are listed without.
func (i *insight) called() (usages []string) {
	for _, d := range i.CategorySpecificSummary.DeprecationDetails {
		if len(d.ClientStats) > 0 {
			usages = append(usages, d.Usage)
		}
	}
	return usages
}

const (
	oldFlowSchemas = "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas"
	gone132        = "Deprecated APIs removed in Kubernetes v1.32"
	oldCarts       = "Deprecated custom resource versions"
	deafWebhooks   = "Admission webhooks"
)

// offenders are what insights find besides calls.
const offenders = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: carts.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: carts, singular: cart, kind: Cart, listKind: CartList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v1alpha1, served: true, storage: false, deprecated: true, schema: {openAPIV3Schema: {type: object}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: deaf}
webhooks:
- name: carts.deaf.example.com
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig: {service: {namespace: default, name: nobody}}
  rules: [{apiGroups: [shop.example.com], apiVersions: ["*"], operations: [CREATE], resources: [carts]}]
---
apiVersion: flowcontrol.apiserver.k8s.io/v1beta3
kind: FlowSchema
metadata: {name: old}
spec: {priorityLevelConfiguration: {name: catch-all}, matchingPrecedence: 9999}
`

// created is what nothing but its managed fields tells the version of.
const created = `
apiVersion: flowcontrol.apiserver.k8s.io/v1beta3
kind: FlowSchema
metadata: {name: created}
spec: {priorityLevelConfiguration: {name: catch-all}, matchingPrecedence: 9998}
`

// TestInsights has clients call an API that the next minor does not serve, and sees them by their user agents; then they stop, and what
// else was wrong is mended, and the insights say so when they are asked for again. Counts outlive kill -9, and not 30 days. The clock shows a day
// that is more than 60 days before 1.31 leaves support, which is announced by an insight of its own.
func TestInsights(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{Args: []string{"--test-clock", "2026-09-01"}})
	admin := e.Admin(t)
	k := createCluster(t, admin, "insights", "--kubernetes-version", "1.31")
	k.sees(t, map[string]string{gone132: "PASSING", "Kubelet version skew": "PASSING", deafWebhooks: "PASSING"})

	manifest, unapplied := filepath.Join(t.TempDir(), "offenders.yaml"), filepath.Join(t.TempDir(), "created.yaml")
	if err := errors.Join(os.WriteFile(manifest, []byte(offenders), 0o600), os.WriteFile(unapplied, []byte(created), 0o600)); err != nil {
		t.Fatal(err)
	}
	k.kubectl(t, "apply", "-f", manifest)
	k.kubectl(t, "create", "-f", unapplied)
	k.kubectl(t, "wait", "--for=condition=Established", "crd/carts.shop.example.com")
	api := newKubeAPI(t, k, getToken(t, admin, k.name))
	call := func(agent, path string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.endpoint+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+api.token)
		req.Header.Set("User-Agent", agent)
		testenv.Eventually(t, func() error { // a custom resource that is new has 429 for a while
			resp, err := api.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("GET %s: %s", path, resp.Status)
			}
			return nil
		})
	}
	k.kubectl(t, "get", "flowschemas.v1beta3.flowcontrol.apiserver.k8s.io")
	endpoint, ca := endpointOf(t, k)
	admin.With("TOKEN="+api.token).Shell(t, strings.Repeat(fmt.Sprintf("curl --silent --show-error --fail --output got --cacert %s --oauth2-bearer \"$TOKEN\" %s%s\n", ca, endpoint, oldFlowSchemas), 3))
	if r := admin.With("KUBECONFIG="+k.config).Run(t, clientGo(t), "v1beta3"); r.ExitCode != 0 {
		t.Fatal(r)
	}
	call("shop-operator/v1.4.2 (linux/amd64) kubernetes/$Format", "/apis/shop.example.com/v1alpha1/carts")

	// What was written in the version that ends is found where it lives, too.
	if r := admin.Run(t, "minato", "insights", "scan", "--cluster", k.name, "--target", "1.32"); r.ExitCode != 3 ||
		!strings.Contains(r.Stdout, "FlowSchema old") || !strings.Contains(r.Stdout, "written by kubectl apply") ||
		!strings.Contains(r.Stdout, "FlowSchema created") || !strings.Contains(r.Stdout, "written by kubectl-create") {
		t.Errorf("scanning the cluster: %s", r)
	}

	found := k.describeInsight(t, k.sees(t, map[string]string{gone132: "ERROR", oldCarts: "WARNING"})[gone132].ID)
	checkUsage(t, found)
	k.refresh(t)
	k.sees(t, map[string]string{gone132: "ERROR", oldCarts: "WARNING", deafWebhooks: "ERROR"}) // they called a moment ago
	if ids := admin.AWS(t, "eks", "list-insights", "--cluster-name", k.name, "--filter", "statuses=ERROR,kubernetesVersions=1.32,categories=UPGRADE_READINESS",
		"--query", "insights[].name", "--output", "text"); ids != deafWebhooks+"\t"+gone132 {
		t.Errorf("in ERROR for 1.32 are %q", ids)
	}
	admin.RefusedAWS(t, []string{"ResourceNotFoundException"}, "eks", "describe-insight", "--cluster-name", k.name, "--id", "1b5b2b3e-0000-0000-0000-000000000000")

	// Counted is counted, and only once.
	call("late/1", oldFlowSchemas)
	e.Kill(t)
	call("later/1", oldFlowSchemas)
	e.Up(t)
	testenv.Eventually(t, func() error {
		clients := map[string]int{}
		for _, d := range k.describeInsight(t, found.ID).CategorySpecificSummary.DeprecationDetails {
			for _, c := range d.ClientStats {
				clients[strings.SplitN(c.UserAgent, "/", 2)[0]] = c.NumberOfRequestsLast30Days
			}
		}
		if clients["curl"] != 3 || clients["clientgo"] != 1 || clients["kubectl"] == 0 || clients["late"] != 1 || clients["later"] != 1 {
			return fmt.Errorf("the clients are %v", clients)
		}
		return nil
	})

	k.losesResources(t)
	k.kubectl(t, "delete", "-f", manifest, "-f", unapplied)
	e.Minato(t, "clock", "advance", "1h", "--home", string(e.Home))
	k.refresh(t)
	k.sees(t, map[string]string{gone132: "PASSING", oldCarts: "PASSING", deafWebhooks: "PASSING"})
	if got := k.describeInsight(t, found.ID); !strings.Contains(got.InsightStatus.Reason, "stopped") || len(got.called()) != 1 {
		t.Errorf("an hour later the insight is %+v, want it to say that all have stopped, and who they were", got)
	}
	loseAudit(t, e, k, found.ID)
	e.Minato(t, "clock", "advance", "31d", "--home", string(e.Home))
	testenv.Eventually(t, func() error {
		if got := k.describeInsight(t, found.ID); len(got.called()) != 0 || got.InsightStatus.Reason != "No deprecated API usage detected within the last 30 days." {
			return fmt.Errorf("after 31 days the insight is %+v", got)
		}
		return nil
	})
	k.delete(t)
}

// loseAudit takes away a piece of the only cluster's audit log, and writes into it what is no event: that nobody calls an API that ends is
// then not known, and the insight says so.
func loseAudit(t *testing.T, e *testenv.Env, k *cluster, id string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(e.Home.Logs("clusters"), "*", "audit.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("the audit logs are %v, %v", logs, err)
	}
	garbage := func() error {
		f, err := os.OpenFile(logs[0], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("this is no JSON\n")
		return errors.Join(err, f.Close())
	}
	for text, lose := range map[string]func() error{
		"a part of the audit log was gone before it was counted": func() error { return os.Truncate(logs[0], 0) },
		"the audit log has lines that are no audit events":       garbage,
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, func() error {
			got := k.describeInsight(t, id).InsightStatus
			if got.Status != "UNKNOWN" || !strings.Contains(got.Reason, " UTC to ") || !strings.Contains(got.Reason, text) {
				return fmt.Errorf("the insight is %+v, want UNKNOWN, from when to when, and that %s", got, text)
			}
			return nil
		})
	}
}

// clientGo builds e2e/clientgo and answers where it is.
func clientGo(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "clientgo")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "clientgo", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

func checkUsage(t *testing.T, found insight) {
	t.Helper()
	if called := found.called(); len(called) != 1 || len(found.CategorySpecificSummary.DeprecationDetails) < 2 {
		t.Fatalf("called are %v, want one, and the others of the minor without clients: %+v", called, found)
	}
	d := found.CategorySpecificSummary.DeprecationDetails[0]
	if d.Usage != oldFlowSchemas || d.ReplacedWith != "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas" || d.StopServingVersion != "1.32" || d.StartServingReplacementVersion != "1.29" {
		t.Errorf("the API is %+v", d)
	}
	if !slices.ContainsFunc(found.Resources, func(r struct{ KubernetesResourceURI string }) bool { return r.KubernetesResourceURI == oldFlowSchemas }) {
		t.Errorf("the resources are %+v", found.Resources)
	}
	for _, c := range d.ClientStats {
		if took := found.LastTransitionTime - c.LastRequestTime; strings.HasPrefix(c.UserAgent, "kubectl/") && took > 5 {
			t.Errorf("the first call was found %g s after it was made, want 5 at most", took)
		}
		if strings.HasPrefix(c.UserAgent, "kube-controller-manager") || strings.HasPrefix(c.UserAgent, "kube-apiserver") || strings.HasPrefix(c.UserAgent, "minato") {
			t.Errorf("%s is among the clients", c.UserAgent)
		}
	}
}

// sees waits until upgrade insights, by their names, have these statuses, and answers them.
func (k *cluster) sees(t *testing.T, want map[string]string) (found map[string]insight) {
	t.Helper()
	return k.seesIn(t, "UPGRADE_READINESS", want)
}

// seesIn does so in a category.
func (k *cluster) seesIn(t *testing.T, category string, want map[string]string) (found map[string]insight) {
	t.Helper()
	testenv.Eventually(t, func() error {
		var out struct{ Insights []insight }
		if err := json.Unmarshal([]byte(k.client.AWS(t, "eks", "list-insights", "--cluster-name", k.name, "--filter", "categories="+category)), &out); err != nil {
			return err
		}
		found = map[string]insight{}
		for _, i := range out.Insights {
			found[i.Name] = i
		}
		for name, status := range want {
			if got := found[name].InsightStatus; got.Status != status {
				return fmt.Errorf("insight %q is %+v, want %s", name, got, status)
			}
		}
		return nil
	})
	return found
}

func (k *cluster) describeInsight(t *testing.T, id string) insight {
	t.Helper()
	var out struct{ Insight insight }
	if err := json.Unmarshal([]byte(k.client.AWS(t, "eks", "describe-insight", "--cluster-name", k.name, "--id", id)), &out); err != nil {
		t.Fatal(err)
	}
	return out.Insight
}

// refresh has the insights computed anew.
func (k *cluster) refresh(t *testing.T) {
	t.Helper()
	if got := k.client.AWS(t, "eks", "start-insights-refresh", "--cluster-name", k.name, "--query", "status", "--output", "text"); got != "IN_PROGRESS" {
		t.Errorf("the refresh is %s", got)
	}
	testenv.Eventually(t, func() error {
		if got := k.client.AWS(t, "eks", "describe-insights-refresh", "--cluster-name", k.name, "--query", "status", "--output", "text"); got != "COMPLETED" {
			return fmt.Errorf("the refresh is %s", got)
		}
		return nil
	})
}

// ghost makes a node that no machine is behind, with a kubelet of a version, which is not ready.
func (k *cluster) ghost(t *testing.T, kubelet string) {
	t.Helper()
	k.kubectl(t, "create", "-f", k.file(t, "apiVersion: v1\nkind: Node\nmetadata: {name: ghost, labels: {eks.amazonaws.com/compute-type: hybrid}}\n"))
	k.kubectl(t, "patch", "node", "ghost", "--subresource=status", "-p", fmt.Sprintf(
		`{"status":{"conditions":[{"type":"Ready","status":"False","message":"nobody there"}],"nodeInfo":{"kubeletVersion":%q,"osImage":"none","kernelVersion":"","architecture":"amd64",`+
			`"operatingSystem":"linux","bootID":"","containerRuntimeVersion":"","kubeProxyVersion":"","machineID":"","systemUUID":""}}}`, kubelet))
}
