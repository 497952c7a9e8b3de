package nodegroup

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"minato.dev/minato/cluster/kubeapi"
)

// fakeKube is a kube-apiserver that knows nodes, pods with evictions, and ConfigMaps: objects by path, merge patches, and the two
// selectors that are asked for.
type fakeKube struct {
	mu      sync.Mutex
	objects map[string]kubeapi.Object
	version int
	// held are the pods, as NAMESPACE/NAME, that a PodDisruptionBudget keeps.
	held map[string]bool
	// doubly are the pods that two PodDisruptionBudgets are about.
	doubly map[string]bool
	down   bool
	// noEvents has events fail. eventsPosted are those that did not.
	noEvents     bool
	eventsPosted int

	addr   string
	config *tls.Config
}

func newFakeKube(t *testing.T) *fakeKube {
	t.Helper()
	k := &fakeKube{objects: map[string]kubeapi.Object{}, held: map[string]bool{}, doubly: map[string]bool{}}
	server := httptest.NewTLSServer(k)
	t.Cleanup(server.Close)
	k.addr, k.config = server.Listener.Addr().String(), server.Client().Transport.(*http.Transport).TLSClientConfig
	return k
}

func (k *fakeKube) client() *kubeapi.Client { return kubeapi.New(k.addr, k.config.Clone()) }

func (k *fakeKube) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	body := kubeapi.Object{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	object, found := k.objects[r.URL.Path]
	switch {
	case k.noEvents && strings.HasSuffix(r.URL.Path, "/events"):
		http.Error(w, "no events", http.StatusInternalServerError)
	case k.down:
		http.Error(w, "down", http.StatusServiceUnavailable)
	case r.Method == http.MethodGet && !found && (strings.HasSuffix(r.URL.Path, "/nodes") || strings.HasSuffix(r.URL.Path, "/pods")):
		answer(w, k.list(r))
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/eviction"):
		k.evict(w, strings.TrimSuffix(r.URL.Path, "/eviction"))
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/binding"):
		k.objects[strings.TrimSuffix(r.URL.Path, "/binding")]["spec"].(kubeapi.Object)["nodeName"] = body["target"].(kubeapi.Object)["name"]
		answer(w, body)
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/apply-patch+yaml":
		k.put(r.URL.Path, body)
		answer(w, body)
	case r.Method == http.MethodPost:
		if strings.HasSuffix(r.URL.Path, "/events") {
			k.eventsPosted++
		}
		k.put(r.URL.Path+"/"+body["metadata"].(kubeapi.Object)["name"].(string), body)
		answer(w, body)
	case !found:
		http.Error(w, "not found", http.StatusNotFound)
	case r.Method == http.MethodDelete:
		delete(k.objects, r.URL.Path)
		answer(w, object)
	case r.Method == http.MethodPatch:
		k.patch(w, r.URL.Path, object, body)
	default:
		answer(w, object)
	}
}

// told are the messages of all events.
func (k *fakeKube) told() (messages []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for path, object := range k.objects {
		if strings.Contains(path, "/events/") {
			messages = append(messages, object["message"].(string))
		}
	}
	slices.Sort(messages)
	return messages
}

func (k *fakeKube) put(path string, object kubeapi.Object) {
	k.version++
	if object["metadata"] == nil {
		object["metadata"] = kubeapi.Object{}
	}
	object["metadata"].(kubeapi.Object)["resourceVersion"] = strconv.Itoa(k.version)
	k.objects[path] = object
}

func (k *fakeKube) patch(w http.ResponseWriter, path string, object, patch kubeapi.Object) {
	metadata, _ := patch["metadata"].(kubeapi.Object)
	if want, ok := metadata["resourceVersion"]; ok && want != object["metadata"].(kubeapi.Object)["resourceVersion"] {
		http.Error(w, "conflict", http.StatusConflict)
		return
	}
	k.put(path, merge(object, patch))
	answer(w, object)
}

// merge is a JSON merge patch (RFC 7386).
func merge(object, patch kubeapi.Object) kubeapi.Object {
	for key, value := range patch {
		inner, isObject := value.(kubeapi.Object)
		switch {
		case value == nil:
			delete(object, key)
		case isObject:
			old, _ := object[key].(kubeapi.Object)
			if old == nil {
				old = kubeapi.Object{}
			}
			object[key] = merge(old, inner)
		default:
			object[key] = value
		}
	}
	return object
}

func (k *fakeKube) evict(w http.ResponseWriter, path string) {
	pod, ok := k.objects[path]
	metadata, _ := pod["metadata"].(kubeapi.Object)
	name := fmt.Sprintf("%v/%v", metadata["namespace"], metadata["name"])
	switch {
	case !ok:
		http.Error(w, "not found", http.StatusNotFound)
	case k.doubly[name]:
		w.WriteHeader(http.StatusInternalServerError)
		answer(w, kubeapi.Object{"kind": "Status", "reason": "InternalError", "message": "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."})
	case k.held[name]:
		http.Error(w, "Cannot evict pod as it would violate the pod's disruption budget.", http.StatusTooManyRequests)
	default:
		delete(k.objects, path)
		answer(w, kubeapi.Object{})
	}
}

func (k *fakeKube) list(r *http.Request) kubeapi.Object {
	items := []any{}
	for _, path := range slices.Sorted(maps.Keys(k.objects)) {
		object := k.objects[path]
		if strings.HasSuffix(r.URL.Path, "/nodes") && strings.HasPrefix(path, nodesPath+"/") {
			key, value, selecting := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
			labels, _ := object["metadata"].(kubeapi.Object)["labels"].(kubeapi.Object)
			if !selecting || labels[key] == value {
				items = append(items, object)
			}
		}
		if strings.HasSuffix(r.URL.Path, "/pods") && strings.Contains(path, "/pods/") {
			field, want, _ := strings.Cut(r.URL.Query().Get("fieldSelector"), "=")
			if object["spec"].(kubeapi.Object)[strings.TrimPrefix(field, "spec.")] == want {
				items = append(items, object)
			}
		}
	}
	return kubeapi.Object{"metadata": kubeapi.Object{"resourceVersion": strconv.Itoa(k.version)}, "items": items}
}

func answer(w http.ResponseWriter, object any) { _ = json.NewEncoder(w).Encode(object) }

// addNode makes a node that is Ready.
func (k *fakeKube) addNode(name string, labels map[string]string, taints []any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := kubeapi.Object{}
	for key, value := range labels {
		all[key] = value
	}
	k.put(nodesPath+"/"+name, kubeapi.Object{
		"metadata": kubeapi.Object{"name": name, "labels": all}, "spec": kubeapi.Object{"taints": taints},
		"status": kubeapi.Object{"conditions": []any{kubeapi.Object{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T12:00:00Z"}}},
	})
}

// setReady sets a node's Ready condition.
func (k *fakeKube) setReady(name, status string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.objects[nodesPath+"/"+name]["status"] = kubeapi.Object{
		"conditions": []any{kubeapi.Object{"type": "Ready", "status": status, "lastTransitionTime": "2026-11-23T12:00:00Z"}},
	}
}

// addPod makes a pod on a node; owner is the kind of its controller, if any.
func (k *fakeKube) addPod(node, name, owner string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	metadata := kubeapi.Object{"name": name, "namespace": "default", "uid": name}
	if owner != "" {
		metadata["ownerReferences"] = []any{kubeapi.Object{"kind": owner, "controller": true}}
	}
	k.put("/api/v1/namespaces/default/pods/"+name, kubeapi.Object{
		"metadata": metadata, "spec": kubeapi.Object{"nodeName": node}, "status": kubeapi.Object{"phase": "Running"},
	})
}

func (k *fakeKube) remove(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.objects, path)
}

// get is a copy of an object, nil where there is none.
func (k *fakeKube) get(path string) kubeapi.Object {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, _ := json.Marshal(k.objects[path])
	var copied kubeapi.Object
	_ = json.Unmarshal(b, &copied)
	return copied
}

// nodes are the names of the nodes.
func (k *fakeKube) nodes() (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(k.objects)) {
		if name, ok := strings.CutPrefix(path, nodesPath+"/"); ok {
			names = append(names, name)
		}
	}
	return names
}
