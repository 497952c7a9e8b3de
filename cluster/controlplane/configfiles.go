package controlplane

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// file is one file of the run folder.
type file struct {
	Name    string // within its folder
	Content []byte
}

// doc is a Kubernetes configuration object. Being JSON it is YAML too, and Marshal orders its keys, so that the same
// configuration is the same bytes.
type doc = map[string]any

// anonymousPaths are the only paths that answer without a credential, as on EKS from 1.32 on.
var anonymousPaths = []string{"/livez", "/readyz", "/healthz"}

// configFiles are the files that the programs of a generation read once, when they start; but kube-apiserver also reads the
// identity providers in authenticationFile again when they change.
func (p plan) configFiles() []file {
	files := []file{
		render(authenticationFile, p.authentication()),
		render("authorization.yaml", p.authorization()),
		render("encryption.yaml", p.encryption()),
		render("audit.yaml", auditPolicy()),
		render("webhook.kubeconfig", p.webhook("authenticate")),
		render(policiesKubeconfig, p.webhook("authorize")),
		render(admissionFile, p.admission()),
		render(admissionKubeconfig, p.admissionCredentials()),
		render(controllerManagerComponent+".kubeconfig", p.kubeconfig(controllerManagerComponent)),
		render(schedulerComponent+".kubeconfig", p.kubeconfig(schedulerComponent)),
	}
	if p.Settings.VPCs {
		files = append(files, render(egressFile, p.egress()))
	}
	return files
}

func (p plan) authentication() doc {
	var paths []doc
	for _, path := range anonymousPaths {
		paths = append(paths, doc{"path": path})
	}
	config := doc{
		"apiVersion": "apiserver.config.k8s.io/" + p.Version.AuthenticationConfig,
		"kind":       "AuthenticationConfiguration",
		"anonymous":  doc{"enabled": true, "conditions": paths},
	}
	if p.OIDC != nil {
		config["jwt"] = []doc{jwtAuthenticator(p.OIDC)}
	}
	return config
}

// authorization lists the authorizers in the order in which they are asked, as on EKS.
func (p plan) authorization() doc {
	return doc{
		"apiVersion": "apiserver.config.k8s.io/" + p.Version.AuthorizationConfig,
		"kind":       "AuthorizationConfiguration",
		"authorizers": []doc{
			{"type": "Node", "name": "node"},
			{"type": "Webhook", "name": "access-policies", "webhook": p.accessPolicies()},
			{"type": "RBAC", "name": "rbac"},
		},
	}
}

const (
	policiesKubeconfig = "access-policies.kubeconfig"
	// isPrincipal is whether a request is an IAM principal's, in CEL. All others are spared the call, Minato's own and those of
	// the control plane, the nodes and the pods among them. Extra fields that come through an aggregated API server have their
	// names in lower case.
	isPrincipal = "'sigs.k8s.io/aws-iam-authenticator/principalId' in request.extra || " +
		"'sigs.k8s.io/aws-iam-authenticator/principalid' in request.extra"
)

// accessPolicies is the webhook that decides by access policies. Nothing of it is cached, so that a change of access holds for
// the very next request.
//
// When it cannot be asked, RBAC decides alone. Policies then allow nothing, which is safe, and groups go on as before. What is
// lost is the denial of principals whose access has been taken away; but without the same process no new token is accepted
// either, so that lasts no longer than the 10 s for which kube-apiserver keeps an old one. The other choice, Deny, would turn
// every restart of that process into an outage for everybody.
func (p plan) accessPolicies() doc {
	webhook := doc{
		"timeout":                    "3s",
		"failurePolicy":              "NoOpinion",
		"subjectAccessReviewVersion": "v1",
		"matchConditionSubjectAccessReviewVersion": "v1",
		"matchConditions":                          []doc{{"expression": isPrincipal}},
		"connectionInfo": doc{
			"type": "KubeConfigFile", "kubeConfigFile": p.Dir.generation(p.Generation, policiesKubeconfig),
		},
	}
	if p.Version.AuthorizerCacheSwitch {
		webhook["cacheAuthorizedRequests"], webhook["cacheUnauthorizedRequests"] = false, false
	} else { // 0 would be the defaults of some minutes
		webhook["authorizedTTL"], webhook["unauthorizedTTL"] = "1ns", "1ns"
	}
	return webhook
}

// encryption has no identity provider: Secrets were never written in the clear, so none is read that way.
func (p plan) encryption() doc {
	var keys []doc
	for _, k := range p.Keys {
		keys = append(keys, doc{"name": k.Name, "secret": base64.StdEncoding.EncodeToString(k.Secret)})
	}
	return doc{
		"apiVersion": "apiserver.config.k8s.io/v1",
		"kind":       "EncryptionConfiguration",
		"resources": []doc{{
			"resources": []string{"secrets"},
			"providers": []doc{{"secretbox": doc{"keys": keys}}},
		}},
	}
}

// auditPolicy records who did what and when of every request once it is answered, and no bodies.
func auditPolicy() doc {
	return doc{
		"apiVersion": "audit.k8s.io/v1",
		"kind":       "Policy",
		"omitStages": []string{"RequestReceived"},
		"rules":      []doc{{"level": "Metadata"}},
	}
}

// webhook is where kube-apiserver sends one kind of review. The cluster shows the certificate that it has for etcd.
func (p plan) webhook(review string) doc {
	return kubeconfigDoc(hookURL(p.Settings.HookPort, p.ClusterID, review), p.Dir.pki("hook-ca.crt"), p.Dir.pki("tenant.crt"), p.Dir.pki("tenant.key"))
}

func hookURL(port int, clusterID, review string) string {
	return fmt.Sprintf("https://%s/clusters/%s/%s", loopback(port), clusterID, review)
}

// kubeconfig is a component's. It names the certificate's files, which are read again when they change.
func (p plan) kubeconfig(component string) doc {
	return kubeconfigDoc("https://"+loopback(p.Ports.APIServer), p.Dir.pki("ca.crt"),
		p.Dir.pki(component+".crt"), p.Dir.pki(component+".key"))
}

func kubeconfigDoc(server, ca, cert, key string) doc {
	return doc{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": "default",
		"clusters":        []doc{{"name": "default", "cluster": doc{"server": server, "certificate-authority": ca}}},
		"users":           []doc{{"name": "default", "user": doc{"client-certificate": cert, "client-key": key}}},
		"contexts":        []doc{{"name": "default", "context": doc{"cluster": "default", "user": "default"}}},
	}
}

func render(name string, d doc) file {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic("controlplane: rendering " + name + ": " + err.Error()) // strings and numbers only
	}
	return file{Name: name, Content: append(b, '\n')}
}

const (
	admissionFile       = "admission.yaml"
	admissionKubeconfig = "admission.kubeconfig"
)

// admission has kube-apiserver show the cluster's certificate to our own admission webhook, of which the cluster has a configuration
// while it has Fargate profiles, and to no other.
func (p plan) admission() doc {
	return doc{
		"apiVersion": "apiserver.config.k8s.io/v1",
		"kind":       "AdmissionConfiguration",
		"plugins": []doc{{"name": "MutatingAdmissionWebhook", "configuration": doc{
			"apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
			"kubeConfigFile": p.Dir.generation(p.Generation, admissionKubeconfig),
		}}},
	}
}

// admissionCredentials are a kubeconfig whose users are called like the hosts that they are for.
func (p plan) admissionCredentials() doc {
	return doc{
		"apiVersion": "v1",
		"kind":       "Config",
		"users": []doc{{
			"name": loopback(p.Settings.HookPort),
			"user": doc{"client-certificate": p.Dir.pki("tenant.crt"), "client-key": p.Dir.pki("tenant.key")},
		}},
	}
}

// MutateURL is where a cluster's kube-apiserver asks about new pods.
func MutateURL(hookPort int, clusterID string) string { return hookURL(hookPort, clusterID, "mutate") }
