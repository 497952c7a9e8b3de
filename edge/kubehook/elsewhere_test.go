package kubehook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"minato.dev/minato/cluster/podidentity"
)

// TestElsewhere has kube-apiservers of clusters that run elsewhere ask, and others who do not know a cluster's id.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("POST "+ElsewherePath, Elsewhere{
		Cluster: func(account, name, id string) bool { return account == "111122223333" && name == "edge" && id == "c1" },
		Associated: func(_ context.Context, clusterID, namespace, serviceAccount string) (bool, error) {
			if serviceAccount == "unknown" {
				return false, errors.New("the store is away")
			}
			return clusterID == "c1" && namespace == "dev" && serviceAccount == "app", nil
		},
		Settings: podidentity.ElsewhereSettings("eu-west-1", func(int) int { return 0 }),
		Log:      slog.New(slog.DiscardHandler),
	})
	review := func(account string) string {
		return `{"kind":"AdmissionReview","request":{"uid":"u1","namespace":"dev","operation":"CREATE","object":{"spec":{"serviceAccountName":"` + account + `","containers":[{"name":"a"}]}}}}`
	}
	for name, c := range map[string]struct {
		cluster, body string
		status        int
		patch         string
	}{
		"associated":    {"edge/c1", review("app"), 200, `"AWS_ENDPOINT_URL","value":"http://169.254.170.23:4566"`},
		"not":           {"edge/c1", review("other"), 200, ""},
		"not known":     {"edge/c1", review("unknown"), 500, ""},
		"another id":    {"edge/c2", review("app"), 404, ""},
		"another name":  {"edg/c1", review("app"), 404, ""},
		"no review":     {"edge/c1", "{}", 400, ""},
		"a large thing": {"edge/c1", strings.Repeat(" ", maxAdmissionReview+1), 413, ""},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/connected/111122223333/"+c.cluster+"/identify", strings.NewReader(c.body)))
		var got admissionReview
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !got.Response.Allowed {
				t.Fatalf("%s: %s, %v", name, w.Body, err)
			}
		} else {
			got.Response = &admissionResponse{}
		}
		if w.Code != c.status || (len(got.Response.Patch) > 0) != (c.patch != "") || !strings.Contains(string(got.Response.Patch), c.patch) {
			t.Errorf("%s: %d, patch %s", name, w.Code, got.Response.Patch)
		}
	}
}
