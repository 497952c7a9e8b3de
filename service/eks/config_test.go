package eks

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

func TestUpdateClusterConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change UpdateClusterConfigRequest
		kind   string
		params []UpdateParam
		spec   func(*ClusterSpec)
	}{
		{"logging", UpdateClusterConfigRequest{Logging: []LogSetup{{[]string{"audit", "api"}, true}}}, "LoggingUpdate",
			[]UpdateParam{{"ClusterLogging", `{"clusterLogging":[{"types":["audit","api"],"enabled":true}]}`}},
			func(s *ClusterSpec) { s.LoggingTypes = []string{"api", "audit"} }},
		{"endpoint access", UpdateClusterConfigRequest{VPC: &VPCRequest{EndpointPrivateAccess: new(true), PublicAccessCIDRs: []string{"203.0.113.0/24"}}}, "EndpointAccessUpdate",
			[]UpdateParam{{"EndpointPublicAccess", "true"}, {"EndpointPrivateAccess", "true"}, {"PublicAccessCidrs", `["203.0.113.0/24"]`}},
			func(s *ClusterSpec) { s.EndpointPrivateAccess, s.PublicAccessCIDRs = true, []string{"203.0.113.0/24"} }},
		{"access config", UpdateClusterConfigRequest{AuthenticationMode: new("API_AND_CONFIG_MAP")}, "AccessConfigUpdate",
			[]UpdateParam{{"AuthenticationMode", `"API_AND_CONFIG_MAP"`}},
			func(s *ClusterSpec) { s.AuthenticationMode = "API_AND_CONFIG_MAP" }},
		{"upgrade policy", UpdateClusterConfigRequest{SupportType: new("STANDARD")}, "UpgradePolicyUpdate",
			[]UpdateParam{{"UpgradePolicy", `{"supportType":"STANDARD"}`}},
			func(s *ClusterSpec) { s.SupportType = "STANDARD" }},
		{"deletion protection", UpdateClusterConfigRequest{DeletionProtection: new(true)}, "DeletionProtectionUpdate",
			[]UpdateParam{{"DeletionProtection", "true"}},
			func(s *ClusterSpec) { s.DeletionProtection = true }},
		{"subnets and security groups", UpdateClusterConfigRequest{VPC: &VPCRequest{SubnetIDs: []string{"subnet-b", "subnet-a2"}, SecurityGroupIDs: []string{"sg-2"}}}, "VpcConfigUpdate",
			[]UpdateParam{{"Subnets", `["subnet-b","subnet-a2"]`}, {"SecurityGroups", `["sg-2"]`}},
			func(s *ClusterSpec) {
				s.SubnetIDs, s.SecurityGroupIDs = []string{"subnet-b", "subnet-a2"}, []string{"sg-2"}
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.create(t, request("prod"))
			test.change.Name = "prod"
			u, err := w.UpdateClusterConfig(t.Context(), alice, test.change)
			if err != nil {
				t.Fatal(err)
			}
			if u.Type != test.kind || u.Status != UpdateInProgress || u.Generation != 2 || !slices.Equal(u.Params, test.params) {
				t.Errorf("began %+v", u)
			}
			want := before.Spec
			test.spec(&want)
			want.Generation = 2
			c, err := w.DescribeCluster(t.Context(), alice, "prod")
			if diff := cmp.Diff(want, c.Spec); err != nil || diff != "" || c.Status.Status != ClusterUpdating {
				t.Errorf("%s, %v (-want +got)\n%s", c.Status.Status, err, diff)
			}
			_, err = w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", AuthenticationMode: new("API")})
			wantError(t, err, minato.InUse, "Cannot AccessConfigUpdate because cluster prod currently has an update in progress")
			_, err = w.DeleteCluster(t.Context(), alice, "prod")
			wantError(t, err, minato.InUse, "in progress")
			w.reconcile(t, "prod")
			done, err := w.DescribeUpdate(t.Context(), alice, "prod", u.ID, UpdateTarget{})
			if err != nil || done.Status != UpdateSuccessful || done.Before != nil {
				t.Errorf("ended as %+v, %v", done, err)
			}
		})
	}
}

func TestUpdateClusterConfigRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change UpdateClusterConfigRequest
		want   string
	}{
		{"nothing", UpdateClusterConfigRequest{}, "The type for cluster update was not provided."},
		{"an empty VPC config", UpdateClusterConfigRequest{VPC: &VPCRequest{}}, "No changes needed for the configuration provided"},
		{"Auto Mode switched off where it is off", UpdateClusterConfigRequest{Other: map[string]json.RawMessage{"computeConfig": []byte(`{"enabled":false}`)}}, "No changes needed"},
		{"Auto Mode", UpdateClusterConfigRequest{Other: map[string]json.RawMessage{"computeConfig": []byte(`{"enabled":true}`)}}, "computeConfig is not supported"},
		{"a service CIDR", UpdateClusterConfigRequest{Other: map[string]json.RawMessage{"serviceIpv4Cidr": []byte(`"10.0.0.0/16"`)}}, "serviceIpv4Cidr is not supported: it is fixed when the cluster is created"},
		{"two kinds", UpdateClusterConfigRequest{DeletionProtection: new(true), SupportType: new("STANDARD")}, "Only one type of update can be allowed."},
		{"endpoint access and subnets", UpdateClusterConfigRequest{VPC: &VPCRequest{EndpointPrivateAccess: new(true), SubnetIDs: []string{"subnet-a", "subnet-c"}}}, "Only one type of update"},
		{"the same logging", UpdateClusterConfigRequest{Logging: []LogSetup{{[]string{"api"}, false}}}, "No changes needed for the logging config provided"},
		{"no logging", UpdateClusterConfigRequest{Logging: []LogSetup{}}, "No changes needed for the logging config provided"},
		{"an unknown log type", UpdateClusterConfigRequest{Logging: []LogSetup{{[]string{"etcd"}, true}}}, `unknown log type "etcd"`},
		{"the same endpoint access", UpdateClusterConfigRequest{VPC: &VPCRequest{EndpointPublicAccess: new(true), PublicAccessCIDRs: []string{}}},
			"Cluster is already at the desired configuration with endpointPrivateAccess: false , endpointPublicAccess: true, and Public Endpoint Restrictions: [0.0.0.0/0]"},
		{"no endpoint", UpdateClusterConfigRequest{VPC: &VPCRequest{EndpointPublicAccess: new(false)}}, "Both private and public endpoint access cannot be false"},
		{"no public endpoint", UpdateClusterConfigRequest{VPC: &VPCRequest{EndpointPublicAccess: new(false), EndpointPrivateAccess: new(true)}}, "endpointPublicAccess=false is not supported"},
		{"a bad public CIDR", UpdateClusterConfigRequest{VPC: &VPCRequest{PublicAccessCIDRs: []string{"x"}}}, "The following CIDRs are invalid"},
		{"the egress mode", UpdateClusterConfigRequest{VPC: &VPCRequest{ControlPlaneEgressMode: "CUSTOMER_ROUTED"}}, "controlPlaneEgressMode"},
		{"a mode skipped", UpdateClusterConfigRequest{AuthenticationMode: new("API")}, "Unsupported authentication mode update from CONFIG_MAP to API"},
		{"the same mode", UpdateClusterConfigRequest{AuthenticationMode: new("CONFIG_MAP")}, "Unsupported authentication mode update from CONFIG_MAP to CONFIG_MAP"},
		{"an unknown mode", UpdateClusterConfigRequest{AuthenticationMode: new("")}, `authenticationMode "" is not one of CONFIG_MAP, API_AND_CONFIG_MAP, API`},
		{"the same upgrade policy", UpdateClusterConfigRequest{SupportType: new("EXTENDED")}, "No changes needed for the upgrade policy provided"},
		{"an unknown upgrade policy", UpdateClusterConfigRequest{SupportType: new("NONE")}, `supportType "NONE" is not one of`},
		{"the same deletion protection", UpdateClusterConfigRequest{DeletionProtection: new(false)}, "No changes needed for the deletion protection provided"},
		{"the same subnets", UpdateClusterConfigRequest{VPC: &VPCRequest{SubnetIDs: []string{"subnet-a", "subnet-b"}}}, "No changes needed for the subnets and security groups provided"},
		{"subnets in one zone", UpdateClusterConfigRequest{VPC: &VPCRequest{SubnetIDs: []string{"subnet-a", "subnet-a2"}}}, "at least two different AZs"},
		{"subnets in other zones", UpdateClusterConfigRequest{VPC: &VPCRequest{SubnetIDs: []string{"subnet-a", "subnet-c"}}},
			"Provided subnets belong to the AZs 'us-east-1a,us-east-1c'. But they should belong to the exact set of AZs 'us-east-1a,us-east-1b'"},
		{"subnets of another VPC", UpdateClusterConfigRequest{VPC: &VPCRequest{SubnetIDs: []string{"subnet-x", "subnet-y"}}}, "Subnets specified must be in vpc-1, the VPC of the cluster, not in vpc-2"},
		{"another VPC's security group", UpdateClusterConfigRequest{VPC: &VPCRequest{SecurityGroupIDs: []string{"sg-x"}}}, "'sg-x' was not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.create(t, request("prod"))
			test.change.Name = "prod"
			_, err := w.UpdateClusterConfig(t.Context(), alice, test.change)
			wantError(t, err, minato.Invalid, test.want)
			after, err := w.DescribeCluster(t.Context(), alice, "prod")
			if diff := cmp.Diff(before, after); err != nil || diff != "" {
				t.Errorf("the cluster changed: %v\n%s", err, diff)
			}
		})
	}
}

func TestAuthenticationModeGoesForwardOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	for _, step := range []struct {
		mode string
		ok   bool
	}{{"API_AND_CONFIG_MAP", true}, {"CONFIG_MAP", false}, {"API", true}, {"API_AND_CONFIG_MAP", false}, {"CONFIG_MAP", false}} {
		_, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", AuthenticationMode: &step.mode})
		if step.ok != (err == nil) {
			t.Errorf("to %s: %v", step.mode, err)
		}
		w.reconcile(t, "prod")
	}
}

func TestUpgradePolicyOutsideOfStandardSupport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("old")
	r.Version = "1.31"
	w.create(t, r)
	_, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "old", SupportType: new("STANDARD")})
	wantError(t, err, minato.Invalid, "only while the cluster's Kubernetes version is in standard support: 1.31 is not")
}

func TestUpdateClusterConfigAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	r := UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(true), ClientRequestToken: "token-1"}
	first, err := w.UpdateClusterConfig(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, phase := range []string{"while it runs", "when it is done"} {
		again, err := w.UpdateClusterConfig(t.Context(), alice, r)
		if err != nil || again.ID != first.ID {
			t.Errorf("%s: %s and then %s, %v", phase, first.ID, again.ID, err)
		}
		changed := r
		changed.DeletionProtection = new(false)
		_, err = w.UpdateClusterConfig(t.Context(), alice, changed)
		wantError(t, err, minato.Invalid, `"token-1" was already used`)
		w.reconcile(t, "prod")
	}
}

func TestUpdateClusterConfigRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(true)})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantError(t, err, minato.InUse, "in progress")
	}
	if won != 1 {
		t.Errorf("%d updates began at once, want 1", won)
	}
}

func TestUpdateOfAClusterThatIsNotActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.CreateCluster(t.Context(), alice, request("prod")); err != nil {
		t.Fatal(err)
	}
	_, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(true)})
	wantError(t, err, minato.WrongState, "Cluster 'prod' is not in ACTIVE status")
}

func TestFailUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.create(t, request("prod"))
	u, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", Logging: []LogSetup{{[]string{"api"}, true}}})
	if err != nil {
		t.Fatal(err)
	}
	item, err := Clusters(w.Store).Get(t.Context(), ClusterKey(testScope, "prod"))
	if err != nil {
		t.Fatal(err)
	}
	reason := UpdateError{Code: "Unknown", Message: "the API server did not start"}
	ops, err := FailUpdates(t.Context(), w.Store, &item.Value, reason)
	if err != nil {
		t.Fatal(err)
	}
	if err := item.Value.Transition(ClusterActive, ByReconciler); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Commit(t.Context(), append(ops, Clusters(w.Store).UpdateOp(item))...); err != nil {
		t.Fatal(err)
	}
	want := before.Spec
	want.Generation = 3
	if diff := cmp.Diff(want, item.Value.Spec); diff != "" {
		t.Errorf("the spec did not go back (-want +got)\n%s", diff)
	}
	got, err := w.DescribeUpdate(t.Context(), alice, "prod", u.ID, UpdateTarget{})
	if err != nil || got.Status != UpdateFailed || len(got.Errors) != 1 || got.Errors[0].Message != reason.Message {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUpdateIsNotCompletedBeforeItIsObserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	if _, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(true)}); err != nil {
		t.Fatal(err)
	}
	c, err := w.DescribeCluster(t.Context(), alice, "prod")
	if err != nil {
		t.Fatal(err)
	}
	var ops []store.Op
	if ops, err = CompleteUpdates(t.Context(), w.Store, &c); err != nil || len(ops) != 0 {
		t.Errorf("generation 1 of 2 is observed, and %d updates end; %v", len(ops), err)
	}
}

// TestPrivateEndpoint is that a cluster may be closed to the outside where it can be reached from inside of its VPC.
func TestPrivateEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.PrivateEndpoints = true
	r := request("prod")
	r.VPC.EndpointPublicAccess, r.VPC.EndpointPrivateAccess = new(false), new(true)
	c, err := w.CreateCluster(t.Context(), alice, r)
	if err != nil || c.Spec.EndpointPublicAccess || !c.Spec.EndpointPrivateAccess {
		t.Errorf("got %+v, %v", c.Spec, err)
	}
}
