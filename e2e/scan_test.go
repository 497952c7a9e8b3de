package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// shopChart has what charts have: helpers, a subchart behind a condition, CRDs, notes, a hook, and versions chosen by what a cluster serves.
var shopChart = map[string]string{
	"Chart.yaml":             "apiVersion: v2\nname: shop\nversion: 1.2.3\ndependencies:\n- {name: cache, version: 0.1.0, condition: cache.enabled}\n",
	"values.yaml":            "budget: {version: policy/v1beta1}\ncache: {enabled: false}\n",
	"templates/_helpers.tpl": "{{- define \"shop.name\" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}\n",
	"templates/NOTES.txt":    "Thank you for installing {{ .Chart.Name }}.\n",
	"templates/budget.yaml":  "apiVersion: {{ .Values.budget.version }}\nkind: PodDisruptionBudget\nmetadata: {name: {{ include \"shop.name\" . }}}\n",
	"templates/job.yaml":     "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}\n",
	"templates/flow.yaml": "{{ if semverCompare \"<1.29-0\" .Capabilities.KubeVersion.Version }}\n" +
		"apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nmetadata: {name: flow}\n{{ end }}",
	"crds/carts.yaml":                  "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\nmetadata: {name: carts.shop.example.com}\n",
	"charts/cache/Chart.yaml":          "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
	"charts/cache/templates/role.yaml": "apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: Role\nmetadata: {name: cache}\n",
}

func writeChart(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScanCharts finds what charts render to, in folders and archives, and says what is wrong with those that do not render.
func TestScanCharts(t *testing.T) {
	t.Parallel()
	user := testenv.Shared(t).Anonymous(t)
	dir := t.TempDir()
	writeChart(t, filepath.Join(dir, "shop"), shopChart)
	archive := filepath.Join(dir, "shop-1.2.3.tgz")
	if out, err := exec.Command("tar", "-czf", archive, "-C", dir, "shop").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	for _, path := range []string{dir, archive} {
		r := user.Run(t, "minato", "insights", "scan", path, "--target", "1.36", "-o", "markdown")
		if r.ExitCode != 3 || strings.Count(r.Stdout, "| removed |") != 3 {
			t.Errorf("want three findings: %s", r)
		}
		for _, want := range []string{"templates/budget.yaml` | PodDisruptionBudget release-name-shop", "templates/job.yaml` | CronJob migrate", "crds/carts.yaml` | CustomResourceDefinition carts"} {
			if !strings.Contains(r.Stdout, want) {
				t.Errorf("%q is not found: %s", want, r)
			}
		}
	}

	for name, broken := range map[string]struct {
		files map[string]string
		says  string
	}{
		"fails":     {map[string]string{"templates/x.yaml": `{{ fail "set a password" }}`}, "set a password"},
		"unclosed":  {map[string]string{"templates/x.yaml": `{{ if true }}`}, "templates/x.yaml"},
		"misses":    {map[string]string{"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{name: db, version: 1.0.0}]\n"}, "charts/ lacks db: run helm dependency build first"},
		"swells":    {map[string]string{"templates/x.yaml": `{{ range until 80000 }}{{ repeat 1000 "x" }}{{ end }}`}, "more than 64 MiB"},
		"nameless":  {map[string]string{"Chart.yaml": "apiVersion: v2\nversion: 1.0.0\n"}, "name"},
		"old world": {map[string]string{"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\nkubeVersion: <1.20\n"}, ""},
	} {
		path := filepath.Join(t.TempDir(), name)
		writeChart(t, path, map[string]string{"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n"})
		writeChart(t, path, broken.files)
		r := user.Run(t, "minato", "insights", "scan", path, "-o", "sarif")
		if broken.says == "" {
			if r.ExitCode != 0 {
				t.Errorf("%s: %s", name, r)
			}
		} else if r.ExitCode != 1 || !strings.Contains(r.Stderr, "the chart does not render") || !strings.Contains(r.Stderr, broken.says) ||
			!strings.Contains(r.Stdout, `"executionSuccessful": false`) || !strings.Contains(r.Stdout, broken.says) {
			t.Errorf("%s: want %q: %s", name, broken.says, r)
		}
	}
}
