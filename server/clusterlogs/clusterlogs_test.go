package clusterlogs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/server/control"
)

func TestSelected(t *testing.T) {
	c := control.Cluster{Name: "prod", LoggingTypes: []string{"api", "audit"}}
	for component, want := range map[string]string{"": "kube-apiserver audit", "audit": "audit", "api": "kube-apiserver", "kube-apiserver": "kube-apiserver"} {
		got, err := selected(c, component)
		if err != nil {
			t.Errorf("%q: %v", component, err)
			continue
		}
		var names []string
		for _, s := range got {
			names = append(names, s.component)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%q selects %v, want %s", component, names, want)
		}
	}
	if _, err := selected(c, "scheduler"); err == nil || !strings.Contains(err.Error(), "aws eks update-cluster-config --name prod") {
		t.Errorf("a log type that is off should say how to switch it on: %v", err)
	}
	if _, err := selected(c, "kubelet"); err == nil || !strings.Contains(err.Error(), "kube-scheduler") {
		t.Errorf("an unknown component should name the known ones: %v", err)
	}
	if _, err := selected(control.Cluster{Name: "dark"}, ""); err == nil {
		t.Error("a cluster with all log types off prints something")
	}
}

// TestPick never takes one account's cluster for another's of the same name.
func TestPick(t *testing.T) {
	clusters := []control.Cluster{{Name: "prod", ID: "0a", Account: "111122223333"}, {Name: "prod", ID: "0b", Account: "444455556666"}, {Name: "dev", ID: "0c"}}
	for wanted, id := range map[string]string{"dev": "0c", "0a": "0a", "0b": "0b"} {
		if c, err := pick(clusters, wanted); err != nil || c.ID != id {
			t.Errorf("%q is %q, %v, want %q", wanted, c.ID, err, id)
		}
	}
	for wanted, text := range map[string]string{"prod": "0b of account 444455556666", "none": "there are: prod, prod, dev"} {
		if _, err := pick(clusters, wanted); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: error %v, want one with %q", wanted, err, text)
		}
	}
}

// TestFollow prints whole lines only, each once, also across a rotation that cuts the file.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	write := func(s string, flag int) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	s := source{path: path, prefix: "a: ", keep: func(line []byte) bool { return !bytes.Contains(line, []byte("other")) }}
	var out bytes.Buffer
	step := func(want string) {
		t.Helper()
		out.Reset()
		if err := s.print(&out); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
	write("one\nother\ntw", 0)
	step("a: one\n")
	write("o\n", os.O_APPEND)
	step("a: two\n")
	step("")
	write("three\n", os.O_TRUNC)
	step("a: three\n")
}
