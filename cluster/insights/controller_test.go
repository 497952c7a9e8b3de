package insights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/service/eks"
)

// lists are what a kube-apiserver answers, by path.
type lists map[string][]string

func (l lists) client(t *testing.T) *kubeapi.Client {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		items, ok := l[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, `{"metadata":{"resourceVersion":"1"},"items":[%s]}`, strings.Join(items, ","))
	}))
	t.Cleanup(server.Close)
	transport, _ := server.Client().Transport.(*http.Transport)
	return kubeapi.New(strings.TrimPrefix(server.URL, "https://"), transport.TLSClientConfig)
}

func testCluster() *eks.Cluster {
	c := &eks.Cluster{ID: "c1", Name: "prod", Scope: minato.Scope{Account: "111122223333", Region: "us-east-1"}}
	c.Spec.Version, c.Status.Status = "1.31", eks.ClusterActive
	c.Status.Versions = []eks.VersionSince{{Version: "1.30", Since: noon.AddDate(0, 0, -9)}, {Version: "1.31", Since: noon.AddDate(0, 0, -2)}}
	return c
}

var noon = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func from134(c *eks.Cluster) {
	c.Status.Versions = []eks.VersionSince{{Version: "1.34", Since: noon.AddDate(0, 0, -9)}, {Version: "1.35", Since: noon.AddDate(0, 0, -2)}}
}

func TestChecks(t *testing.T) {
	const meta = `"metadata":{"namespace":"shop","name":"cart","labels":{"kubernetes.io/service-name":"hook","eks.amazonaws.com/compute-type":"hybrid"}}`
	kubelet := func(version, os string) []string {
		return []string{fmt.Sprintf(`{"metadata":{"name":"n1"},"status":{"nodeInfo":{"kubeletVersion":%q,"osImage":%q}}}`, version, os)}
	}
	blocking := []string{`{` + meta + `,"status":{"disruptionsAllowed":0,"expectedPods":1,"currentHealthy":1,"desiredHealthy":1}}`}
	webhook := []string{`{"metadata":{"name":"w"},"webhooks":[{"name":"w.example.com","failurePolicy":"Fail","clientConfig":{"service":{"namespace":"shop","name":"hook"}}}]}`}
	calls := func(k apiKey, at time.Time) map[apiKey][]client { return map[apiKey][]client{k: {{"curl/8", 3, at}}} }
	carts := apiKey{"shop.example.com", "v1alpha1", "carts"}
	definition := []string{`{"metadata":{"name":"carts"},"spec":{"group":"shop.example.com","names":{"plural":"carts"},"versions":[{"name":"v1alpha1","served":true,"deprecated":true},{"name":"v1","served":true}]}}`}
	classes := apiKey{"storage.k8s.io", "v1", "volumeattributesclasses"}
	class := func(manager string) lists {
		return lists{classes.path(): {fmt.Sprintf(`{"metadata":{"name":"fast","managedFields":[{"manager":%q},{"manager":"class-controller","subresource":"status"}]}}`, manager)}}
	}
	to134 := func(c *eks.Cluster) { // whose classes of volume attributes came with it
		c.Spec.Version, c.Status.Versions[0].Version, c.Status.Versions[1].Version = "1.34", "1.33", "1.34"
	}
	for name, test := range map[string]struct {
		lists  lists
		calls  map[apiKey][]client
		change func(*eks.Cluster)
		coming *eks.Upcoming
		want   string // name of a check, with its status
	}{
		"nobody calls":             {want: "Deprecated APIs removed in Kubernetes v1.32 PASSING"},
		"the next minor":           {calls: calls(flowSchemas, noon), want: "Deprecated APIs removed in Kubernetes v1.32 ERROR"},
		"and not the one after":    {calls: calls(flowSchemas, noon), want: "Deprecated APIs removed in Kubernetes v1.33 PASSING"},
		"the minor after that":     {calls: calls(apiKey{"authentication.k8s.io", "v1beta1", "selfsubjectreviews"}, noon), want: "Deprecated APIs removed in Kubernetes v1.33 WARNING"},
		"who stopped calling":      {calls: calls(flowSchemas, noon.AddDate(0, 0, -3)), want: "Deprecated APIs removed in Kubernetes v1.32 PASSING"},
		"a custom resource":        {calls: calls(carts, noon), lists: lists{definitionsPath: definition}, want: "Deprecated custom resource versions WARNING"},
		"one that is gone":         {calls: calls(carts, noon), want: "Deprecated custom resource versions PASSING"},
		"kubelets of the minor":    {lists: lists{nodesPath: kubelet("v1.31.4", "")}, want: "UPGRADE Kubelet version skew PASSING"},
		"kubelets two behind":      {lists: lists{nodesPath: kubelet("v1.29.4-eks-1", "")}, want: "UPGRADE Kubelet version skew WARNING"},
		"kubelets three behind":    {lists: lists{nodesPath: kubelet("v1.28.4", "")}, want: "UPGRADE Kubelet version skew ERROR"},
		"kubelets of the past":     {lists: lists{nodesPath: kubelet("v1.30.4", "")}, want: "ROLLBACK Kubelet version rollback compatibility PASSING"},
		"kubelets of the future":   {lists: lists{nodesPath: kubelet("v1.31.4", "")}, want: "ROLLBACK Kubelet version rollback compatibility ERROR"},
		"an API of before":         {lists: class("kubectl"), want: "ROLLBACK Incompatible API usage PASSING"},
		"objects of the future":    {lists: class("kubectl"), change: to134, want: "ROLLBACK Incompatible API usage ERROR"},
		"the control plane's own":  {lists: class("kube-apiserver"), change: to134, want: "ROLLBACK Incompatible API usage PASSING"},
		"who calls the future":     {calls: calls(classes, noon), change: to134, want: "ROLLBACK Incompatible API usage WARNING"},
		"who called it":            {calls: calls(classes, noon.AddDate(0, 0, -3)), change: to134, want: "ROLLBACK Incompatible API usage PASSING"},
		"it is no custom resource": {calls: calls(classes, noon), change: to134, want: "Deprecated custom resource versions PASSING"},
		"kube-proxy of the future": {lists: lists{daemonSetsPath: {`{"metadata":{"namespace":"kube-system","name":"kube-proxy"},"spec":{"template":{"spec":{"containers":[{"image":"kube-proxy:v1.31.0"}]}}}}`}}, want: "ROLLBACK kube-proxy version rollback compatibility ERROR"},
		"old kube-proxy":           {lists: lists{daemonSetsPath: {`{"metadata":{"namespace":"kube-system","name":"kube-proxy"},"spec":{"template":{"spec":{"containers":[{"image":"r:5000/kube-proxy:v1.28.0@sha256:1"}]}}}}`}}, want: "kube-proxy version skew ERROR"},
		"Amazon Linux 2":           {lists: lists{nodesPath: kubelet("v1.31.4", "Amazon Linux 2")}, want: "Amazon Linux 2 compatibility WARNING"},
		"Amazon Linux 2023":        {lists: lists{nodesPath: kubelet("v1.31.4", "Amazon Linux 2023.5")}, want: "Amazon Linux 2 compatibility PASSING"},
		"a budget that blocks":     {lists: lists{budgetsPath: blocking, nodesPath: kubelet("v1.31.4", "")}, want: "Pod disruption budgets WARNING"},
		"a budget, but no nodes":   {lists: lists{budgetsPath: blocking}, want: "Pod disruption budgets PASSING"},
		"a budget without pods":    {lists: lists{budgetsPath: {`{` + meta + `,"status":{"disruptionsAllowed":0}}`}, nodesPath: kubelet("v1.31.4", "")}, want: "Pod disruption budgets PASSING"},
		"one replica":              {lists: lists{deploymentsPath: {`{` + meta + `,"spec":{"replicas":1}}`}}, want: "Single-replica workloads WARNING"},
		"a webhook without anyone": {lists: lists{validatingPath: webhook}, want: "Admission webhooks ERROR"},
		"a webhook with endpoints": {lists: lists{mutatingPath: webhook, slicesPath: {`{` + meta + `,"endpoints":[{"conditions":{"ready":true}}]}`}}, want: "Admission webhooks PASSING"},
		"issues of the cluster": {want: "ROLLBACK Cluster health issues ERROR", change: func(c *eks.Cluster) {
			c.Status.Health = []eks.HealthIssue{{Code: "Ec2SubnetNotFound", Message: "gone"}}
		}},
		"a hybrid node": {lists: lists{nodesPath: {`{` + meta + `,"status":{"conditions":[{"type":"Ready","status":"Unknown","message":"away"}]}}`}}, want: "Hybrid nodes not ready WARNING",
			change: func(c *eks.Cluster) { c.Spec.RemoteNetworks = &eks.RemoteNetworks{} }},
		"a field of the newer minor": {lists: lists{"/api/v1/pods": {`{` + meta + `,"spec":{"hostnameOverride":"cart"}}`}}, change: from134, want: "ROLLBACK Incompatible API usage ERROR"},
		"a pod of a controller": {lists: lists{"/api/v1/pods": {`{"metadata":{"name":"cart","ownerReferences":[{"controller":true}]},"spec":{"hostnameOverride":"cart"}}`}}, change: from134,
			want: "ROLLBACK Incompatible API usage PASSING"},
		"nothing upcoming":           {want: "UPGRADE Support calendar PASSING"},
		"an upgrade by the calendar": {coming: &eks.Upcoming{To: "1.32"}, want: "UPGRADE Support calendar WARNING"},
		"one that is blocked":        {coming: &eks.Upcoming{To: "1.32", Blocked: errors.New("not built")}, want: "UPGRADE Support calendar ERROR"},
		"what cannot be read":        {lists: lists{nodesPath: {`{"metadata":1}`}}, want: "UPGRADE Kubelet version skew UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster()
			if test.change != nil {
				test.change(c)
			}
			v := newView(c, noon, noon.Add(-recently), test.calls)
			v.client, v.store, v.addonVersions = test.lists.client(t), memstore.New(), func(string, string) []string { return nil }
			v.announced = func(*eks.Cluster) (eks.Upcoming, bool) {
				if test.coming == nil {
					return eks.Upcoming{}, false
				}
				return *test.coming, true
			}
			var got []string
			found, _ := v.run(t.Context(), true)
			for _, i := range found {
				category, _, _ := strings.Cut(i.Category, "_")
				got = append(got, category+" "+i.Name+" "+string(i.Status.Status))
				if i.ID == "" || i.Description == "" || i.Status.Reason == "" || i.Version == "" {
					t.Errorf("the insight lacks something: %+v", i)
				}
			}
			if all := strings.Join(got, "\n"); !strings.Contains(all, test.want) {
				t.Errorf("got\n%s\nwant %s", all, test.want)
			}
		})
	}
}

// As on EKS, the APIs that a minor removes are listed whether somebody calls them or not, those that are called first.
func TestUncalledAPIsAreListed(t *testing.T) {
	const classes = "/apis/flowcontrol.apiserver.k8s.io/v1beta3/prioritylevelconfigurations"
	for name, calls := range map[string]map[apiKey][]client{"nobody calls": nil, "somebody calls": {flowSchemas: {{"curl/8", 3, noon}}}} {
		v := newView(testCluster(), noon, noon, calls)
		f, err := deprecatedAPIs(v)[0].run(t.Context(), v)
		if err != nil || len(f.deprecations) != 2 || f.deprecations[0].Usage != flowSchemas.path() || f.deprecations[1].Usage != classes ||
			len(f.deprecations[0].Clients) != len(calls) || f.deprecations[1].Clients != nil || len(f.resources) != len(calls) {
			t.Errorf("%s: found %+v, %v", name, f, err)
		}
	}
}

// A server that starts counts what was called while it was away before it says what is called.
func TestFirstReconcileKnowsTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := filepath.Join(t.TempDir(), "audit.log")
		now := time.Now().UTC().Format(time.RFC3339Nano)
		if err := os.WriteFile(log, append(line("2026-10-01T12:00:00.123456Z", now), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		s := memstore.New()
		if _, err := eks.Clusters(s).Create(t.Context(), "prod", *testCluster()); err != nil {
			t.Fatal(err)
		}
		c := New(Deps{
			Store: s, Clock: &clock.Clock{}, Log: slog.New(slog.DiscardHandler), AuditLog: func(string) string { return log },
			Client: func(context.Context, string) (*kubeapi.Client, error) {
				return nil, errors.New("it does not serve yet")
			},
			AddonVersions: func(string, string) []string { return nil },
			Announced:     func(*eks.Cluster) (eks.Upcoming, bool) { return eks.Upcoming{}, false },
		}, func(string) {})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = c.Run(ctx) })
		synctest.Wait()
		if _, err := c.Reconcile(t.Context(), "prod"); err != nil {
			t.Fatal(err)
		}
		page, err := eks.Insights(s).List(t.Context(), store.ID("c1")+"/", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(page.Items, func(i store.Item[eks.Insight]) bool {
			return i.Value.Name == "Deprecated APIs removed in Kubernetes v1.32" && i.Value.Status.Status == eks.InsightError
		}) {
			t.Errorf("the calls are not among %+v", page.Items)
		}
		stop()
		running.Wait()
	})
}

// What an insight names fits into its record, whatever clients call themselves.
func TestInsightIsBounded(t *testing.T) {
	const apis, agents = 60, 300
	calls := map[apiKey][]client{}
	for n := range apis {
		key := apiKey{"shop.example.com", "v1", fmt.Sprint("carts", n)}
		for m := range agents {
			calls[key] = append(calls[key], client{fmt.Sprint(m) + strings.Repeat("\x01", 1000), 2, noon})
		}
	}
	v := newView(testCluster(), noon, noon, calls)
	f := v.usage(eks.InsightWarning, func(k apiKey) (eks.Deprecation, bool) { return eks.Deprecation{Usage: k.path()}, true }, nil)
	b, err := json.Marshal(f.deprecations)
	if err != nil || len(b) > 2*maxShownBytes || len(f.deprecations) != maxShownAPIs {
		t.Errorf("%d APIs in %d bytes, %v", len(f.deprecations), len(b), err)
	}
	for _, d := range f.deprecations {
		sum := 0
		for _, c := range d.Clients {
			sum += c.Requests
		}
		if last := d.Clients[len(d.Clients)-1]; sum != 2*agents || last.UserAgent != otherAgents || !last.LastAt.Equal(noon) {
			t.Fatalf("%s: %d requests, the last client is %+v", d.Usage, sum, last)
		}
	}
}

// Rollback insights are there for seven days after an upgrade.
func TestRollbackWindow(t *testing.T) {
	for days, want := range map[int]int{0: 5, 4: 5, 6: 0} {
		now := noon.AddDate(0, 0, days)
		if got := len(rollback(newView(testCluster(), now, now, nil))); got != want {
			t.Errorf("%d days later there are %d checks, want %d", days+2, got, want)
		}
	}
}
