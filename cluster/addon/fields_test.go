package addon

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithout(t *testing.T) {
	t.Parallel()
	const deployment = `{"metadata":{"labels":{"app.kubernetes.io/name":"dns","app":"x"},"finalizers":["a","b"]},"spec":{"replicas":2,"template":{"spec":{
		"containers":[{"name":"a","image":"i"},{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}}`
	for field, want := range map[string]string{
		`.spec.replicas`: `{"metadata":{"labels":{"app.kubernetes.io/name":"dns","app":"x"},"finalizers":["a","b"]},"spec":{"template":{"spec":{"containers":[{"name":"a","image":"i"},{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}}`,
		`.metadata.labels.app.kubernetes.io/name`:  `{"metadata":{"labels":{"app":"x"},"finalizers":["a","b"]},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"i"},{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}}`,
		`.metadata.finalizers[="a"]`:               `{"metadata":{"labels":{"app.kubernetes.io/name":"dns","app":"x"},"finalizers":["b"]},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"i"},{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}}`,
		`.metadata.finalizers[1]`:                  `{"metadata":{"labels":{"app.kubernetes.io/name":"dns","app":"x"},"finalizers":["a"]},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"i"},{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}}`,
		`.spec.template.spec.containers[name="a"]`: `{"metadata":{"labels":{"app.kubernetes.io/name":"dns","app":"x"},"finalizers":["a","b"]},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]}]}}}}`,
		`.spec.template.spec.containers[name="core]\"dns"].ports[containerPort=53,protocol="TCP"].protocol`: `{"metadata":{"labels":{"app.kubernetes.io/name":"dns","app":"x"},"finalizers":["a","b"]},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"i"},{"name":"core]\"dns","image":"j","ports":[{"containerPort":53,"protocol":"UDP"},{"containerPort":53}]}]}}}}`,
		`.spec.paused`: "", `.spec.replicas.x`: "", `.metadata.finalizers[2]`: "", `.metadata.finalizers[="c"]`: "", `.metadata.finalizers[`: "", `.metadata.finalizers[x]`: "", `spec`: "", ``: "",
	} {
		before := parsed(t, deployment)
		got, err := without(before, []string{field})
		switch {
		case want == "" && err == nil:
			t.Errorf("%s: taken away, want an error", field)
		case want != "" && err != nil:
			t.Errorf("%s: %v", field, err)
		case want != "":
			if diff := cmp.Diff(parsed(t, want), got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", field, diff)
			}
		}
		if diff := cmp.Diff(parsed(t, deployment), before); diff != "" {
			t.Errorf("%s changed the object itself:\n%s", field, diff)
		}
	}
}

func FuzzWithout(f *testing.F) {
	f.Add(`.spec.containers[name="a"].ports[containerPort=53,protocol="UDP"].name`)
	f.Add(`.spec.list[="a\"]"]`)
	f.Fuzz(func(t *testing.T, field string) {
		_, _ = without(parsed(t, `{"spec":{"list":["a\"]",1],"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"UDP","name":"dns"}]}]}}`), []string{field})
	})
}

func parsed(t *testing.T, text string) (o map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}
