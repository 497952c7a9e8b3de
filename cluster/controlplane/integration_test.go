package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/pki"
	"minato.dev/minato/service/eks"
)

// TestControlPlane takes one real cluster from nothing to ACTIVE, through a crash of the server, a new generation and a
// rotation of its certificates, to nothing.
func TestControlPlane(t *testing.T) {
	w := newWorld(t)
	id := w.create(t, "prod", "1.35")
	w.reconcile(t, id, eks.ClusterActive)
	c := w.cluster(t, id)
	admin := w.client(t, id)

	token := w.compact(t, admin)
	t.Run("anonymous reaches health paths only", func(t *testing.T) { w.testAnonymous(t, c) })
	t.Run("unknown token", func(t *testing.T) { w.testUnknownToken(t, c) })
	t.Run("Secrets are encrypted", func(t *testing.T) { w.testSecrets(t, admin, c.ID) })
	t.Run("kubernetes Service", func(t *testing.T) { testServiceEndpoints(t, admin, c) })
	t.Run("tokens", func(t *testing.T) { w.testTokens(t, admin, c) })
	t.Run("audit", func(t *testing.T) { w.testAudit(t, c) })
	t.Run("files", func(t *testing.T) { w.testFiles(t, c) })
	t.Run("compacted history", func(t *testing.T) { testCompacted(t, admin, token) })
	t.Run("adoption", func(t *testing.T) { w.testAdoption(t, id) })
	w.signsSince(t, id, time.Now().Add(authorityValidity)) // this is about certificates
	t.Run("rotation", func(t *testing.T) { w.testRotation(t, id) })
	t.Run("next generation", func(t *testing.T) { w.testNextGeneration(t, id) })
	t.Run("killed upgrades", func(t *testing.T) { w.testKilledUpgrades(t, id, someKills) })
	t.Run("signing key", func(t *testing.T) { w.testSigningKey(t, id) })
	t.Run("delete", func(t *testing.T) { w.testDelete(t, id) })
}

// compact compacts history as Minato does, and gives the continue token of a list that began before.
func (w *world) compact(t *testing.T, admin *api) (token string) {
	t.Helper()
	client, err := etcd.Connect(w.pki.Target(etcd.Root, loopback(w.etcdPort)))
	must(t, err)
	defer func() { must(t, client.Close()) }()
	const path = "/api/v1/namespaces"
	page, err := admin.Do(t.Context(), http.MethodGet, path+"?limit=1", nil)
	must(t, err)
	var list struct{ Metadata struct{ Continue string } }
	must(t, json.Unmarshal(page, &list))
	_, err = admin.Do(t.Context(), http.MethodPost, path, doc{"apiVersion": "v1", "kind": "Namespace", "metadata": doc{"name": "later"}})
	must(t, err)
	written, err := client.Get(t.Context(), "compact_rev_key")
	must(t, err)
	revision := written.Header.Revision
	_, err = client.Put(t.Context(), "compact_rev_key", strconv.FormatInt(revision, 10))
	must(t, err)
	_, err = client.Compact(t.Context(), revision)
	must(t, err)
	return list.Metadata.Continue
}

// testCompacted is that kube-apiserver does not go on with a list from before the history that there is, out of its cache. It looks
// every 15 s how far history has been compacted.
func testCompacted(t *testing.T, admin *api, token string) {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		_, err := admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces?limit=1&continue="+url.QueryEscape(token), nil)
		if kubeapi.Status(err) == http.StatusGone {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the next page: %v, want that its token has expired", err)
		}
		<-time.After(200 * time.Millisecond)
	}
}

// testAnonymous asks without a credential.
func (w *world) testAnonymous(t *testing.T, c eks.Cluster) {
	client := anonymousClient(t, c)
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/healthz": 200,
		"/version": 401, "/api": 401, "/metrics": 401, "/openid/v1/jwks": 401, "/api/v1/namespaces/default/secrets": 401, "/": 401,
	} {
		resp, err := client.Get(c.Status.Endpoint + path)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("GET %s without a credential: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// anonymousClient trusts what DescribeCluster says to trust.
func anonymousClient(t *testing.T, c eks.Cluster) *http.Client {
	t.Helper()
	ca, err := base64.StdEncoding.DecodeString(c.Status.CAData)
	must(t, err)
	authority, err := pki.ParseCert(ca)
	must(t, err)
	pool := (&pki.Authority{Cert: authority}).Pool()
	client := kubeapi.HTTPClient(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func (w *world) testUnknownToken(t *testing.T, c eks.Cluster) {
	before := w.reviews.Load()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Status.Endpoint+"/api", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer k8s-aws-v1.bm9ib2R5")
	resp, err := anonymousClient(t, c).Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unknown token gets %d, want 401", resp.StatusCode)
	}
	if w.reviews.Load() == before {
		t.Error("kube-apiserver has not asked the webhook")
	}
}

func (w *world) testSecrets(t *testing.T, admin *api, clusterID string) {
	const plain = "the cat is in the harbour"
	_, err := admin.Do(t.Context(), http.MethodPost, "/api/v1/namespaces/default/secrets", doc{
		"apiVersion": "v1", "kind": "Secret", "metadata": doc{"name": "cat"}, "stringData": doc{"where": plain},
	})
	must(t, err)
	got, err := admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/default/secrets/cat", nil)
	must(t, err)
	if !bytes.Contains(got, []byte(base64.StdEncoding.EncodeToString([]byte(plain)))) {
		t.Errorf("the Secret comes back as %s", got)
	}
	entry, err := w.store.Get(t.Context(), EtcdPrefix(clusterID)+"/secrets/default/cat")
	must(t, err)
	if bytes.Contains(entry.Value, []byte(plain)) || !bytes.HasPrefix(entry.Value, []byte("k8s:enc:secretbox:v1:key1:")) {
		t.Errorf("in etcd the Secret is %q", entry.Value)
	}
}

func testServiceEndpoints(t *testing.T, admin *api, c eks.Cluster) {
	slice, err := admin.Do(t.Context(), http.MethodGet, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", nil)
	must(t, err)
	var list struct {
		Items []struct {
			Endpoints []struct{ Addresses []string }
			Ports     []struct{ Port int }
		}
	}
	must(t, json.Unmarshal(slice, &list))
	if len(list.Items) != 1 || list.Items[0].Endpoints[0].Addresses[0] != "192.0.2.1" ||
		!strings.HasSuffix(c.Status.Endpoint, fmt.Sprintf(":%d", list.Items[0].Ports[0].Port)) {
		t.Errorf("endpoint slices of namespace default: %+v, want one with 192.0.2.1 and the port of %s", list.Items, c.Status.Endpoint)
	}
	if service, err := admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/default/services/kubernetes", nil); err != nil || !bytes.Contains(service, []byte("10.100.0.1")) {
		t.Errorf("the kubernetes Service: %s, %v", service, err)
	}
}

// testTokens checks a ServiceAccount token against the key that discovery would publish.
func (w *world) testTokens(t *testing.T, admin *api, c eks.Cluster) {
	answer, err := admin.Do(t.Context(), http.MethodPost, "/api/v1/namespaces/default/serviceaccounts/default/token", doc{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": doc{},
	})
	must(t, err)
	var token struct{ Status struct{ Token string } }
	must(t, json.Unmarshal(answer, &token))
	part := func(i int) string {
		b, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Status.Token, ".")[i])
		must(t, err)
		return string(b)
	}
	issuer, keys, err := SigningKeys(t.Context(), w.store, c.ID)
	must(t, err)
	if !strings.Contains(part(0), `"kid":"`+keys[0].KeyID+`"`) || !strings.Contains(part(0), `"alg":"RS256"`) {
		t.Errorf("header %s, want kid %s and RS256", part(0), keys[0].KeyID)
	}
	if !strings.Contains(part(1), `"iss":"`+issuer+`"`) || !strings.Contains(part(1), `"aud":["`+apiAudience+`"]`) || issuer != c.Status.Issuer {
		t.Errorf("claims %s, want issuer %s and audience %s", part(1), issuer, apiAudience)
	}
}

func (w *world) testAudit(t *testing.T, c eks.Cluster) {
	b, err := os.ReadFile(filepath.Join(LogDir(w.home, c.ID), "audit.log"))
	must(t, err)
	if !bytes.Contains(b, []byte(`"level":"Metadata"`)) || !bytes.Contains(b, []byte(`"name":"cat"`)) {
		t.Error("the audit log does not tell of the Secret")
	}
	if bytes.Contains(b, []byte("the cat is in the harbour")) || bytes.Contains(b, []byte("requestObject")) {
		t.Error("the audit log holds bodies")
	}
}

// testFiles is that a cluster's processes run as themselves and can read their files, and that nobody but us can change them.
func (w *world) testFiles(t *testing.T, c eks.Cluster) {
	uid, folder, file := uint32(os.Geteuid()), os.FileMode(0o700), os.FileMode(0o600)
	if uid == 0 {
		item, err := Records(w.store).Get(t.Context(), c.ID)
		must(t, err)
		uid, folder, file = item.Value.UID, 0o750, 0o640
	}
	must(t, filepath.Walk(string(newRunDir(w.home, c.ID)), func(path string, info os.FileInfo, err error) error {
		want, stat := file, info.Sys().(*syscall.Stat_t)
		if info.IsDir() {
			want = folder
		}
		if got := info.Mode().Perm(); got != want || int(stat.Uid) != os.Geteuid() || folder != 0o700 && stat.Gid != uid {
			t.Errorf("%s has mode %o, owner %d and group %d, want %o, ourselves and %d", path, got, stat.Uid, stat.Gid, want, uid)
		}
		return err
	}))
	for name, pid := range w.pids() {
		info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		must(t, err)
		if got := info.Sys().(*syscall.Stat_t).Uid; got != uid {
			t.Errorf("%s runs as %d, want %d", name, got, uid)
		}
	}
}

// testAdoption has another server take over: no process may notice.
func (w *world) testAdoption(t *testing.T, id string) {
	before := w.pids()
	w.restart(t)
	must(t, w.controller.StopLeftovers(t.Context()))
	w.pass(t, id)
	after := w.pids()
	if len(after) != 3 {
		t.Errorf("processes %v, want three", after)
	}
	for name, pid := range before {
		if after[name] != pid {
			t.Errorf("%s was pid %d and is %d", name, pid, after[name])
		}
	}
}

// testRotation moves Minato's clock until the certificates fall due: kube-apiserver takes up the new one by itself.
func (w *world) testRotation(t *testing.T, id string) {
	c := w.cluster(t, id)
	serial := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(c.Status.Endpoint, "https://"), anonymousClient(t, c).Transport.(*http.Transport).TLSClientConfig)
		must(t, err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before, pids := serial(), w.pids()
	w.clock.SetOffset(leafValidity - renewBefore + time.Hour)
	w.pass(t, id)
	w.pass(t, id) // the new ones are good by the same clock
	until(t, "the new certificate", func() error {
		if serial() == before {
			return errors.New("kube-apiserver shows the old certificate")
		}
		return nil
	})
	for name, pid := range w.pids() {
		if pids[name] != pid {
			t.Errorf("%s was restarted", name)
		}
	}
}

// testNextGeneration changes an argument while a client goes on asking.
func (w *world) testNextGeneration(t *testing.T, id string) {
	c := w.cluster(t, id)
	ctx, stop := context.WithCancel(t.Context())
	failures := make(chan error, 1)
	go func() {
		client := anonymousClient(t, c)
		var failed error
		for ctx.Err() == nil {
			client.CloseIdleConnections() // as a new client comes
			resp, err := client.Get(c.Status.Endpoint + "/livez")
			if err != nil {
				failed = err
				continue
			}
			_ = resp.Body.Close()
		}
		failures <- failed
	}()
	w.settings.EtcdEndpoints = []string{fmt.Sprintf("https://localhost:%d", w.etcdPort)}
	w.deps.Settings = w.settings
	w.controller = New(w.deps)
	w.pass(t, id)
	stop()
	if err := <-failures; err != nil {
		t.Errorf("a new connection failed while the generation changed: %v", err)
	}
	item, err := Records(w.store).Get(t.Context(), c.ID)
	must(t, err)
	if item.Value.Active.Number != 2 || item.Value.Next != nil {
		t.Errorf("active generation %+v, next %v, want 2 and none", item.Value.Active, item.Value.Next)
	}
	if after := w.cluster(t, id); after.Status.Endpoint != c.Status.Endpoint {
		t.Errorf("the endpoint moved from %s to %s", c.Status.Endpoint, after.Status.Endpoint)
	}
	for name := range w.pids() {
		if !strings.HasSuffix(name, "-2") {
			t.Errorf("%s still runs", name)
		}
	}
	if _, err := w.client(t, id).Do(t.Context(), http.MethodGet, "/api/v1/namespaces/default/secrets/cat", nil); err != nil {
		t.Errorf("the Secret after the change: %v", err)
	}
}

func (w *world) testDelete(t *testing.T, id string) {
	c := w.cluster(t, id)
	_, err := eks.Clusters(w.store).Modify(t.Context(), id, func(c *eks.Cluster) error { return c.Transition(eks.ClusterDeleting, eks.ByAPI) })
	must(t, err)
	w.reconcile(t, id, "")
	for _, prefix := range []string{EtcdPrefix(c.ID), RecordsPrefix, UIDClaimsPrefix, PortClaimsPrefix, eks.ClustersPrefix, "/minato/routes/"} {
		if keys := w.keys(t, prefix); len(keys) > 0 {
			t.Errorf("left in etcd: %v", keys)
		}
	}
	if pids := w.pids(); len(pids) > 0 {
		t.Errorf("left running: %v", pids)
	}
	for _, dir := range []string{string(newRunDir(w.home, c.ID)), LogDir(w.home, c.ID)} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("left on disk: %s", dir)
		}
	}
	if _, deleted := w.deletedGroups.Load("sg-1"); !deleted {
		t.Error("the security group was not removed")
	}
}

// TestCreateKilled kills a real process of a cluster that is being created, over and over: the cluster becomes ACTIVE all the same.
func TestCreateKilled(t *testing.T) {
	w := newWorld(t)
	id := w.create(t, "prod", "1.35")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int)
	cancel := w.supervisor.Subscribe(func(string) {})
	defer cancel()
	go func() {
		kills := 0
		for tick := time.NewTicker(300 * time.Millisecond); ctx.Err() == nil && kills < 3; {
			<-tick.C
			for _, st := range w.supervisor.List() {
				if st.State == supervisor.Starting && st.PID > 0 && syscall.Kill(st.PID, syscall.SIGKILL) == nil {
					kills++
					break
				}
			}
		}
		done <- kills
	}()
	w.reconcile(t, id, eks.ClusterActive)
	stop()
	if kills := <-done; kills == 0 {
		t.Error("nothing was killed: the test shows nothing")
	}
	must(t, func() error { _, err := w.client(t, id).Do(t.Context(), http.MethodGet, "/readyz", nil); return err }())
}

// until waits for what happens by itself.
func until(t *testing.T, what string, probe func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	must(t, poll(ctx, what, func(context.Context) error { return probe() }))
}
