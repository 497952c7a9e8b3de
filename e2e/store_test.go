package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/testenv"
	"minato.dev/minato/service/eks"
)

// openEtcd looks behind the server's back, into its etcd, as root.
func openEtcd(t *testing.T, e *testenv.Env) *clientv3.Client {
	t.Helper()
	cfg, err := e.Home.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	c, err := etcd.Connect(etcd.PKI(e.Home.PKI()).Target(etcd.Root, cfg.EtcdEndpoints...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestDeleteLeavesNothing: of a deleted cluster no process, file, port, etcd key or etcd user is left, and its name is free.
func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	admin := e.Admin(t)
	k := createCluster(t, admin, "prod")
	k.write(t, "some", "data")
	c := e.Status(t).Clusters[0]
	if len(testenv.ProcessesOf(c.ID)) < 3 || len(traces(t, e, c.ID)) == 0 {
		t.Fatalf("a living cluster has processes %v and traces %v: this test would see nothing", testenv.ProcessesOf(c.ID), traces(t, e, c.ID))
	}

	k.delete(t)
	if pids := testenv.ProcessesOf(c.ID); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}
	for _, trace := range traces(t, e, c.ID) {
		t.Errorf("left: %s", trace)
	}
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.DialTimeout("tcp", endpoint.Host, time.Second); err == nil {
		_ = conn.Close()
		t.Errorf("something still listens on %s", endpoint.Host)
	}

	again := &cluster{name: "prod", client: admin}
	ids := subnets(t, admin)
	role := admin.AWS(t, "iam", "get-role", "--role-name", "prod", "--query", "Role.Arn", "--output", "text")
	admin.AWS(t, "eks", "create-cluster", "--name", "prod", "--role-arn", role, "--resources-vpc-config", "subnetIds="+ids)
	again.waitActive(t)
	if r := admin.TryKubectl(t, again.config, "get", "configmap", "some"); r.ExitCode == 0 {
		t.Errorf("the new cluster has the old one's data: %s", r)
	}
	again.delete(t)
}

// traces are the files, etcd keys and etcd users that name a cluster's id.
func traces(t *testing.T, e *testenv.Env, id string) (found []string) {
	t.Helper()
	for _, root := range []string{string(e.Home), e.Home.Run()} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if strings.Contains(path, id) {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	store := openEtcd(t, e)
	all, err := store.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range all.Kvs {
		if bytes.Contains(kv.Key, []byte(id)) {
			found = append(found, fmt.Sprintf("etcd key %q", kv.Key))
		}
	}
	users, err := store.UserList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	roles, err := store.RoleList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(users.Users, roles.Roles...) {
		if strings.Contains(name, id) {
			found = append(found, "etcd user or role "+name)
		}
	}
	return found
}

// TestCorruptRecord spoils one cluster's record. The others go on, and the server says what is wrong.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	admin := e.Admin(t)
	good := createCluster(t, admin, "good")
	bad := createCluster(t, admin, "spoilt")

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	store := openEtcd(t, e)
	records, err := store.Get(ctx, eks.ClustersPrefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var key, record string
	for _, kv := range records.Kvs {
		if strings.HasSuffix(string(kv.Key), "/spoilt") {
			key, record = string(kv.Key), string(kv.Value)
		}
	}
	if key == "" {
		t.Fatalf("no record of the cluster among %d", len(records.Kvs))
	}
	if _, err := store.Put(ctx, key, "\x00 not a record"); err != nil {
		t.Fatal(err)
	}

	if got := admin.AWS(t, "eks", "describe-cluster", "--name", "good", "--query", "cluster.status", "--output", "text"); got != "ACTIVE" {
		t.Errorf("the good cluster is %s", got)
	}
	good.write(t, "still", "works")
	admin.RefusedAWS(t, []string{"ServerException"}, "eks", "describe-cluster", "--name", "spoilt")
	e.Interrupt(t)
	e.Up(t)
	good.comesUp(t)
	good.holds(t, "still", "works")

	// Put right, it is as it was.
	store = openEtcd(t, e)
	if _, err := store.Put(ctx, key, record); err != nil {
		t.Fatal(err)
	}
	bad.comesUp(t)
	bad.write(t, "back", "again")
	bad.delete(t)
	good.delete(t)
}

// TestBackup carries everything to another home, as to another machine.
func TestBackup(t *testing.T) {
	t.Parallel()
	old := testenv.Start(t, testenv.Options{})
	admin := old.Admin(t)
	k := createCluster(t, admin, "prod")
	k.write(t, "precious", "yes")
	k.kubectl(t, "create", "secret", "generic", "sealed", "--from-literal=value=deep")
	file := filepath.Join(t.TempDir(), "minato.backup")
	old.Minato(t, "backup", file)
	k.write(t, "later", "lost")
	old.Interrupt(t)

	moved := testenv.New(t, testenv.Options{})
	moved.Minato(t, "restore", file)
	moved.Up(t)
	// The same administrator, with the same keys, at the new address.
	k = &cluster{name: "prod", client: moved.Admin(t)}
	if got, want := k.client.Getenv("AWS_ACCESS_KEY_ID"), admin.Getenv("AWS_ACCESS_KEY_ID"); got != want {
		t.Errorf("the administrator's key is %s, want %s", got, want)
	}
	k.comesUp(t)
	k.holds(t, "precious", "yes")
	if got := k.kubectl(t, "get", "secret", "sealed", "-o", "jsonpath={.data.value}"); got != "ZGVlcA==" {
		t.Errorf("the secret is %q", got)
	}
	if r := k.client.TryKubectl(t, k.config, "get", "configmap", "later"); !strings.Contains(r.Stderr, "NotFound") {
		t.Errorf("what was written after the backup should be gone: %s", r)
	}
	if r := moved.TryMinato(t, "restore", file); r.ExitCode != 1 {
		t.Errorf("a restore over a running server was not refused: %s", r)
	}
	k.delete(t)
}
