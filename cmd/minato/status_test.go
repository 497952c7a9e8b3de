package main

import (
	"strings"
	"testing"

	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/server/control"
)

// TestPrintStatus reads the table as a person would: each process beside the name of its cluster, trouble where it belongs.
func TestPrintStatus(t *testing.T) {
	api := func(id string) []supervisor.Status {
		return []supervisor.Status{{Name: "clusters/" + id + "/kube-apiserver-1", State: supervisor.Running, PID: 7}}
	}
	st := control.Status{
		Version: "1.0", Endpoint: "http://127.0.0.1:4566", Home: "/h", Accounts: []string{"111122223333"}, Minors: []string{"1.35", "1.36"},
		Etcd:      control.Etcd{Endpoints: []string{"https://127.0.0.1:1"}, DBBytes: 3 << 20, Quota: 8 << 30, Alarms: []string{"NOSPACE"}},
		Processes: []supervisor.Status{{Name: "etcd", State: supervisor.Running, PID: 5, Restarts: 2, LastExit: "killed"}},
		Clusters: []control.Cluster{
			{Name: "a", Account: "111122223333", ID: "0c", Version: "1.36", Status: "ACTIVE", Issues: []string{"APIServer: it crashed"}},
			{Name: "prod", Account: "111122223333", ID: "0a", Version: "1.35", Status: "ACTIVE", Endpoint: "https://127.0.0.1:2", Keys: 9, KeyBytes: 2048, Processes: api("0a")},
			{Name: "new", Account: "111122223333", ID: "0b", Version: "1.36", Status: "CREATING", Issues: []string{"Ready: no port is free"}},
		},
	}
	show := func() string {
		var out strings.Builder
		if err := printStatus(&out, st); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	got := show()
	for _, line := range []string{
		"Minato 1.0 is starting at http://127.0.0.1:4566",
		"etcd https://127.0.0.1:1, 3 MiB of 8.0 GiB, ALARM NOSPACE",
		"prod 111122223333 1.35 ACTIVE https://127.0.0.1:2 0 KiB 9 keys, 2 KiB",
		"new 111122223333 1.36 CREATING - 0 KiB 0 keys, 0 KiB",
		"! new: Ready: no port is free",
		"etcd - running 5 - 2 0 KiB killed",
		"kube-apiserver-1 prod running 7 - 0 0 KiB -",
	} {
		if !containsLine(got, line) {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}

	if a, prod := strings.Index(got, "1.36     ACTIVE"), strings.Index(got, "1.35     ACTIVE"); a < 0 || prod < 0 {
		t.Errorf("an issue parts the columns:\n%s", got)
	}

	st.Accounts = append(st.Accounts, "444455556666")
	if got := show(); !containsLine(got, "kube-apiserver-1 prod of 111122223333 running 7") {
		t.Errorf("with two accounts a process is not told apart:\n%s", got)
	}
	st.Etcd.Error = "it does not answer"
	if got := show(); !strings.Contains(got, "TROUBLE: it does not answer") {
		t.Errorf("trouble with etcd is not shown:\n%s", got)
	}
	st.Clusters, st.Corrupt, st.Processes = nil, []string{"record /minato/eks/clusters/a is corrupt: EOF"}, api("0a")
	got = show()
	for _, line := range []string{"! record /minato/eks/clusters/a is corrupt: EOF; ", "kube-apiserver-1 0a running 7"} {
		if !containsLine(got, line) {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	st.Corrupt = nil
	if got := show(); !strings.Contains(got, "none yet: aws eks create-cluster makes one") {
		t.Errorf("without clusters there is no hint:\n%s", got)
	}
}

// containsLine compares without the width of columns.
func containsLine(text, want string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.Join(strings.Fields(line), " "), want) {
			return true
		}
	}
	return false
}
