package eks

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

func registration(name string) RegisterClusterRequest {
	return RegisterClusterRequest{Name: name, RoleARN: "arn:aws:iam::111122223333:role/connector", Provider: "OTHER"}
}

func testKeys(t *testing.T) json.RawMessage {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"k","n":%q,"e":"AQAB"}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes())))
}

func TestConnectedCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	r := registration("edge")
	r.Tags, r.ClientRequestToken = minato.Tags{"a": "b"}, "t1"
	made, err := w.RegisterCluster(t.Context(), alice, r)
	if err != nil || made.Status.Status != ClusterPending || made.Connector.Provider != "OTHER" {
		t.Fatalf("%+v, %v", made, err)
	}
	if again, err := w.RegisterCluster(t.Context(), alice, r); err != nil || again.ID != made.ID {
		t.Errorf("the same request again: %s, %v", again.ID, err)
	}
	r.ClientRequestToken = "t2"
	_, err = w.RegisterCluster(t.Context(), alice, r)
	wantKind(t, "the name again", err, minato.AlreadyExists, "Cluster already exists with name: edge")
	_, err = w.RegisterCluster(t.Context(), alice, registration("prod"))
	wantKind(t, "the name of a cluster of ours", err, minato.AlreadyExists, "prod")
	_, err = w.CreateCluster(t.Context(), alice, request("edge"))
	wantKind(t, "a cluster of ours by that name", err, minato.AlreadyExists, "edge")

	names := func(include ...string) []string {
		t.Helper()
		l, err := w.ListClusters(t.Context(), alice, PageRequest{}, include)
		if err != nil {
			t.Fatal(err)
		}
		return l.Names
	}
	if got := names(); !cmp.Equal(got, []string{"prod"}) {
		t.Errorf("clusters %q", got)
	}
	if got := names("all"); !cmp.Equal(got, []string{"edge", "prod"}) {
		t.Errorf("all clusters %q", got)
	}

	// What it is for.
	p := podIdentityRequest("app")
	p.ClusterName = "edge"
	a, err := w.CreatePodIdentityAssociation(t.Context(), alice, p)
	if err != nil || a.ClusterID != made.ID {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := w.UpdatePodIdentityAssociation(t.Context(), alice, UpdatePodIdentityRequest{ClusterName: "edge", ID: a.ID, DisableSessionTags: new(true)}); err != nil {
		t.Error(err)
	}
	if err := w.TagResource(t.Context(), alice, made.ARN().String(), minato.Tags{"c": "d"}); err != nil {
		t.Error(err)
	}
	if err := w.TagResource(t.Context(), alice, a.ARN().String(), minato.Tags{"c": "d"}); err != nil {
		t.Error(err)
	}
	keys := testKeys(t)
	connected, err := w.ConnectCluster(t.Context(), testScope, "edge", "https://kubernetes.default.svc", keys)
	if err != nil || connected.Status.Status != ClusterActive || connected.Status.Issuer != "https://kubernetes.default.svc" {
		t.Errorf("%+v, %v", connected, err)
	}
	if got, err := w.DescribeCluster(t.Context(), alice, "edge"); err != nil || len(got.Tags) != 2 {
		t.Errorf("%+v, %v", got, err)
	}

	// What it is not for.
	_, err = w.DeleteCluster(t.Context(), alice, "edge")
	wantKind(t, "DeleteCluster", err, minato.WrongState, "eks:DeleteCluster is not for such clusters")
	_, err = w.CreateAddon(t.Context(), alice, CreateAddonRequest{ClusterName: "edge", Name: "dns"})
	wantKind(t, "CreateAddon", err, minato.WrongState, "runs elsewhere")
	_, err = w.DeregisterCluster(t.Context(), alice, "prod")
	wantKind(t, "deregistering a cluster of ours", err, minato.WrongState, "DeleteCluster")

	if gone, err := w.DeregisterCluster(t.Context(), alice, "edge"); err != nil || gone.Status.Status != ClusterDeleting {
		t.Errorf("%+v, %v", gone, err)
	}
	_, err = w.DescribeCluster(t.Context(), alice, "edge")
	wantKind(t, "afterwards", err, minato.NotFound, "No cluster found for name: edge.")
	if l, err := w.Store.List(t.Context(), PodIdentityPrefix, store.ListOptions{}); err != nil || len(l.Entries) > 0 {
		t.Errorf("%d associations are left, %v", len(l.Entries), err)
	}
}

func TestBadRegistrations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deny = func(a iam.Access) bool { return a.Action == "iam:PassRole" && a.Resource.ResourceName() == "secret" }
	for name, tt := range map[string]struct {
		change func(*RegisterClusterRequest)
		kind   minato.Kind
		text   string
	}{
		"name":          {func(r *RegisterClusterRequest) { r.Name = "-" }, minato.Invalid, `"-"`},
		"provider":      {func(r *RegisterClusterRequest) { r.Provider = "K3S" }, minato.Invalid, `"K3S"`},
		"role":          {func(r *RegisterClusterRequest) { r.RoleARN = "connector" }, minato.Invalid, "roleArn"},
		"no role":       {func(r *RegisterClusterRequest) { r.RoleARN = "arn:aws:iam::111122223333:role/none" }, minato.Invalid, "cannot be found"},
		"no trust":      {func(r *RegisterClusterRequest) { r.RoleARN = "arn:aws:iam::111122223333:role/lambda" }, minato.Invalid, "trust policy"},
		"other account": {func(r *RegisterClusterRequest) { r.RoleARN = farRole }, minato.Invalid, "Cross-account"},
		"not passed":    {func(r *RegisterClusterRequest) { r.RoleARN = "arn:aws:iam::111122223333:role/secret" }, minato.Denied, "iam:PassRole"},
		"tags":          {func(r *RegisterClusterRequest) { r.Tags = minato.Tags{"aws:x": "y"} }, minato.Invalid, "reserved"},
	} {
		r := registration("edge")
		tt.change(&r)
		_, err := w.RegisterCluster(t.Context(), alice, r)
		wantKind(t, name, err, tt.kind, tt.text)
	}
	for i := range maxConnected {
		if _, err := w.RegisterCluster(t.Context(), alice, registration(fmt.Sprintf("edge-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.RegisterCluster(t.Context(), alice, registration("edge"))
	wantKind(t, "one more", err, minato.LimitExceeded, "at most 10")

	_, err = w.ConnectCluster(t.Context(), testScope, "none", "https://i", testKeys(t))
	wantKind(t, "nothing to connect", err, minato.NotFound, "aws eks register-cluster")
	_, err = w.ConnectCluster(t.Context(), testScope, "edge-0", "https://i", json.RawMessage(`{"keys":[]}`))
	wantKind(t, "no keys", err, minato.Invalid, "no key that verifies")
	_, err = w.ConnectCluster(t.Context(), testScope, "edge-0", "", testKeys(t))
	wantKind(t, "no issuer", err, minato.Invalid, "issuer")
}

// overtaken is a store in which something happens just before its next commit.
type overtaken struct {
	store.Store
	before func()
}

func (o *overtaken) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	if before := o.before; before != nil {
		o.before = nil
		before()
	}
	return o.Store.Commit(ctx, ops...)
}

// TestOneNameOneCluster has a cluster registered and one created by the same name, so that both find the name free: one of them gets it.
func TestOneNameOneCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	records := &overtaken{Store: w.Store}
	w.Store = records
	create := func(name string) error { _, err := w.CreateCluster(t.Context(), alice, request(name)); return err }
	register := func(name string) error {
		_, err := w.RegisterCluster(t.Context(), alice, registration(name))
		return err
	}
	for name, ops := range map[string][2]func(string) error{"registered-first": {register, create}, "created-first": {create, register}} {
		records.before = func() {
			if err := ops[0](name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		wantKind(t, name, ops[1](name), minato.AlreadyExists, "Cluster already exists with name: "+name)
	}
}
