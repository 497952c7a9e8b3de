package simulated

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"minato.dev/minato/cluster/kubeapi"
)

// fakeCluster answers as a kube-apiserver does, as far as a fleet asks one: it keeps nodes, and tells watches of them.
type fakeCluster struct {
	server *httptest.Server

	mu       sync.Mutex
	version  int
	nodes    map[string]doc
	watchers map[chan kubeapi.Event]bool
	granted  map[string]bool // paths of RBAC objects
	pods     []doc           // of whichever node is asked for
	touched  []string        // paths of pods whose status was patched, with the patch
}

func newFakeCluster(t *testing.T) *fakeCluster {
	f := &fakeCluster{nodes: map[string]doc{}, watchers: map[chan kubeapi.Event]bool{}, granted: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes", f.list)
	mux.HandleFunc("POST /api/v1/nodes", f.post)
	mux.HandleFunc("GET /api/v1/nodes/{name}", f.get)
	mux.HandleFunc("DELETE /api/v1/nodes/{name}", f.remove)
	mux.HandleFunc("GET "+podsPath, f.listPods)
	mux.HandleFunc("PATCH /api/v1/namespaces/{namespace}/pods/{name}/status", f.touch)
	mux.HandleFunc("PATCH "+rbacPath, f.grant)
	mux.HandleFunc("DELETE "+rbacPath, f.grant)
	f.server = httptest.NewTLSServer(mux)
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

func (f *fakeCluster) client() *kubeapi.Client {
	return kubeapi.New(strings.TrimPrefix(f.server.URL, "https://"), &tls.Config{RootCAs: f.server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
}

func (f *fakeCluster) list(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("watch") {
		f.mu.Lock()
		defer f.mu.Unlock()
		items := []doc{}
		for _, n := range f.nodes {
			items = append(items, n)
		}
		_ = json.NewEncoder(w).Encode(doc{"metadata": doc{"resourceVersion": fmt.Sprint(f.version)}, "items": items})
		return
	}
	events := make(chan kubeapi.Event, 1000)
	f.mu.Lock()
	if r.URL.Query().Get("resourceVersion") != fmt.Sprint(f.version) {
		f.mu.Unlock()
		http.Error(w, "too old", http.StatusGone) // the client lists again
		return
	}
	f.watchers[events] = true
	f.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case e := <-events:
			_ = json.NewEncoder(w).Encode(e)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.watchers, events)
			return
		}
	}
}

func (f *fakeCluster) listPods(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = json.NewEncoder(w).Encode(doc{"metadata": doc{"resourceVersion": "1"}, "items": f.pods})
}

func (f *fakeCluster) touch(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touched = append(f.touched, r.PathValue("name")+" "+string(body))
	if strings.HasPrefix(r.PathValue("name"), "gone") {
		http.NotFound(w, r)
	}
}

func (f *fakeCluster) tell(kind string, object doc) {
	b, _ := json.Marshal(object)
	f.version++
	for w := range f.watchers {
		w <- kubeapi.Event{Type: kind, Object: b}
	}
}

func nameOf(object doc) string { return object["metadata"].(doc)["name"].(string) }

func (f *fakeCluster) post(w http.ResponseWriter, r *http.Request) {
	var object doc
	_ = json.NewDecoder(r.Body).Decode(&object)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, exists := f.nodes[nameOf(object)]; exists {
		http.Error(w, "exists", http.StatusConflict)
		return
	}
	f.nodes[nameOf(object)] = object
	f.tell("ADDED", object)
	w.WriteHeader(http.StatusCreated)
}

func (f *fakeCluster) get(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	object, exists := f.nodes[r.PathValue("name")]
	if !exists {
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(object)
}

func (f *fakeCluster) remove(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	object, exists := f.nodes[r.PathValue("name")]
	if !exists {
		http.NotFound(w, r)
		return
	}
	delete(f.nodes, r.PathValue("name"))
	f.tell("DELETED", object)
}

func (f *fakeCluster) grant(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodDelete {
		delete(f.granted, r.URL.Path)
	} else {
		f.granted[r.URL.Path] = true
	}
}

// ready is what kwok does: it says that every node is Ready, and goes on until ctx ends.
func (f *fakeCluster) playKwok(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, object := range f.nodes {
		f.makeReady(object)
	}
	events := make(chan kubeapi.Event, 1000)
	f.watchers[events] = true
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-events:
				if e.Type == "ADDED" {
					var object doc
					_ = json.Unmarshal(e.Object, &object)
					f.mu.Lock()
					f.makeReady(object)
					f.mu.Unlock()
				}
			}
		}
	}()
}

func (f *fakeCluster) makeReady(object doc) {
	if _, exists := f.nodes[nameOf(object)]; !exists {
		return
	}
	object["status"].(doc)["conditions"] = []any{doc{"type": "Ready", "status": "True"}}
	f.nodes[nameOf(object)] = object
	f.tell("MODIFIED", object)
}

func (f *fakeCluster) count() (nodes, rights int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.nodes), len(f.granted)
}
