package podidentity_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"minato.dev/minato/cluster/podidentity"
)

// TestManifest is that what is printed is two objects, whatever it is told.
func TestManifest(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"registry.example/agent:v1", "a: b\n---\nkind: Pod # \"x\" {{ .CA }}"} {
		var b strings.Builder
		err := podidentity.Elsewhere{
			Cluster: "edge", ClusterARN: "arn:aws:eks:eu-west-1:111122223333:cluster/edge", Region: "eu-west-1", Server: "https://192.0.2.7:4567",
			Webhook: "https://192.0.2.7:4567/connected/111122223333/edge/c1/identify", CAPEM: []byte("PEM"), Image: image,
		}.Manifest(&b)
		if err != nil {
			t.Fatal(err)
		}
		documents := strings.Split(b.String(), "\n---\n")
		if len(documents) != 2 {
			t.Fatalf("%d documents: %s", len(documents), b.String())
		}
		var agent struct {
			Kind string
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Image string
							Args  []string
						}
					}
				}
			}
		}
		var webhook struct {
			Kind     string
			Webhooks []struct {
				ClientConfig struct{ URL, CABundle string }
			}
		}
		if err := yaml.Unmarshal([]byte(documents[0]), &agent); err != nil || agent.Kind != "DaemonSet" {
			t.Fatalf("%v: %s", err, documents[0])
		}
		if err := yaml.UnmarshalStrict([]byte(documents[1]), new(any)); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(documents[1]), &webhook); err != nil || webhook.Kind != "MutatingWebhookConfiguration" {
			t.Fatalf("%v: %s", err, documents[1])
		}
		container := agent.Spec.Template.Spec.Containers[0]
		if args := strings.Join(container.Args, " "); container.Image != image || !strings.Contains(args, "--cluster-name=edge --endpoint=https://192.0.2.7:4567 --endpoint-ca=UEVN") {
			t.Errorf("image %q, arguments %s", container.Image, args)
		}
		if c := webhook.Webhooks[0].ClientConfig; c.CABundle != "UEVN" || !strings.HasSuffix(c.URL, "/connected/111122223333/edge/c1/identify") {
			t.Errorf("the webhook is at %+v", c)
		}
	}
}
