package etcd_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc/codes"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/etcd/etcderr"
	"minato.dev/minato/engine/etcd/etcdtest"
	"minato.dev/minato/internal/pki"
)

// tenant is a client that comes as a tenant which EnsureTenant has made.
func tenant(t *testing.T, s *etcdtest.Server, id string) *clientv3.Client {
	t.Helper()
	if err := s.Admin.EnsureTenant(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	pair, err := s.Admin.TenantIdentity(id)
	if err != nil {
		t.Fatal(err)
	}
	return as(t, s, pair)
}

// as is a client with a certificate.
func as(t *testing.T, s *etcdtest.Server, pair pki.Pair) *clientv3.Client {
	t.Helper()
	dir := t.TempDir()
	target := s.Config.PKI.Target(etcd.Root, s.Endpoint())
	target.CertFile, target.KeyFile = filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	for file, b := range map[string][]byte{target.CertFile: pair.CertPEM, target.KeyFile: pair.KeyPEM} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return etcdtest.Connect(t, target)
}

// attempt is something that a client tries.
type attempt struct {
	name string
	do   func(ctx context.Context, c *clientv3.Client) error
}

func get(key string, opts ...clientv3.OpOption) attempt {
	return attempt{"get " + key, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Get(ctx, key, opts...)
		return err
	}}
}

func put(key string) attempt {
	return attempt{"put " + key, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Put(ctx, key, "x")
		return err
	}}
}

func remove(key string, opts ...clientv3.OpOption) attempt {
	return attempt{"delete " + key, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Delete(ctx, key, opts...)
		return err
	}}
}

func txn(name string, cmps []clientv3.Cmp, then, otherwise []clientv3.Op) attempt {
	return attempt{"txn " + name, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Txn(ctx).If(cmps...).Then(then...).Else(otherwise...).Commit()
		return err
	}}
}

func watch(key string, opts ...clientv3.OpOption) attempt {
	return attempt{"watch " + key, func(ctx context.Context, c *clientv3.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		resp, ok := <-c.Watch(ctx, key, append(opts, clientv3.WithCreatedNotify())...)
		if !ok {
			return ctx.Err()
		}
		return resp.Err()
	}}
}

// reach is every way to touch a prefix, or a range that contains it.
func reach(prefix string) []attempt {
	key := prefix + "secret"
	everything := clientv3.WithFromKey()
	return []attempt{
		get(key), get(prefix, clientv3.WithPrefix()), get(key, clientv3.WithSerializable()), get(prefix, clientv3.WithPrefix(), clientv3.WithCountOnly()),
		get("\x00", everything), get(key, everything), get("/", clientv3.WithPrefix(), clientv3.WithKeysOnly()),
		put(key), put(prefix + "new"),
		remove(key), remove(prefix, clientv3.WithPrefix()), remove("\x00", everything),
		watch(key), watch(prefix, clientv3.WithPrefix()), watch("\x00", everything), watch(key, clientv3.WithRev(1)),
		txn("get "+key, nil, []clientv3.Op{clientv3.OpGet(key)}, nil),
		txn("put "+key, nil, []clientv3.Op{clientv3.OpPut(key, "x")}, nil),
		txn("delete "+key, nil, nil, []clientv3.Op{clientv3.OpDelete(key)}),
		txn("compare "+key, []clientv3.Cmp{clientv3.Compare(clientv3.Value(key), "=", "guess")}, nil, nil),
		txn("compare range "+prefix, []clientv3.Cmp{clientv3.Compare(clientv3.Version(prefix), ">", 0).WithPrefix()}, nil, nil),
		txn("nested get "+key, nil, []clientv3.Op{clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(key)}, nil)}, nil),
		txn("nested compare "+key, nil, []clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value(key), "=", "guess")}, nil, nil)}, nil),
		{"range stream " + key, func(ctx context.Context, c *clientv3.Client) error {
			stream, err := etcdserverpb.NewKVClient(c.ActiveConnection()).RangeStream(ctx, &etcdserverpb.RangeRequest{Key: []byte(key)})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		}},
		{"lock " + key, func(ctx context.Context, c *clientv3.Client) error {
			_, err := v3lockpb.NewLockClient(c.ActiveConnection()).Lock(ctx, &v3lockpb.LockRequest{Name: []byte(key)})
			return err
		}},
		{"elect " + key, func(ctx context.Context, c *clientv3.Client) error {
			_, err := v3electionpb.NewElectionClient(c.ActiveConnection()).Campaign(ctx, &v3electionpb.CampaignRequest{Name: []byte(key), Value: []byte("x")})
			return err
		}},
		{"leader of " + key, func(ctx context.Context, c *clientv3.Client) error {
			_, err := v3electionpb.NewElectionClient(c.ActiveConnection()).Leader(ctx, &v3electionpb.LeaderRequest{Name: []byte(prefix)})
			return err
		}},
		{"lock by recipe " + key, func(ctx context.Context, c *clientv3.Client) error {
			session, err := concurrency.NewSession(c, concurrency.WithContext(ctx))
			if err != nil {
				return fmt.Errorf("making a lease, which everybody may: %w", err)
			}
			defer session.Close()
			return concurrency.NewMutex(session, key).Lock(ctx)
		}},
	}
}

// rule is every way to act as an administrator.
func rule(member uint64) []attempt {
	api := func(name string, do func(ctx context.Context, c *clientv3.Client) error) attempt {
		return attempt{name, do}
	}
	return []attempt{
		put("compact_rev_key"), remove("compact_rev_key"), put("elsewhere"), get("elsewhere"),
		api("compact", func(ctx context.Context, c *clientv3.Client) error { _, err := c.Compact(ctx, 2); return err }),
		api("defragment", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Defragment(ctx, c.Endpoints()[0])
			return err
		}),
		api("snapshot", func(ctx context.Context, c *clientv3.Client) error {
			r, err := c.Snapshot(ctx)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		}),
		api("hash", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.HashKV(ctx, c.Endpoints()[0], 0)
			return err
		}),
		api("move leader", func(ctx context.Context, c *clientv3.Client) error { _, err := c.MoveLeader(ctx, 1); return err }),
		api("disarm", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: member, Alarm: etcdserverpb.AlarmType_NOSPACE})
			return err
		}),
		api("raise an alarm", func(ctx context.Context, c *clientv3.Client) error {
			_, err := etcdserverpb.NewMaintenanceClient(c.ActiveConnection()).Alarm(ctx, &etcdserverpb.AlarmRequest{
				Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: member, Alarm: etcdserverpb.AlarmType_NOSPACE})
			return err
		}),
		api("downgrade", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Downgrade(ctx, clientv3.DowngradeEnable, "3.6.0")
			return err
		}),
		api("add member", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.MemberAdd(ctx, []string{"http://127.0.0.1:1"})
			return err
		}),
		api("remove member", func(ctx context.Context, c *clientv3.Client) error { _, err := c.MemberRemove(ctx, member); return err }),
		api("update member", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.MemberUpdate(ctx, member, []string{"http://127.0.0.1:1"})
			return err
		}),
		api("disable auth", func(ctx context.Context, c *clientv3.Client) error { _, err := c.AuthDisable(ctx); return err }),
		api("list users", func(ctx context.Context, c *clientv3.Client) error { _, err := c.UserList(ctx); return err }),
		api("get user", func(ctx context.Context, c *clientv3.Client) error { _, err := c.UserGet(ctx, "root"); return err }),
		api("add user", func(ctx context.Context, c *clientv3.Client) error { _, err := c.UserAdd(ctx, "eve", "x"); return err }),
		api("delete user", func(ctx context.Context, c *clientv3.Client) error { _, err := c.UserDelete(ctx, "k8s-b"); return err }),
		api("change password", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.UserChangePassword(ctx, "root", "x")
			return err
		}),
		api("grant root", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.UserGrantRole(ctx, "k8s-a", "root")
			return err
		}),
		api("list roles", func(ctx context.Context, c *clientv3.Client) error { _, err := c.RoleList(ctx); return err }),
		api("add role", func(ctx context.Context, c *clientv3.Client) error { _, err := c.RoleAdd(ctx, "eve"); return err }),
		api("get role", func(ctx context.Context, c *clientv3.Client) error { _, err := c.RoleGet(ctx, "k8s-b"); return err }),
		api("widen own role", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.RoleGrantPermission(ctx, "k8s-a", "/", "0", clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		}),
	}
}

// denied is that etcd refuses every attempt, for want of permission.
func denied(t *testing.T, c *clientv3.Client, attempts ...attempt) {
	t.Helper()
	// The first request makes the connection that raw calls go over.
	_, _ = c.Get(t.Context(), "/")
	for _, a := range attempts {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := a.do(ctx, c)
		cancel()
		// etcd's lock and election services lose the code and keep the text.
		if err == nil || etcderr.Code(err) != codes.PermissionDenied && !strings.HasSuffix(err.Error(), "etcdserver: permission denied") {
			t.Errorf("%s: %v, want permission denied", a.name, err)
		}
	}
}

func allowed(t *testing.T, c *clientv3.Client, attempts ...attempt) {
	t.Helper()
	for _, a := range attempts {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := a.do(ctx, c); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
		cancel()
	}
}

// TestIdentitiesAreWalledOff tries everything that a stolen certificate could be used for.
func TestIdentitiesAreWalledOff(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a, b := tenant(t, s, "a"), tenant(t, s, "b")
	hook, gate, vpc := s.Connect(t, etcd.Hook), s.Connect(t, etcd.Gate), s.Connect(t, etcd.VPC)
	prefix := clientv3.WithPrefix()
	allowed(t, s.Client, put("/minato/secret"), put("/minato/routes/r"), put("compact_rev_key"), put("/k8s/"), put("/k8s/ab/secret"))
	for id, c := range map[string]*clientv3.Client{"a": a, "b": b} {
		p := "/k8s/" + id + "/"
		allowed(t, c, put(p+"secret"), get(p, prefix), watch(p, prefix), remove(p+"x"), get("compact_rev_key"), watch("compact_rev_key"))
	}
	status, err := s.Client.Status(t.Context(), s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	admin := rule(status.Header.MemberId)

	for name, c := range map[string]*clientv3.Client{"tenant a": a, "hook": hook, "gate": gate, "vpc": vpc} {
		for _, p := range []string{"/k8s/b/", "/k8s/ab/", "/k8s/", "/zzz/"} {
			t.Run(name+" "+p, func(t *testing.T) { denied(t, c, reach(p)...) })
		}
		t.Run(name+" admin", func(t *testing.T) { denied(t, c, admin...) })
	}
	t.Run("tenant a records", func(t *testing.T) { denied(t, a, reach("/minato/")...) })
	t.Run("gate records", func(t *testing.T) { denied(t, gate, reach("/minato/")...) })
	t.Run("vpc records", func(t *testing.T) { denied(t, vpc, reach("/minato/")...) })
	t.Run("vpc instances", func(t *testing.T) { denied(t, vpc, reach("/minato/ec2/instances/")...) })
	t.Run("gate cluster", func(t *testing.T) { denied(t, gate, reach("/k8s/a/")...) })

	allowed(t, hook, get("/minato/", prefix), watch("/minato/", prefix), get("/minato/routes/r"))
	allowed(t, gate, get("/minato/routes/", prefix), watch("/minato/routes/", prefix))
	for _, p := range []string{"/minato/routes/", "/minato/ec2/vpcs/", "/minato/ec2/network-interfaces/"} {
		allowed(t, vpc, get(p, prefix), watch(p, prefix))
		denied(t, vpc, put(p+"new"), remove(p, prefix))
	}
	denied(t, hook, put("/minato/secret"), put("/minato/new"), remove("/minato/secret"), remove("/minato/", prefix), get("compact_rev_key"))
	denied(t, gate, put("/minato/routes/r"), put("/minato/routes/new"), remove("/minato/routes/", prefix), get("/minato/routes"), get("compact_rev_key"))

	for _, password := range []string{"", "root"} {
		if _, err := a.Authenticate(t.Context(), "root", password); err == nil {
			t.Errorf("a tenant logged in as root with password %q", password)
		}
	}
	resp, err := s.Client.Get(t.Context(), "\x00", clientv3.WithFromKey(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	keys := ""
	for _, kv := range resp.Kvs {
		keys += string(kv.Key) + " "
	}
	if want := "/k8s/ /k8s/a/secret /k8s/ab/secret /k8s/b/secret /minato/routes/r /minato/secret compact_rev_key "; keys != want {
		t.Errorf("after all attempts etcd holds\n%s, want\n%s", keys, want)
	}
}

// TestLeasesOfOthers: a lease belongs to nobody, but one that holds keys can be ended or looked into only by who may touch
// these keys.
func TestLeasesOfOthers(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	a, b := tenant(t, s, "a"), tenant(t, s, "b")
	lease, err := b.Grant(t.Context(), 600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "/k8s/b/event", "x", clientv3.WithLease(lease.ID)); err != nil {
		t.Fatal(err)
	}
	denied(t, a,
		attempt{"revoke", func(ctx context.Context, c *clientv3.Client) error { _, err := c.Revoke(ctx, lease.ID); return err }},
		attempt{"look into", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
			return err
		}},
		attempt{"detach", func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Put(ctx, "/k8s/b/event", "", clientv3.WithIgnoreValue())
			return err
		}},
	)
	if resp, err := b.Get(t.Context(), "/k8s/b/event"); err != nil || len(resp.Kvs) != 1 {
		t.Fatalf("the event is gone: %v, %v", resp, err)
	}
}

// TestStrangersAreRefused: nobody gets in whose certificate the tenant CA has not signed for a client, nor a user etcd does
// not know.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	s := etcdtest.Start(t)
	authority, err := s.Config.PKI.Authority()
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.NewAuthority("minato etcd", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(a *pki.Authority, r pki.Request) *tls.Certificate {
		r.Validity = time.Hour
		pair, err := a.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := pair.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return &cert
	}
	for name, cert := range map[string]*tls.Certificate{
		"no certificate":          nil,
		"of another CA":           issue(other, pki.Request{CommonName: "root", Client: true}),
		"of a server":             issue(authority, pki.Request{CommonName: "root", Server: true}),
		"signed by a tenant":      issue(leafAsAuthority(t, s), pki.Request{CommonName: "root", Client: true}),
		"expired before it began": expired(t, authority),
	} {
		config := &tls.Config{RootCAs: authority.Pool()}
		if cert != nil {
			// A client sends what it is told to, also what the server did not ask for.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		}
		if err := handshake(t, s.Endpoint(), config); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
	stranger, err := authority.Issue(pki.Request{CommonName: "stranger", Client: true, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := authority.Issue(pki.Request{Client: true, Validity: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range []pki.Pair{stranger, nameless} {
		c := as(t, s, pair)
		for _, a := range []attempt{get("/minato/"), put("/x"), get("\x00", clientv3.WithFromKey()), watch("/minato/")} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := a.do(ctx, c); err == nil || ctx.Err() != nil {
				t.Errorf("%s by an unknown user: %v, want an error", a.name, err)
			}
			cancel()
		}
	}
}

// handshake completes a TLS handshake and reads, for TLS 1.3 tells a client only then that it was refused.
func handshake(t *testing.T, endpoint string, config *tls.Config) error {
	t.Helper()
	config.NextProtos = []string{"h2"}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", endpoint, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// leafAsAuthority is a tenant who signs certificates with a key that is no CA's.
func leafAsAuthority(t *testing.T, s *etcdtest.Server) *pki.Authority {
	t.Helper()
	pair, err := s.Admin.TenantIdentity("mallory")
	if err != nil {
		t.Fatal(err)
	}
	a, err := pki.LoadAuthority(pair)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func expired(t *testing.T, a *pki.Authority) *tls.Certificate {
	t.Helper()
	pair, err := a.Issue(pki.Request{CommonName: "root", Client: true, Validity: -time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}
