package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// TestDiskFullWhileCreating fills the disk, writes to one cluster until that is refused and asks for another. When there is
// room again everything heals: whatever was acknowledged is there, and both clusters are active.
func TestDiskFullWhileCreating(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{Disk: 512 << 20})
	admin := e.Admin(t)
	k := createCluster(t, admin, "first")
	k.write(t, "before", "full")
	role, ids := createRole(t, admin, "second"), subnets(t, admin)

	write := writer(t, k) // what it needs of the API, it asks for while there is room

	release := e.FillDisk(t)
	written := writeUntilRefused(t, write)
	second := admin.With("AWS_MAX_ATTEMPTS=1").TryAWS(t, "eks", "create-cluster", "--name", "second", "--role-arn", role, "--resources-vpc-config", "subnetIds="+ids)
	if second.ExitCode != 0 && !strings.Contains(second.Stderr, "ServiceUnavailableException") && !strings.Contains(second.Stderr, "ServerException") {
		t.Errorf("a cluster on a full disk: %s", second)
	}
	release()

	testenv.Eventually(t, func() error {
		if r := admin.TryKubectl(t, k.config, "get", "--raw", "/readyz"); r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	k.holds(t, "before", "full")
	for _, name := range written {
		k.kubectl(t, "get", "configmap", name, "-o", "name")
	}
	if second.ExitCode != 0 {
		testenv.Eventually(t, func() error {
			r := admin.TryAWS(t, "eks", "create-cluster", "--name", "second", "--role-arn", role, "--resources-vpc-config", "subnetIds="+ids)
			if r.ExitCode != 0 && !strings.Contains(r.Stderr, "Cluster already exists") {
				return fmt.Errorf("%s", r)
			}
			return nil
		})
	}
	other := &cluster{name: "second", client: admin}
	other.waitActive(t)
	other.write(t, "works", "yes")
}

// writer returns a function that creates a ConfigMap of nearly a megabyte and says whether the cluster took it.
func writer(t *testing.T, k *cluster) func(name string) bool {
	t.Helper()
	endpoint, ca := endpointOf(t, k)
	client := trusting(t, ca)
	token := getToken(t, k.client, k.name)
	value := strings.Repeat("x", 900<<10)
	return func(name string) bool {
		body, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]string{"name": name},
			"data":     map[string]string{"value": value},
		})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/api/v1/namespaces/default/configmaps", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusCreated
	}
}

// writeUntilRefused writes until the cluster takes no more and returns the names of what it acknowledged.
func writeUntilRefused(t *testing.T, write func(name string) bool) (acknowledged []string) {
	t.Helper()
	for i := range 1000 {
		name := fmt.Sprintf("big-%d", i)
		if !write(name) {
			return acknowledged
		}
		acknowledged = append(acknowledged, name)
	}
	t.Fatal("a full disk took a gigabyte")
	return nil
}
