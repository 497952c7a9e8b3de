package eksapi

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato/service/eks"
)

// docSection is the part of a file in docs/ under a heading.
func docSection(t *testing.T, file, heading string) string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no section %q", file, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	code := map[string]string{}
	for _, op := range (&handlers{}).operations() {
		code[op.Name] = "done"
	}
	for _, op := range refusals() {
		code[op.Name] = "refused"
	}
	doc := map[string]string{}
	rows := regexp.MustCompile(`(?m)^\| (\w+) \| (done|refused) \| .+ \|$`).FindAllStringSubmatch(docSection(t, "operations.md", "EKS"), -1)
	for _, row := range rows {
		if doc[row[1]] != "" {
			t.Errorf("docs/operations.md has %s twice", row[1])
		}
		doc[row[1]] = row[2]
	}
	for name, state := range code {
		if doc[name] != state {
			t.Errorf("%s is %s, docs/operations.md says %q", name, state, doc[name])
		}
	}
	for name, state := range doc {
		if code[name] == "" {
			t.Errorf("docs/operations.md says that %s is %s, there is no such operation", name, state)
		}
	}
}

func TestEchoedMembersAreDocumented(t *testing.T) {
	t.Parallel()
	var doc []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(docSection(t, "divergences.md", "EKS: request members that are echoed"), -1) {
		doc = append(doc, row[1])
	}
	if code := eks.EchoedMembers(); !slices.Equal(code, doc) {
		t.Errorf("the service echoes %v, docs/divergences.md says %v", code, doc)
	}
}
