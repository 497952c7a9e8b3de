package controlplane

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

func TestJWTAuthenticator(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		provider eks.IdentityProvider
		want     string
	}{
		{"defaults", eks.IdentityProvider{IssuerURL: "https://i.example", ClientID: "kube"},
			`{"issuer":{"url":"https://i.example","audiences":["kube"]},"claimMappings":{"username":{"claim":"sub","prefix":"https://i.example#"}}}`},
		{"e-mail", eks.IdentityProvider{IssuerURL: "https://i.example", ClientID: "kube", UsernameClaim: "email"},
			`{"issuer":{"url":"https://i.example","audiences":["kube"]},"claimMappings":{"username":{"claim":"email","prefix":""}}}`},
		{"everything", eks.IdentityProvider{
			IssuerURL: "https://i.example", ClientID: "kube", UsernameClaim: "name", UsernamePrefix: "-", GroupsClaim: "roles", GroupsPrefix: "oidc:",
			RequiredClaims: map[string]string{"b": "2", "a": "1"},
		}, `{"issuer":{"url":"https://i.example","audiences":["kube"]},"claimMappings":{"username":{"claim":"name","prefix":""},"groups":{"claim":"roles","prefix":"oidc:"}},
			"claimValidationRules":[{"claim":"a","requiredValue":"1"},{"claim":"b","requiredValue":"2"}]}`},
	} {
		jwt := jwtAuthenticator(&tt.provider)
		if rules, _ := json.Marshal(jwt["userValidationRules"]); strings.Count(string(rules), "startsWith('system:')") != 2 {
			t.Errorf("%s: names that begin with system: are let in: %s", tt.name, rules)
		}
		delete(jwt, "userValidationRules")
		b, err := json.Marshal(jwt)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal([]byte(tt.want), &want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestIdentityProviderStartsNoGeneration(t *testing.T) {
	t.Parallel()
	version, ok := kube.Lookup("1.35")
	if !ok {
		t.Fatal("1.35 is not in the table")
	}
	without := plan{Version: version, Settings: Settings{Advertise: []string{"127.0.0.1"}}}
	with := without
	with.OIDC = &eks.IdentityProvider{IssuerURL: "https://i.example", ClientID: "kube"}
	if with.fingerprint() != without.fingerprint() {
		t.Error("an identity provider begins a new generation")
	}
	if cmp.Equal(with.authentication(), without.authentication()) {
		t.Error("the identity provider is not in the configuration")
	}
}

func TestReloaded(t *testing.T) {
	t.Parallel()
	const metric = `apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:x",status="`
	after := time.Unix(1000, 500e6)
	provider := &eks.IdentityProvider{IssuerURL: "https://i.example"}
	for _, tt := range []struct {
		name, metrics string
		want          string // done, failed, waiting
	}{
		{"none yet", "apiserver_x 1\n", "waiting"},
		{"an older one", metric + "success\"} 1000.4\n", "waiting"},
		{"an older failure", metric + "failure\"} 1000.4\n", "waiting"},
		{"good", metric + "failure\"} 999\n" + metric + "success\"} 1.0006e+03\n", "done"},
		{"failed", metric + "failure\"} 1060.5\n" + metric + "success\"} 999\n", "failed"},
		{"good in the end", metric + "failure\"} 1060.5\n" + metric + "success\"} 1061\n", "done"},
	} {
		got := "waiting"
		err := reloaded(tt.metrics, after, provider)
		if p, ok := errors.AsType[*problem](err); ok && p.fatal && strings.Contains(p.message, "https://i.example") {
			got = "failed"
		} else if err == nil {
			got = "done"
		}
		if got != tt.want {
			t.Errorf("%s: %s (%v), want %s", tt.name, got, err, tt.want)
		}
	}
}
