package scan

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/cluster/kubeapi"
)

// packed is a release as Helm's driver for Secrets stores it, in the base64 of JSON once more.
func packed(t *testing.T, release any) string {
	t.Helper()
	text, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(b.Bytes())))
}

func TestCluster(t *testing.T) {
	t.Parallel()
	old := "apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nmetadata: {name: "
	answers := map[string]string{
		"/apis/flowcontrol.apiserver.k8s.io": `{"versions":[{"groupVersion":"flowcontrol.apiserver.k8s.io/v1"},{"groupVersion":"flowcontrol.apiserver.k8s.io/v1beta3"}],
			"preferredVersion":{"groupVersion":"flowcontrol.apiserver.k8s.io/v1"}}`,
		"/apis/flowcontrol.apiserver.k8s.io/v1": `{"resources":[{"name":"flowschemas","kind":"FlowSchema","verbs":["get","list"]},{"name":"flowschemas/status"}]}`,
		"/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas": `{"items":[
			{"metadata":{"name":"applied","annotations":{"kubectl.kubernetes.io/last-applied-configuration":
				"{\"apiVersion\":\"flowcontrol.apiserver.k8s.io/v1beta3\",\"kind\":\"FlowSchema\"}"},
				"managedFields":[{"manager":"kubectl-client-side-apply","apiVersion":"flowcontrol.apiserver.k8s.io/v1beta3"}]}},
			{"metadata":{"name":"managed","managedFields":[
				{"manager":"kube-vip","apiVersion":"flowcontrol.apiserver.k8s.io/v1beta3"},{"manager":"other","apiVersion":"flowcontrol.apiserver.k8s.io/v1"}]}},
			{"metadata":{"name":"bootstrap","managedFields":[
				{"manager":"api-priority-and-fairness-config-producer-v1","apiVersion":"flowcontrol.apiserver.k8s.io/v1beta3"},
				{"manager":"operator","subresource":"status","apiVersion":"flowcontrol.apiserver.k8s.io/v1beta3"}]}}]}`,
		"/api/v1/secrets": `{"items":[
			{"metadata":{"namespace":"shop","name":"sh.helm.release.v1.shop.v3"},"data":{"release":"` + packed(t, map[string]any{
			"name": "shop", "manifest": "---\n" + old + "released}\n", "hooks": []any{map[string]any{"manifest": old + "hook}\n"}},
		}) + `"}},
			{"metadata":{"namespace":"shop","name":"bad"},"data":{"release":"` + base64.StdEncoding.EncodeToString([]byte("%")) + `"}},
			{"metadata":{"namespace":"shop","name":"empty"}}]}`,
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	client := kubeapi.New(server.Listener.Addr().String(), &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	defer client.Close()

	s, err := New("1.32")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Cluster(t.Context(), "prod", client); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range s.Report.Findings {
		if f.Severity != Removed || f.RemovedIn != "1.32" || !strings.HasSuffix(f.Instead, "/v1/flowschemas") {
			t.Errorf("a finding is %+v", f)
		}
		found = append(found, f.Source+": "+f.Object)
	}
	want := []string{
		"cluster prod, written by kubectl apply: FlowSchema applied",
		"cluster prod, written by kube-vip: FlowSchema managed",
		"Helm release shop/shop: FlowSchema released",
		"Helm release shop/shop: FlowSchema hook",
	}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if len(s.Report.Problems) != 2 || s.Report.Problems[0].Source != "Helm release in secret shop/bad" {
		t.Errorf("the problems are %+v, want those of the two releases that cannot be read", s.Report.Problems)
	}
}

// Who may write Secrets in a cluster cannot have the server decode documents of any size, nor for as long as it takes.
func TestReleaseIsBounded(t *testing.T) {
	t.Parallel()
	long := "apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nspec: [" + strings.Repeat("1,", maxLiveDocument/2) + "]\n"
	many := strings.Repeat("---\napiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nmetadata: {name: "+strings.Repeat("x", 500)+"}\n", maxFindings+5)
	data := func(manifest string) []byte {
		b, err := base64.StdEncoding.DecodeString(packed(t, map[string]any{"name": "shop", "manifest": manifest}))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	scan := func(ctx context.Context, manifest string) Report {
		s, err := New("1.32")
		if err != nil {
			t.Fatal(err)
		}
		s.most = maxLiveDocument
		s.release(ctx, releaseSecret{Data: map[string][]byte{"release": data(manifest)}})
		return s.Report
	}
	if r := scan(t.Context(), long); len(r.Findings) != 0 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "longer than 2 MiB") {
		t.Errorf("a long document: %+v", r)
	}
	if r := scan(t.Context(), many); len(r.Findings) != maxFindings || r.LeftOut != 5 || len(r.Findings[0].Object) > 300 || !strings.Contains(r.summary(), "5 more") {
		t.Errorf("many documents: %d findings and %d left out", len(r.Findings), r.LeftOut)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if r := scan(gone, many); len(r.Findings) != 0 {
		t.Errorf("whom nobody waits for finds %d", len(r.Findings))
	}
}

func FuzzDecodeRelease(f *testing.F) {
	f.Add([]byte("H4sIAAAAAAAAA6tWykvMTVWyUiorVaoFAPnqWXwOAAAA"))
	f.Add([]byte("e30="))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodeRelease(data)
	})
}
