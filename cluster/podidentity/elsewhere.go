package podidentity

import (
	_ "embed" // the manifest
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"text/template"
)

// APIPort is where pods of clusters that run elsewhere reach the AWS APIs, on their own node: its agent passes them on.
const APIPort = 4566

// AgentAddress is where pods find the agent of their node.
const AgentAddress = "169.254.170.23"

// Elsewhere is a cluster that runs elsewhere, for its manifest.
type Elsewhere struct {
	Cluster    string
	ClusterARN string
	Region     string
	Server     string // URL of the AWS APIs, over TLS, as its nodes reach it
	Webhook    string // URL that its kube-apiserver asks about new pods
	CAPEM      []byte // who signed the certificate of both
	Image      string // of the agent
}

//go:embed elsewhere.yaml
var elsewhere string

var elsewhereTemplate = template.Must(template.New("elsewhere").Funcs(template.FuncMap{"json": func(v any) (string, error) {
	b, err := json.Marshal(v) // which is YAML too
	return string(b), err
}}).Parse(elsewhere))

// Manifest writes what is to be applied to the cluster so that its pods get credentials: the agent of its nodes, and the webhook that
// leads pods to it.
func (e Elsewhere) Manifest(w io.Writer) error {
	err := elsewhereTemplate.Execute(w, struct {
		Elsewhere
		CA, SkipLabel, KeyIDFile, SecretFile string
		APIPort                              int
	}{e, base64.StdEncoding.EncodeToString(e.CAPEM), SkipLabel, "aws-access-key-id", "aws-secret-access-key", APIPort})
	if err != nil {
		return fmt.Errorf("writing the manifest of cluster %s: %w", e.Cluster, err)
	}
	return nil
}

// ElsewhereSettings are what pods of clusters that run elsewhere are mutated by.
func ElsewhereSettings(region string, jitter func(n int) int) Settings {
	return Settings{Region: region, Endpoint: fmt.Sprintf("http://%s:%d", AgentAddress, APIPort), Jitter: jitter}
}
