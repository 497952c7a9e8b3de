package ssm_test

import (
	"context"
	"crypto/ed25519"
	"net/netip"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/ssm"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

// world is the service with one role and one cluster.
type world struct {
	*ssm.Service
	now    time.Time
	caller ssm.Caller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC), caller: ssm.Caller{Scope: scope}}
	w.Service = &ssm.Service{
		Store: memstore.New(), Now: func() time.Time { return w.now },
		Authorize: func(context.Context, iam.Access) error { return nil },
		PassRole:  func(context.Context, iam.Pass) error { return nil },
		Role: func(_ context.Context, account, name string) (iam.Role, error) {
			if name != "hybrid" && name != "elsewhere" {
				return iam.Role{}, minato.Errorf(minato.NotFound, "no role")
			}
			return iam.Role{Entity: iam.Entity{Account: account, Path: "/", Name: name}}, nil
		},
		CheckRole: func(_ context.Context, role minato.ARN, service string, activation minato.ARN) error {
			if role.ResourceName() != "hybrid" || service != "ssm.amazonaws.com" || activation.Service != "ssm" || activation.ResourceType() != "activation" {
				return minato.Errorf(minato.Denied, "%s lets %s do nothing for %s", role, service, activation)
			}
			return nil
		},
		Session: func(_ context.Context, role, instance minato.ARN, name string, _ time.Duration) (iam.Temporary, error) {
			return iam.Temporary{AccessKeyID: role.ResourceName() + " for " + instance.Resource + " as " + name}, nil
		},
		Cluster: func(_ context.Context, _ minato.Scope, name string) (ssm.Cluster, error) {
			return ssm.Cluster{
				ID: "c1", Name: name, NodeNetworks: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")},
				PodNetworks: []netip.Prefix{netip.MustParsePrefix("10.10.0.0/16")},
			}, nil
		},
	}
	return w
}

func (w *world) activate(t *testing.T, limit int) (ssm.Activation, string) {
	t.Helper()
	a, code, err := w.CreateActivation(t.Context(), w.caller, ssm.NewActivation{RoleName: "hybrid", Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return a, code
}

// machine is a registration of a new machine, and its key.
func machine(t *testing.T, a ssm.Activation, code, address string) (ssm.Registration, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ssm.Registration{
		ActivationID: a.ID, Code: code, PublicKey: public, Cluster: "prod", Address: netip.MustParseAddr(address),
	}, private
}

func refused(t *testing.T, err error, kind minato.Kind, text string) {
	t.Helper()
	if !minato.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("the error is %v, want one of kind %q with %q", err, kind, text)
	}
}

// TestActivationNeedsItsRole: the role must be there, and Systems Manager must be able to assume it.
func TestActivationNeedsItsRole(t *testing.T) {
	w := newWorld(t)
	for _, role := range []string{"nobody", "elsewhere"} {
		_, _, err := w.CreateActivation(t.Context(), w.caller, ssm.NewActivation{RoleName: role})
		refused(t, err, minato.Invalid, "Nonexistent role or missing ssm service principal in trust policy: "+role)
	}
}

func TestActivationIsUsedUp(t *testing.T) {
	w := newWorld(t)
	a, code := w.activate(t, 2)
	for _, address := range []string{"10.9.0.1", "10.9.0.2"} {
		r, key := machine(t, a, code, address)
		got, err := w.Register(t.Context(), r)
		if err != nil || got.Name != got.InstanceID || !strings.HasPrefix(got.Name, "mi-0") {
			t.Fatalf("%+v, %v", got, err)
		}
		c, err := w.Credentials(t.Context(), ssm.Prove(got.InstanceID, key, w.now), w.now)
		if err != nil || c.AccessKeyID != "hybrid for managed-instance/"+got.InstanceID+" as "+got.Name {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	r, _ := machine(t, a, code, "10.9.0.3")
	_, err := w.Register(t.Context(), r)
	refused(t, err, minato.LimitExceeded, "registration limit")
}

func TestRegistrationIsRefused(t *testing.T) {
	w := newWorld(t)
	a, code := w.activate(t, 100)
	first, _ := machine(t, a, code, "10.9.0.1")
	first.Name, first.PodCIDR = "one", netip.MustParsePrefix("10.10.1.0/24")
	if _, err := w.Register(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*ssm.Registration)
		kind   minato.Kind
		text   string
	}{
		"a wrong code":             {func(r *ssm.Registration) { r.Code = "x" }, minato.Unauthenticated, "wrong"},
		"a wrong id":               {func(r *ssm.Registration) { r.ActivationID = "x" }, minato.Unauthenticated, "wrong"},
		"no key":                   {func(r *ssm.Registration) { r.PublicKey = nil }, minato.Invalid, "Ed25519"},
		"an instance's name":       {func(r *ssm.Registration) { r.Name = "ip-172-31-0-4.ec2.internal" }, minato.Invalid, "name"},
		"another machine's id":     {func(r *ssm.Registration) { r.Name = "mi-0123456789abcdef0" }, minato.Invalid, "name"},
		"a name that is taken":     {func(r *ssm.Registration) { r.Name = "one" }, minato.AlreadyExists, "one"},
		"an address that is taken": {func(r *ssm.Registration) { r.Address = first.Address }, minato.AlreadyExists, "The address 10.9.0.1 is that of one ("},
		"an address outside":       {func(r *ssm.Registration) { r.Address = netip.MustParseAddr("10.8.0.1") }, minato.Invalid, "remoteNodeNetworks"},
		"pods that are taken":      {func(r *ssm.Registration) { r.PodCIDR = netip.MustParsePrefix("10.10.1.128/25") }, minato.AlreadyExists, "The pod network 10.10.1.128/25 overlaps "},
		"pods outside":             {func(r *ssm.Registration) { r.PodCIDR = netip.MustParsePrefix("10.0.0.0/8") }, minato.Invalid, "remotePodNetworks"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := machine(t, a, code, "10.9.0.2")
			test.change(&r)
			_, err := w.Register(t.Context(), r)
			refused(t, err, test.kind, test.text)
		})
	}
	all, err := w.Activations(t.Context(), w.caller)
	if err != nil || len(all) != 1 || all[0].Count != 1 {
		t.Errorf("%+v, %v: a registration that was refused counts", all, err)
	}
}

func TestActivationEnds(t *testing.T) {
	w := newWorld(t)
	a, code := w.activate(t, 1)
	w.now = w.now.Add(25 * time.Hour)
	r, _ := machine(t, a, code, "10.9.0.1")
	_, err := w.Register(t.Context(), r)
	refused(t, err, minato.Denied, "expired")
	if err := w.DeleteActivation(t.Context(), w.caller, a.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.Register(t.Context(), r)
	refused(t, err, minato.Unauthenticated, "deleted")
	refused(t, w.DeleteActivation(t.Context(), w.caller, a.ID), minato.Invalid, "not found")
}

func TestProofs(t *testing.T) {
	w := newWorld(t)
	a, code := w.activate(t, 1)
	r, key := machine(t, a, code, "10.9.0.1")
	got, err := w.Register(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Credentials(t.Context(), ssm.Prove(got.InstanceID, other, w.now), w.now)
	refused(t, err, minato.Unauthenticated, "not its")
	_, err = w.Credentials(t.Context(), ssm.Prove("mi-0", key, w.now), w.now)
	refused(t, err, minato.Unauthenticated, "not known")
	_, err = w.Credentials(t.Context(), ssm.Prove(got.InstanceID, key, w.now.Add(-10*time.Minute)), w.now)
	refused(t, err, minato.Unauthenticated, "clock")
	late := ssm.Prove(got.InstanceID, key, w.now.Add(-10*time.Minute))
	late.At = w.now
	_, err = w.Credentials(t.Context(), late, w.now)
	refused(t, err, minato.Unauthenticated, "not its")

	if err := w.Deregister(t.Context(), w.caller, got.InstanceID); err != nil {
		t.Fatal(err)
	}
	_, err = w.Credentials(t.Context(), ssm.Prove(got.InstanceID, key, w.now), w.now)
	refused(t, err, minato.Unauthenticated, "not known")
	refused(t, w.Deregister(t.Context(), w.caller, got.InstanceID), minato.Invalid, "not registered")
}

func TestCreateActivationIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, in := range map[string]ssm.NewActivation{
		"no role":       {},
		"another role":  {RoleName: "nobody"},
		"a large limit": {RoleName: "hybrid", Limit: 1001},
		"a long time":   {RoleName: "hybrid", ExpiresAt: w.now.Add(31 * 24 * time.Hour)},
		"in the past":   {RoleName: "hybrid", ExpiresAt: w.now},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.CreateActivation(t.Context(), w.caller, in)
			refused(t, err, minato.Invalid, "")
		})
	}
}
