package deptest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

func TestHouse(t *testing.T) {
	t.Parallel()
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		if floor(p.Path) < 0 {
			t.Errorf("%s is in no room that the floor plan knows", p.Path)
		}
	}
	for _, problem := range Check(Rules, packages) {
		t.Error(problem)
	}
}

// TestRulesBite gives each rule an import that it must refuse, and one beside it that is right.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rule, pkg, bad, good string }{
		{"direction", "service/eks", module + "/cluster/controlplane", module + "/engine/store"},
		{"vocabulary", "", "golang.org/x/sys/unix", "encoding/json"},
		{"vocabulary", "", module + "/internal/home", "time"},
		{"leaf tools", "internal/doctor", module + "/kube", module + "/internal/home"},
		{"engine", "engine/supervisor", module + "/kube", module + "/internal/atomicfile"},
		{"edge decides nothing and runs nothing", "edge/kubehook", module + "/cluster/controlplane", module + "/cluster/access"},
		{"composition root", "edge/aws", module + "/server", module + "/service/iam"},
		{"etcd", "service/eks", "go.etcd.io/etcd/client/v3", "context"},
		{"AWS SDK", "service/eks", "github.com/aws/aws-sdk-go-v2/service/eks/types", module},
		{"Kubernetes modules", "cluster/controlplane", "k8s.io/api/core/v1", "crypto/tls"},
		{"processes", "cluster/controlplane", "os/exec", "os"},
	} {
		var rule Rule
		for _, r := range Rules {
			if r.Name == tt.rule {
				rule = Rule{Name: r.Name, Reason: r.Reason, Allows: r.Allows}
			}
		}
		if rule.Allows == nil {
			t.Fatalf("no rule %q", tt.rule)
		}
		broken := Check([]Rule{rule}, []Package{{Path: tt.pkg, Imports: []string{tt.good, tt.bad}}})
		if len(broken) != 1 || !strings.Contains(broken[0], strings.TrimPrefix(tt.bad, module+"/")) {
			t.Errorf("rule %q on %q importing %s and %s: got %q, want only the second refused", tt.rule, tt.pkg, tt.good, tt.bad, broken)
		}
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	rule := Rule{
		Name:   "no processes",
		Reason: "a test",
		Allows: func(_, what string, _ bool) bool { return what != "os/exec" },
		Exceptions: map[string]string{
			"a -> os/exec": "a reason",
			"b -> os/exec": "a reason that is gone",
		},
	}
	broken := Check([]Rule{rule}, []Package{{Path: "a", Imports: []string{"os/exec"}}, {Path: "b"}})
	if len(broken) != 1 || !strings.Contains(broken[0], "nothing needs: b -> os/exec") {
		t.Errorf("got %q, want only the unused exception", broken)
	}
}

// list asks the go command for every package of the main module.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []Package
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		packages = append(packages, Package{Path: path, Imports: p.Imports})
	}
}
