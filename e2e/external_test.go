package e2e

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd/etcdtest"
	"minato.dev/minato/internal/testenv"
)

// TestExternalEtcd keeps everything in an etcd that Minato does not run.
func TestExternalEtcd(t *testing.T) {
	t.Parallel()
	external := etcdtest.Start(t)
	pem := func(name string) string { return filepath.Join(string(external.Config.PKI), name) }
	endpoint := "https://" + external.Endpoint()

	missing := testenv.New(t, testenv.Options{})
	r := missing.TryMinato(t, "up", "--listen", missing.Listen, "--etcd-endpoints", endpoint, "--etcd-cafile", pem("etcd-server-ca.crt"))
	if r.ExitCode == 0 || !strings.Contains(r.Stderr, "root client certificate") || !strings.Contains(r.Stderr, "client CA") {
		t.Errorf("an external etcd without certificates should be refused with what is missing: %s", r)
	}

	e := testenv.Start(t, testenv.Options{Args: []string{
		"--etcd-endpoints", endpoint, "--etcd-cafile", pem("etcd-server-ca.crt"),
		"--etcd-certfile", pem("etcd-root.crt"), "--etcd-keyfile", pem("etcd-root.key"),
		"--etcd-client-cafile", pem("etcd-ca.crt"), "--etcd-client-ca-keyfile", pem("etcd-ca.key"),
	}})
	if p, ok := e.Status(t).All()["etcd"]; ok {
		t.Errorf("an etcd of our own runs beside the external one: %+v", p)
	}
	k := createCluster(t, e.Admin(t), "prod")
	k.write(t, "kept", "elsewhere")
	e.Interrupt(t)
	e.Up(t)
	k.comesUp(t)
	k.holds(t, "kept", "elsewhere")
	id := e.Status(t).Clusters[0].ID
	k.delete(t)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	all, err := external.Client.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Kvs) == 0 {
		t.Error("the external etcd is empty: the records are not in it")
	}
	for _, kv := range all.Kvs {
		if bytes.Contains(kv.Key, []byte(id)) {
			t.Errorf("key %q of the deleted cluster is left", kv.Key)
		}
	}
}
