package controlplane

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/service/eks"
)

// authenticationFile is kube-apiserver's AuthenticationConfiguration. All minors that Minato runs read its identity providers
// again when the file changes, and refuse any other change of it.
const authenticationFile = "authentication.yaml"

// jwtAuthenticator is an identity provider in an AuthenticationConfiguration. Whom its issuer's certificate must come from is
// not said here: see trustedRoots.
func jwtAuthenticator(p *eks.IdentityProvider) doc {
	mappings := doc{"username": doc{"claim": p.Claim(), "prefix": p.Prefix()}}
	if p.GroupsClaim != "" {
		mappings["groups"] = doc{"claim": p.GroupsClaim, "prefix": p.GroupsPrefix}
	}
	jwt := doc{
		"issuer":        doc{"url": p.IssuerURL, "audiences": []string{p.ClientID}},
		"claimMappings": mappings,
		// Whatever the prefixes: nobody from outside is a component, a node or an administrator of the cluster.
		"userValidationRules": []doc{
			{"expression": "!user.username.startsWith('system:')", "message": "the username must not begin with system:"},
			{"expression": "user.groups.all(group, !group.startsWith('system:'))", "message": "no group may begin with system:"},
		},
	}
	var rules []doc
	for _, claim := range slices.Sorted(maps.Keys(p.RequiredClaims)) {
		rules = append(rules, doc{"claim": claim, "requiredValue": p.RequiredClaims[claim]})
	}
	if rules != nil {
		jwt["claimValidationRules"] = rules
	}
	return jwt
}

// trustFolder holds the CAs that kube-apiserver trusts beside those of the machine.
const trustFolder = "trust"

// trustedRoots are the folders in which kube-apiserver looks for CAs, beside the machine's bundle: those where Go looks on
// Linux, and that with Minato's public CA, because the EKS API has no place for an issuer's CA. So an issuer may have a
// certificate that this machine trusts, or be another cluster of this Minato.
func (d runDir) trustedRoots() string {
	return strings.Join([]string{"/etc/ssl/certs", "/etc/pki/tls/certs", d.pki(trustFolder)}, ":")
}

// identityProviderStep waits until kube-apiserver has taken up another identity provider. It gives up when kube-apiserver has:
// after a minute without an answer from the issuer.
type identityProviderStep struct{ processes Processes }

func (s identityProviderStep) do(ctx context.Context, p *pass) error {
	changed := p.cluster.Spec.OIDC
	if changed == nil || changed.Generation <= p.cluster.Status.ObservedGeneration || p.plane.Value.Next != nil {
		return nil // nothing new, or a kube-apiserver that has started with it
	}
	file, err := os.Stat(p.plan.Dir.generation(p.plan.Generation, authenticationFile))
	if err != nil {
		return err
	}
	if st, ok := s.processes.Status(processName(p.cluster.ID, apiServerComponent, p.plan.Generation)); ok && st.Started.After(file.ModTime()) {
		return nil
	}
	api, err := newAPI(p, loopback(p.plan.Ports.APIServer))
	if err != nil {
		return err
	}
	defer api.Close()
	return poll(ctx, "kube-apiserver to take up the identity provider", func(ctx context.Context) error {
		metrics, err := api.Do(ctx, http.MethodGet, "/metrics", nil)
		if err != nil {
			return err
		}
		return reloaded(string(metrics), file.ModTime(), changed)
	})
}

// reloads are the times of the last reloads of the AuthenticationConfiguration in kube-apiserver's metrics.
var reloads = regexp.MustCompile(`(?m)^apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds\{.*status="(success|failure)"\} (\S+)$`)

// reloaded is nil once the metrics tell of a good reload after a time, and a fatal problem once they tell of a failed one.
func reloaded(metrics string, after time.Time, p *eks.IdentityProvider) error {
	failed := false
	for _, m := range reloads.FindAllStringSubmatch(metrics, -1) {
		seconds, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return fmt.Errorf("reading the time of a reload: %w", err)
		}
		if seconds < float64(after.UnixNano())/1e9 {
			continue
		}
		if m[1] == "success" {
			return nil
		}
		failed = true
	}
	if failed {
		return &problem{reason: "IssuerUnreachable", fatal: true, message: "kube-apiserver could not use the issuer " + p.IssuerURL +
			": it does not answer at /.well-known/openid-configuration, or not with a certificate that this machine trusts"}
	}
	return fmt.Errorf("it has not looked at the new configuration yet")
}
