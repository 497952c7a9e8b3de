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

// configFiles are the files that the programs of a generation read once, when they start.
func (p plan) configFiles() []file {
	return []file{
		render("authentication.yaml", p.authentication()),
		render("authorization.yaml", p.authorization()),
		render("encryption.yaml", p.encryption()),
		render("audit.yaml", auditPolicy()),
		render("webhook.kubeconfig", p.webhook()),
		render(controllerManagerComponent+".kubeconfig", p.kubeconfig(controllerManagerComponent)),
		render(schedulerComponent+".kubeconfig", p.kubeconfig(schedulerComponent)),
	}
}

func (p plan) authentication() doc {
	var paths []doc
	for _, path := range anonymousPaths {
		paths = append(paths, doc{"path": path})
	}
	return doc{
		"apiVersion": "apiserver.config.k8s.io/" + p.Version.AuthenticationConfig,
		"kind":       "AuthenticationConfiguration",
		"anonymous":  doc{"enabled": true, "conditions": paths},
	}
}

// authorization lists the authorizers in the order in which they are asked. Access policies come between the two.
func (p plan) authorization() doc {
	return doc{
		"apiVersion": "apiserver.config.k8s.io/" + p.Version.AuthorizationConfig,
		"kind":       "AuthorizationConfiguration",
		"authorizers": []doc{
			{"type": "Node", "name": "node"},
			{"type": "RBAC", "name": "rbac"},
		},
	}
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

// webhook is where kube-apiserver asks who bears an IAM token. The cluster shows the certificate that it has for etcd.
func (p plan) webhook() doc {
	return kubeconfigDoc(hookURL(p.Settings.HookPort, p.ClusterID), p.Dir.pki("hook-ca.crt"), p.Dir.pki("tenant.crt"), p.Dir.pki("tenant.key"))
}

func hookURL(port int, clusterID string) string {
	return fmt.Sprintf("https://%s/clusters/%s/authenticate", loopback(port), clusterID)
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
