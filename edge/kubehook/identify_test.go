package kubehook

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"minato.dev/minato/cluster/podidentity"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	s := New(Config{
		Associated: func(clusterID, namespace, serviceAccount string) bool {
			return clusterID == "c1" && namespace == "dev" && (serviceAccount == "default" || serviceAccount == "unread")
		},
		Annotations: func(_ context.Context, _, _, serviceAccount string) (map[string]string, error) {
			switch serviceAccount {
			case "unread", "lost":
				return nil, errors.New("the cluster is busy")
			case "annotated":
				return map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app"}, nil
			}
			return nil, nil
		},
		PodSettings: func(clusterID string) (podidentity.Settings, bool) {
			return podidentity.Settings{Region: "eu-west-1", Jitter: func(int) int { return 0 }}, clusterID == "c1"
		},
		Log: slog.New(slog.DiscardHandler),
	})
	for name, c := range map[string]struct{ cluster, account, operation, part string }{
		"associated":           {"c1", ``, "CREATE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		"by name":              {"c1", `,"serviceAccountName":"default"`, "CREATE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		"annotated":            {"c1", `,"serviceAccountName":"annotated"`, "CREATE", "AWS_WEB_IDENTITY_TOKEN_FILE"},
		"neither":              {"c1", `,"serviceAccountName":"other"`, "CREATE", ""},
		"associated, unread":   {"c1", `,"serviceAccountName":"unread"`, "CREATE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		"unread":               {"c1", `,"serviceAccountName":"lost"`, "CREATE", ""},
		"an update":            {"c1", ``, "UPDATE", ""},
		"an unknown cluster":   {"c2", ``, "CREATE", ""},
		"another's annotation": {"c2", `,"serviceAccountName":"annotated"`, "CREATE", ""},
	} {
		body := `{"kind":"AdmissionReview","request":{"uid":"u1","namespace":"dev","operation":"` + c.operation + `","object":{"spec":{"containers":[{"name":"a"}]` + c.account + `}}}}`
		answer, err := s.identify(t.Context(), c.cluster, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		response := answer.(admissionReview).Response
		if response.UID != "u1" || !response.Allowed || (len(response.Patch) > 0) != (c.part != "") || !strings.Contains(string(response.Patch), c.part) {
			t.Errorf("%s: %+v, patch %s", name, response, response.Patch)
		}
	}
	for _, bad := range []string{"", "{}", `{"request":{"operation":"CREATE","object":"x"}}`, `{"request":{"operation":"CREATE","object":{"spec":{"containers":{}}}}}`} {
		if _, err := s.identify(t.Context(), "c1", []byte(bad)); err == nil && strings.Contains(bad, `"x"`) {
			t.Errorf("%q was answered", bad)
		}
	}
}
