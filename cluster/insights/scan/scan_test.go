package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func scanner(t *testing.T, target string) *Scanner {
	t.Helper()
	s, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const old = "apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nmetadata: {name: shop}\n"

func TestReader(t *testing.T) {
	const fine = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n"
	for name, test := range map[string]struct {
		in, target         string
		findings, problems string
		objects            int
	}{
		"nothing":               {in: ""},
		"comments":              {in: "# a\n---\n# b\n"},
		"fine":                  {in: fine, objects: 1},
		"removed":               {in: old, objects: 1, findings: "1 removed FlowSchema shop"},
		"deprecated":            {in: old, target: "1.31", objects: 1, findings: "1 deprecated FlowSchema shop"},
		"documents":             {in: fine + "---\n" + fine + "--- # c\n" + old, objects: 3, findings: "11 removed FlowSchema shop"},
		"CRLF":                  {in: strings.ReplaceAll(fine+"---\n"+old, "\n", "\r\n"), objects: 2, findings: "6 removed FlowSchema shop"},
		"a long line with ---":  {in: "# " + strings.Repeat("x", 64<<10-2) + "--- a: b\n" + old, objects: 1, findings: "1 removed FlowSchema shop"},
		"no newline at the end": {in: "kind: FlowSchema\napiVersion: 'flowcontrol.apiserver.k8s.io/v1beta3' # c", objects: 1, findings: "1 removed FlowSchema"},
		"JSON":                  {in: `{"kind":"PodDisruptionBudget","apiVersion":"policy/v1beta1","metadata":{"name":"b","namespace":"shop"}}`, objects: 1, findings: "1 removed PodDisruptionBudget shop/b"},
		"objects of JSON": {in: "{\"kind\":\"PodDisruptionBudget\",\"apiVersion\":\"policy/v1beta1\",\"metadata\":{\"name\":\"a\"}}\n\n{\n \"kind\":\"CronJob\",\"apiVersion\":\"batch/v1beta1\"}{}\n",
			objects: 2, findings: "1 removed PodDisruptionBudget a\n3 removed CronJob"},
		"JSON that ends":     {in: `{"kind":"CronJob","apiVersion":"batch/v1beta1"} {"kind":`, objects: 1, findings: "1 removed CronJob", problems: "1 "},
		"YAML in braces":     {in: "{apiVersion: batch/v1beta1, kind: CronJob} # c\n", objects: 1, findings: "1 removed CronJob"},
		"JSON and a comment": {in: "{\"kind\":\"CronJob\",\"apiVersion\":\"batch/v1beta1\"}\n# c\n", objects: 1, findings: "1 removed CronJob"},
		"quoted keys":        {in: "\"apiVersion\": policy/v1beta1\n\"kind\": PodDisruptionBudget\n", objects: 1, findings: "1 removed PodDisruptionBudget"},
		"anchors":            {in: "apiVersion: &v policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: *v}\n", objects: 1, findings: "1 removed PodDisruptionBudget policy/v1beta1"},
		"a list": {in: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: batch/v1beta1\n  kind: CronJob\n  metadata: {name: a}\n- apiVersion: batch/v1\n  kind: CronJob\n  metadata: {name: b}\n",
			objects: 2, findings: "1 removed CronJob a"},
		"a kind in a ConfigMap": {in: "apiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n    apiVersion: policy/v1beta1\n    kind: PodDisruptionBudget\n", objects: 1},
		"values":                {in: "replicas: 3\nimage: nginx\n"},
		"a template":            {in: "apiVersion: {{ .Values.v }}\nkind: Deployment\n", problems: "1 this is a template"},
		"no YAML":               {in: "{\n", problems: "1 "},
		"no object":             {in: "- a\n- b\n"},
		"a patch of Kustomize":  {in: "- op: replace\n  path: /spec/replicas\n  value: 3\n---\n" + old, objects: 1, findings: "5 removed FlowSchema shop"},
		"settings of a tool":    {in: `{"name": "shop", "kind": {"a": 1}, "items": {"type": "array"}}`},
		"an object that is not": {in: "apiVersion: &v policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: shop\n", problems: "1 "},
		"a list of one kind":    {in: "apiVersion: policy/v1beta1\nkind: PodDisruptionBudgetList\nitems:\n- metadata: {name: a}\n", objects: 1, findings: "1 removed PodDisruptionBudget a"},
		"a bomb":                {in: "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + bomb('a', 'h') + "apiVersion: *h\nkind: List\n", problems: "1 "},
		"a long document": {in: "kind: X\n" + strings.Repeat("a: b # and so on\n", maxDocument/16) + "---\n" + old, objects: 1,
			problems: "1 the document is longer", findings: fmt.Sprintf("%d removed FlowSchema shop", maxDocument/16+3)},
		"a long line": {in: "x: " + strings.Repeat("a", 1<<20) + "\n" + old, objects: 1, findings: "1 removed FlowSchema shop"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.target == "" {
				test.target = "1.36"
			}
			s := scanner(t, test.target)
			s.Reader("-", strings.NewReader(test.in))
			var findings, problems []string
			for _, f := range s.Report.Findings {
				findings = append(findings, fmt.Sprint(f.Line, " ", f.Severity, " ", f.Object))
			}
			for _, p := range s.Report.Problems {
				problems = append(problems, fmt.Sprint(p.Line, " ", p.Text))
			}
			if got := strings.Join(findings, "\n"); got != test.findings {
				t.Errorf("findings %q, want %q", got, test.findings)
			}
			if got := strings.Join(problems, "\n"); !strings.HasPrefix(got, test.problems) || (got == "") != (test.problems == "") {
				t.Errorf("problems %q, want %q", got, test.problems)
			}
			if s.Report.Objects != test.objects && test.problems == "" {
				t.Errorf("%d objects, want %d", s.Report.Objects, test.objects)
			}
		})
	}
}

// bomb are lines each of which is ten times the one before.
func bomb(from, to byte) string {
	var b strings.Builder
	for c := from + 1; c <= to; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	return b.String()
}

// repeated is a text over and over, up to a number of bytes.
type repeated struct {
	text string
	left int
	at   int // in text
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) && r.left > 0 {
		m := copy(p[n:min(len(p), n+r.left)], r.text[r.at:])
		n, r.left, r.at = n+m, r.left-m, (r.at+m)%len(r.text)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestMuch scans 200 MB of YAML as one stream, half of it a document that is too long, in no more memory than a document takes.
func TestMuch(t *testing.T) {
	const half = 100_000_000
	manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shop\ndata:\n  page: |\n" + strings.Repeat("    "+strings.Repeat("x", 95)+"\n", 200) + "---\n"
	row := "a: " + strings.Repeat("b", 996) + "\n"
	const head = "apiVersion: v1\nkind: ConfigMap\n"
	in := io.MultiReader(
		&repeated{text: manifest, left: half / len(manifest) * len(manifest)},
		strings.NewReader(head), &repeated{text: row, left: half},
		strings.NewReader("---\n"+old))
	s := scanner(t, "1.36")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.Reader("-", in)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 8*maxDocument {
		t.Errorf("it took %d MiB, want a few times what a document may have, which is %d MiB", got>>20, maxDocument>>20)
	}
	documents := half / len(manifest)
	begin := documents*strings.Count(manifest, "\n") + 1
	last := begin + strings.Count(head, "\n") + half/len(row) + 1 // behind the line that separates them
	if r := s.Report; r.Objects != documents+1 || len(r.Problems) != 1 || r.Problems[0].Line != begin || len(r.Findings) != 1 || r.Findings[0].Line != last {
		t.Errorf("%d objects, problems %v, findings %+v; want %d objects, and the lines %d and %d", r.Objects, r.Problems, r.Findings, documents+1, begin, last)
	}
}

func TestPath(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": old, "sub/b.yml": old, "sub/c.json": `{}`, "d.txt": old, ".git/e.yaml": old,
		"chart/Chart.yaml": "name: shop\n", "chart/templates/f.yaml": "kind: {{ x }}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "z.yaml")); err != nil {
		t.Fatal(err)
	}
	s := scanner(t, "1.36")
	s.Path(dir, nil)
	if len(s.Report.Findings) != 2 || s.Report.Files != 3 || len(s.Report.Problems) != 1 || !strings.Contains(s.Report.Problems[0].Text, "helm template") {
		t.Errorf("the report is %+v", s.Report)
	}
	for _, bad := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "z.yaml")} {
		s := scanner(t, "1.36")
		if s.Path(bad, nil); len(s.Report.Problems) != 1 || s.Report.Problems[0].Source != bad || !strings.HasPrefix(s.Report.Problems[0].Text, "cannot be read: ") || s.Report.Files != 0 {
			t.Errorf("%s was scanned: %+v", bad, s.Report)
		}
	}
	if _, err := New("1.7"); err == nil {
		t.Error("there is no 1.7")
	}
}

func TestPrint(t *testing.T) {
	s := scanner(t, "1.36")
	s.Reader("a|b 100%.yaml", strings.NewReader(old))
	s.live = true
	s.Reader("cluster prod, written by kubectl", strings.NewReader(old))
	s.problem("Helm release in secret shop/web", 0, errors.New("it holds no release"))
	s.live = false
	s.problem("b.yaml", 7, errors.New("a | b"))
	for format, wants := range map[string][]string{
		"table":    {"removed", "a|b 100%.yaml:1", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas (since 1.29)", "1.36 does not serve 2 of them"},
		"markdown": {"| removed | `a\\|b 100%.yaml:1` | FlowSchema shop |", "| `b.yaml:7` | a \\| b |"},
		"json":     {`"removedIn": "1.32"`, `"problem": "it holds no release"`},
		"sarif": {`"level": "error"`, `"uri": "a%7Cb%20100%25.yaml"`, `"startLine": 1`, `"fullyQualifiedName": "cluster prod, written by kubectl/FlowSchema shop"`,
			`"executionSuccessful": false`, `"fullyQualifiedName": "Helm release in secret shop/web"`, `"text": "a | b"`, `"startLine": 7`},
	} {
		var b bytes.Buffer
		if err := s.Report.Print(&b, format); err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s has no %q:\n%s", format, want, b.String())
			}
		}
		if (format == "json" || format == "sarif") && !json.Valid(b.Bytes()) {
			t.Errorf("%s is no JSON", format)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(old))
	f.Add([]byte("a: &a [*a]\n---\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := scanner(t, "1.36")
		s.Reader("-", bytes.NewReader(b))
		if len(s.Report.Findings) > s.Report.Objects {
			t.Errorf("%d findings in %d objects", len(s.Report.Findings), s.Report.Objects)
		}
	})
}
