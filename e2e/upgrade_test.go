package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"minato.dev/minato/internal/testenv"
)

// TestUpgrade takes a cluster from 1.35 to 1.36 and back again, under a client that writes and reads all the time and one that
// watches. They retry what never got an answer, as client-go does; everything that is answered must be a success, and the
// watch, which is taken up where it ended, must tell of each write once.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	admin := e.Admin(t)
	k := createCluster(t, admin, "upgrade", "--kubernetes-version", "1.35")
	k.write(t, "before", "1.35")
	for target, texts := range map[string][]string{
		"1.34": {"InvalidParameterException", "Unsupported Kubernetes minor version update from 1.35 to 1.34"},
		"1.35": {"InvalidParameterException", "Unsupported Kubernetes minor version update from 1.35 to 1.35"},
		"1.37": {"InvalidParameterException", "Unsupported Kubernetes minor version update from 1.35 to 1.37"},
		"9":    {"InvalidParameterException", `unsupported Kubernetes version "9"`},
	} {
		admin.RefusedAWS(t, texts, "eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", target)
	}
	k.ghost(t, "v1.32.1")
	admin.RefusedAWS(t, []string{"InvalidParameterException", "Nodes ghost (v1.32.1) have kubelets"}, "eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", "1.36")
	k.refresh(t)
	k.sees(t, map[string]string{"Kubelet version skew": "ERROR"})
	k.kubectl(t, "delete", "node", "ghost")

	load := startLoad(t, k)
	for _, step := range []struct{ to, kind string }{{"1.36", "VersionUpdate"}, {"1.35", "VersionRollback"}} {
		began := time.Now()
		u := k.changeVersion(t, step.to)
		if u.Type != step.kind || u.param("Version") != step.to || !strings.HasPrefix(u.param("PlatformVersion"), "eks.") {
			t.Errorf("the update to %s is %+v, want a %s", step.to, u, step.kind)
		}
		admin.RefusedAWS(t, []string{"ResourceInUseException", "in progress"}, "eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", "1.36")
		k.waitActive(t)
		t.Logf("to %s took %s", step.to, time.Since(began))
		if u = k.versionUpdate(t, u.ID); u.Status != "Successful" {
			t.Fatalf("the update to %s is %+v, want Successful", step.to, u)
		}
		if got := admin.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.version", "--output", "text"); got != step.to {
			t.Errorf("the cluster's version is %s, want %s", got, step.to)
		}
		if got := k.kubectl(t, "get", "--raw", "/version"); !strings.Contains(got, `"v`+step.to) {
			t.Errorf("kube-apiserver says it is %s, want %s", got, step.to)
		}
		k.holds(t, "before", "1.35")
		if step.to == "1.36" {
			k.usesNewer(t)
		}
	}
	load.finish(t)
	admin.RefusedAWS(t, []string{"InvalidParameterException", "from 1.35 to 1.34"}, "eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", "1.34")
	k.delete(t)
}

// ofNewer are an API and a field that came with 1.36, and a custom resource with a deprecated version.
const ofNewer = `
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: of-1-36}
spec: {extendedResourceName: example.com/device}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: of-1-36}
spec:
  reinvocationPolicy: Never
  matchConstraints: {resourceRules: [{apiGroups: [test.example], apiVersions: [v1], resources: [none], operations: [CREATE]}]}
  mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: "Object{}"}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, listKind: BoatList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v1beta1, served: true, storage: false, deprecated: true, schema: {openAPIV3Schema: {type: object}}}
`

// usesNewer has a client of a cluster on 1.36 call a custom resource's deprecated version, and use what 1.35 does not have: the one is an
// upgrade insight, and the other keeps the cluster from going back until it is mended.
func (k *cluster) usesNewer(t *testing.T) {
	t.Helper()
	manifest := k.file(t, ofNewer)
	k.kubectl(t, "apply", "-f", manifest)
	testenv.Eventually(t, func() error { // a custom resource that is new is not served at once
		if r := k.client.TryKubectl(t, k.config, "get", "boats.v1beta1.shop.example.com"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	k.sees(t, map[string]string{oldCarts: "WARNING"})
	found := k.seesIn(t, "ROLLBACK_READINESS", map[string]string{"Incompatible API usage": "ERROR", "Kubelet version rollback compatibility": "PASSING"})
	testenv.Eventually(t, func() error {
		resources := k.describeInsight(t, found["Incompatible API usage"].ID).Resources
		for _, want := range []string{
			"/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/of-1-36", "/apis/resource.k8s.io/v1/deviceclasses/of-1-36",
		} {
			if !slices.ContainsFunc(resources, func(r struct{ KubernetesResourceURI string }) bool { return r.KubernetesResourceURI == want }) {
				return fmt.Errorf("the resources are %+v, want %s among them", resources, want)
			}
		}
		return nil
	})
	k.client.AWS(t, "eks", "create-addon", "--cluster-name", k.name, "--addon-name", "kube-proxy", "--resolve-conflicts", "OVERWRITE") // of 1.36
	k.addonIs(t, "kube-proxy", "ACTIVE", "")
	back := []string{"eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", "1.35"}
	k.client.RefusedAWS(t, []string{"InvalidStateException", "Rollback readiness issues detected: EKS add-on version rollback compatibility, Incompatible API usage, kube-proxy version rollback compatibility."}, back...)
	k.client.AWS(t, "eks", "delete-addon", "--cluster-name", k.name, "--addon-name", "kube-proxy")
	k.client.AWS(t, "eks", "wait", "addon-deleted", "--cluster-name", k.name, "--addon-name", "kube-proxy")
	k.kubectl(t, "delete", "-f", manifest)
	k.ghost(t, "v1.36.0")
	k.client.RefusedAWS(t, []string{"InvalidParameterException", "Nodes ghost (v1.36.0) have kubelets newer than 1.35"}, back...)
	k.kubectl(t, "delete", "node", "ghost")
}

// versionUpdate is an update as the AWS CLI shows it.
type versionUpdate struct {
	ID, Status, Type string
	Params           []struct{ Type, Value string }
	Errors           []struct{ ErrorCode, ErrorMessage string }
}

func (u versionUpdate) param(name string) string {
	for _, p := range u.Params {
		if p.Type == name {
			return p.Value
		}
	}
	return ""
}

func parseUpdate(t *testing.T, answer string) versionUpdate {
	t.Helper()
	var out struct{ Update versionUpdate }
	if err := json.Unmarshal([]byte(answer), &out); err != nil {
		t.Fatal(err)
	}
	return out.Update
}

func (k *cluster) changeVersion(t *testing.T, to string) versionUpdate {
	t.Helper()
	return parseUpdate(t, k.client.AWS(t, "eks", "update-cluster-version", "--name", k.name, "--kubernetes-version", to))
}

func (k *cluster) versionUpdate(t *testing.T, id string) versionUpdate {
	t.Helper()
	return parseUpdate(t, k.client.AWS(t, "eks", "describe-update", "--name", k.name, "--update-id", id))
}

// load is what clients do while a cluster changes under them.
type load struct {
	api               *kubeAPI
	stop, stopWriting context.CancelFunc
	done              sync.WaitGroup

	written, retries, watches atomic.Int64
	mu                        sync.Mutex
	seen                      map[string]int
	failures                  []string
}

const loadPath = "/api/v1/namespaces/default/configmaps"

func startLoad(t *testing.T, k *cluster) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	writing, stopWriting := context.WithCancel(ctx)
	l := &load{api: newKubeAPI(t, k, getToken(t, k.client, k.name)), stop: stop, stopWriting: stopWriting, seen: map[string]int{}}
	t.Cleanup(func() { stop(); l.done.Wait() })
	_, list, err := l.api.do(ctx, http.MethodGet, loadPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	version, err := resourceVersion(list)
	if err != nil {
		t.Fatal(err)
	}
	l.done.Go(func() { l.write(writing) })
	l.done.Go(func() { l.watch(ctx, version) })
	return l
}

func resourceVersion(object []byte) (string, error) {
	var o struct {
		Metadata struct{ ResourceVersion string }
	}
	err := json.Unmarshal(object, &o)
	return o.Metadata.ResourceVersion, err
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Sprintf(format, args...))
}

// write makes ConfigMaps and reads each of them back.
func (l *load) write(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("load-%d", i)
		object := map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "labels": map[string]string{"load": "yes"}},
		}
		if l.retry(ctx, http.MethodPost, loadPath, object, http.StatusCreated, http.StatusConflict) {
			l.written.Add(1)
			l.retry(ctx, http.MethodGet, loadPath+"/"+name, nil, http.StatusOK, http.StatusOK)
		}
		<-tick.C
	}
}

// retry makes a request until it is answered. A write that was repeated may find its own object.
func (l *load) retry(ctx context.Context, method, path string, in any, want, repeated int) bool {
	for attempt := 0; attempt == 0 || ctx.Err() == nil; attempt++ {
		status, body, err := l.api.do(context.WithoutCancel(ctx), method, path, in)
		switch {
		case err != nil:
			l.retries.Add(1)
			continue
		case status == want, attempt > 0 && status == repeated:
			return true
		}
		l.fail("%s %s: %d %s", method, path, status, body)
		return false
	}
	return false
}

// watch follows the ConfigMaps from a version on, and again from where a watch has ended.
func (l *load) watch(ctx context.Context, version string) {
	for ctx.Err() == nil {
		next, err := l.watchOnce(ctx, version)
		if next != "" {
			version = next
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errWatchEnded) {
			l.fail("watch from %s: %v", version, err)
			return
		}
		l.watches.Add(1)
	}
}

// errWatchEnded is how a watch ends that can be taken up again.
var errWatchEnded = errors.New("the watch has ended")

func (l *load) watchOnce(ctx context.Context, version string) (last string, err error) {
	query := url.Values{"watch": {"1"}, "resourceVersion": {version}, "labelSelector": {"load=yes"}, "allowWatchBookmarks": {"true"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.api.endpoint+loadPath+"?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+l.api.token)
	client := *l.api.client
	client.Timeout = 0
	resp, err := client.Do(req)
	if err != nil {
		return "", errWatchEnded
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return "", fmt.Errorf("%d %s", resp.StatusCode, body)
	}
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return last, errWatchEnded
		}
		var event struct {
			Type   string
			Object struct {
				Metadata struct{ Name, ResourceVersion string }
				Code     int
				Message  string
			}
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return last, err
		}
		switch event.Type {
		case "ERROR":
			return last, fmt.Errorf("%d %s", event.Object.Code, event.Object.Message)
		case "ADDED":
			l.mu.Lock()
			l.seen[event.Object.Metadata.Name]++
			l.mu.Unlock()
		}
		last = event.Object.Metadata.ResourceVersion
	}
}

// finish ends the load and holds it to what it saw.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.stopWriting()
	testenv.Eventually(t, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if seen, written := len(l.seen), int(l.written.Load()); seen < written {
			return fmt.Errorf("the watch has told of %d writes out of %d", seen, written)
		}
		return nil
	})
	l.stop()
	l.done.Wait()
	t.Logf("%d writes, %d retries, %d watches", l.written.Load(), l.retries.Load(), l.watches.Load())
	if l.written.Load() == 0 {
		t.Error("nothing was written")
	}
	for _, failure := range l.failures {
		t.Error("a request failed: ", failure)
	}
	for name, times := range l.seen {
		if times != 1 {
			t.Errorf("the watch told %d times of %s", times, name)
		}
	}
}
