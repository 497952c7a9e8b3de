package eks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

func TestCreateClusterWithDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.Tags = minato.Tags{"Team": "a"}
	got, err := w.CreateCluster(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	want := Cluster{
		Scope: testScope, Name: "prod", CreatedAt: today, Creator: alice.Credential.Principal, Tags: minato.Tags{"Team": "a"},
		Spec: ClusterSpec{
			Generation: 1, Version: "1.35", RoleARN: minato.NewARN("iam", "", "111122223333", "role/eks-cluster"),
			SubnetIDs: []string{"subnet-a", "subnet-b"}, VPCID: "vpc-1", Zones: []string{"us-east-1a", "us-east-1b"}, ClusterSecurityGroup: "sg-new-1",
			EndpointPublicAccess: true, PublicAccessCIDRs: []string{"0.0.0.0/0"}, ServiceIPv4CIDR: "10.100.0.0/16",
			AuthenticationMode: "CONFIG_MAP", BootstrapCreatorAdmin: true, SupportType: "EXTENDED", BootstrapAddons: true,
		},
		Status: Status{Status: ClusterCreating},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Cluster{}, "ID", "RequestHash")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(got.ID) != 32 {
		t.Errorf("id %q, want 32 hex digits", got.ID)
	}
	wantActions := []string{"eks:CreateCluster", "eks:TagResource", "iam:PassRole"}
	accesses := w.accesses
	if asked := w.asked(); !slices.Equal(asked, wantActions) {
		t.Errorf("authorized %v, want %v", asked, wantActions)
	}
	for _, a := range accesses {
		if a.Context["aws:sourceip"] == nil {
			t.Errorf("%s was asked without the caller's context", a.Action)
		}
	}
	if keys := accesses[0].Context; keys["aws:requesttag/team"][0] != "a" || keys["aws:tagkeys"][0] != "Team" || accesses[0].Resource != got.ARN() {
		t.Errorf("CreateCluster was asked with %+v", accesses[0])
	}
	if a := accesses[2]; a.Context["iam:passedtoservice"][0] != "eks.amazonaws.com" || a.Context["iam:associatedresourcearn"][0] != got.ARN().String() || a.Resource != got.Spec.RoleARN {
		t.Errorf("PassRole was asked with %+v", a)
	}
	read, err := w.DescribeCluster(t.Context(), alice, "prod")
	if diff := cmp.Diff(got, read); err != nil || diff != "" {
		t.Errorf("described differently: %v\n%s", err, diff)
	}
}

func TestCreateClusterWithEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("all")
	r.Version, r.ServiceIPv4CIDR, r.IPFamily, r.AuthenticationMode, r.SupportType = "1.31", "172.16.0.0/20", "ipv4", "API", "STANDARD"
	r.VPC.SecurityGroupIDs, r.VPC.PublicAccessCIDRs = []string{"sg-1"}, []string{"127.0.0.0/8", "203.0.113.5/32"}
	r.VPC.EndpointPrivateAccess, r.VPC.ControlPlaneEgressMode = new(true), "AWS_MANAGED"
	r.Logging = []LogSetup{{[]string{"scheduler", "api"}, true}, {[]string{"audit"}, false}}
	r.DeletionProtection, r.BootstrapAddons, r.BootstrapCreatorAdmin = new(true), new(false), new(false)
	r.Other = map[string]json.RawMessage{
		"computeConfig": []byte(`{"enabled":false}`), "storageConfig": []byte(`{"blockStorage":{"enabled":false}}`), "elasticLoadBalancing": []byte(`{"enabled":false}`),
		"zonalShiftConfig": []byte(`{"enabled":false}`), "controlPlaneScalingConfig": []byte(`{"tier":"standard"}`), "encryptionConfig": []byte(`[]`),
	}
	got, err := w.CreateCluster(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	want := ClusterSpec{
		Generation: 1, Version: "1.31", RoleARN: got.Spec.RoleARN, SubnetIDs: r.VPC.SubnetIDs, SecurityGroupIDs: []string{"sg-1"}, VPCID: "vpc-1", Zones: []string{"us-east-1a", "us-east-1b"},
		ClusterSecurityGroup: "sg-new-1", EndpointPublicAccess: true, EndpointPrivateAccess: true, PublicAccessCIDRs: []string{"127.0.0.0/8", "203.0.113.5/32"},
		ServiceIPv4CIDR: "172.16.0.0/20", AuthenticationMode: "API", LoggingTypes: []string{"api", "scheduler"}, SupportType: "STANDARD", DeletionProtection: true,
		Echoed: map[string]json.RawMessage{
			"computeConfig": []byte(`{"enabled":false}`), "storageConfig": []byte(`{"blockStorage":{"enabled":false}}`),
			"zonalShiftConfig": []byte(`{"enabled":false}`), "controlPlaneScalingConfig": []byte(`{"tier":"standard"}`),
		},
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// badClusters are requests that are refused, with a part of the message.
var badClusters = []struct {
	name   string
	change func(*CreateClusterRequest)
	want   string
}{
	{"no name", func(r *CreateClusterRequest) { r.Name = "" }, `The cluster name "" is not valid`},
	{"a name with illegal characters", func(r *CreateClusterRequest) { r.Name = "prod/1" }, `The cluster name "prod/1" is not valid`},
	{"a name that begins with a hyphen", func(r *CreateClusterRequest) { r.Name = "-prod" }, "is not valid"},
	{"a name with a newline", func(r *CreateClusterRequest) { r.Name = "prod\n" }, "is not valid"},
	{"a name of 101 characters", func(r *CreateClusterRequest) { r.Name = strings.Repeat("a", 101) }, "1 to 100"},
	{"an unknown version", func(r *CreateClusterRequest) { r.Version = "1.9" }, `unsupported Kubernetes version "1.9": use one that this server offers: 1.36, 1.35, 1.34, 1.31`},
	{"a patch version", func(r *CreateClusterRequest) { r.Version = "1.35.4" }, `unsupported Kubernetes version "1.35.4"`},
	{"a version that is not built", func(r *CreateClusterRequest) { r.Version = "1.33" }, "`make kube VERSION=1.33`"},
	{"no role", func(r *CreateClusterRequest) { r.RoleARN = "" }, `roleArn "" is not the ARN of an IAM role`},
	{"a user for a role", func(r *CreateClusterRequest) { r.RoleARN = "arn:aws:iam::111122223333:user/alice" }, "is not the ARN of an IAM role"},
	{"another account's role", func(r *CreateClusterRequest) { r.RoleARN = "arn:aws:iam::444455556666:role/eks-cluster" }, "Cross-account pass role is not allowed"},
	{"a role that is not there", func(r *CreateClusterRequest) { r.RoleARN = "arn:aws:iam::111122223333:role/none" }, "was not found"},
	{"a role that trusts somebody else", func(r *CreateClusterRequest) { r.RoleARN = "arn:aws:iam::111122223333:role/lambda" }, "its trust policy must allow sts:AssumeRole to the service eks.amazonaws.com"},
	{"no subnets", func(r *CreateClusterRequest) { r.VPC.SubnetIDs = nil }, "subnetIds is empty"},
	{"one subnet", func(r *CreateClusterRequest) { r.VPC.SubnetIDs = []string{"subnet-a"} }, "Subnets specified must be in at least two different AZs"},
	{"two subnets in one zone", func(r *CreateClusterRequest) { r.VPC.SubnetIDs = []string{"subnet-a", "subnet-a2"} }, "Subnets specified must be in at least two different AZs"},
	{"a subnet that is not there", func(r *CreateClusterRequest) { r.VPC.SubnetIDs = []string{"subnet-a", "subnet-0"} }, "The subnet ID 'subnet-0' was not found"},
	{"subnets of two VPCs", func(r *CreateClusterRequest) { r.VPC.SubnetIDs = []string{"subnet-a", "subnet-y"} }, "Subnets specified must be in the same VPC"},
	{"a security group that is not there", func(r *CreateClusterRequest) { r.VPC.SecurityGroupIDs = []string{"sg-0"} }, "The security group 'sg-0' was not found in vpc-1"},
	{"another VPC's security group", func(r *CreateClusterRequest) { r.VPC.SecurityGroupIDs = []string{"sg-x"} }, "The security group 'sg-x' was not found in vpc-1"},
	{"six security groups", func(r *CreateClusterRequest) { r.VPC.SecurityGroupIDs = []string{"1", "2", "3", "4", "5", "6"} }, "at most 5"},
	{"a service CIDR that is none", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "10.0.0.0" }, "is not an IPv4 network"},
	{"a service CIDR with host bits", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "10.0.0.1/16" }, "is not an IPv4 network"},
	{"a service CIDR of IPv6", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "fc00::/108" }, "is not an IPv4 network"},
	{"a service CIDR too small", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "10.0.0.0/25" }, "between /24 and /12"},
	{"a service CIDR too large", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "10.0.0.0/11" }, "between /24 and /12"},
	{"a public service CIDR", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "100.64.0.0/16" }, "must be within 10.0.0.0/8"},
	{"a service CIDR that reaches out of the private range", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "192.160.0.0/12" }, "must be within 10.0.0.0/8"},
	{"a service CIDR that overlaps the VPC", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "172.31.16.0/20" }, "serviceIpv4Cidr 172.31.16.0/20 overlaps the CIDR block 172.31.0.0/16 of vpc-1"},
	{"a service CIDR that contains the VPC", func(r *CreateClusterRequest) { r.ServiceIPv4CIDR = "172.16.0.0/12" }, "overlaps"},
	{"IPv6", func(r *CreateClusterRequest) { r.IPFamily = "ipv6" }, `ipFamily "ipv6" is not supported`},
	{"an unknown authentication mode", func(r *CreateClusterRequest) { r.AuthenticationMode = "api" }, `authenticationMode "api" is not one of`},
	{"an unknown support type", func(r *CreateClusterRequest) { r.SupportType = "FOREVER" }, `supportType "FOREVER" is not one of`},
	{"an unknown log type", func(r *CreateClusterRequest) { r.Logging = []LogSetup{{[]string{"kubelet"}, true}} }, `unknown log type "kubelet"`},
	{"a log type both ways", func(r *CreateClusterRequest) {
		r.Logging = []LogSetup{{[]string{"api"}, true}, {[]string{"api"}, false}}
	}, "the log type api is both enabled and disabled"},
	{"no endpoint", func(r *CreateClusterRequest) { r.VPC.EndpointPublicAccess = new(false) }, "Both private and public endpoint access cannot be false"},
	{"no public endpoint", func(r *CreateClusterRequest) {
		r.VPC.EndpointPublicAccess, r.VPC.EndpointPrivateAccess = new(false), new(true)
	}, "endpointPublicAccess=false is not supported"},
	{"customer routed egress", func(r *CreateClusterRequest) { r.VPC.ControlPlaneEgressMode = "CUSTOMER_ROUTED" }, "controlPlaneEgressMode"},
	{"bad public CIDRs", func(r *CreateClusterRequest) {
		r.VPC.PublicAccessCIDRs = []string{"10.0.0.0/8", "1.2.3.4", "::/0"}
	}, "The following CIDRs are invalid in publicAccessCidrs: [1.2.3.4, ::/0]"},
	{"41 public CIDRs", func(r *CreateClusterRequest) {
		for i := range 41 {
			r.VPC.PublicAccessCIDRs = append(r.VPC.PublicAccessCIDRs, fmt.Sprintf("192.0.2.%d/32", i))
		}
	}, "at most 40"},
	{"51 tags", func(r *CreateClusterRequest) {
		r.Tags = minato.Tags{}
		for i := range 51 {
			r.Tags[fmt.Sprint(i)] = ""
		}
	}, "at most 50 tags"},
	{"a tag without a key", func(r *CreateClusterRequest) { r.Tags = minato.Tags{"": "v"} }, "1 to 128 characters"},
	{"a reserved tag", func(r *CreateClusterRequest) { r.Tags = minato.Tags{"AWS:x": "v"} }, "reserved"},
	{"a long tag value", func(r *CreateClusterRequest) { r.Tags = minato.Tags{"k": strings.Repeat("ä", 257)} }, "at most 256 characters"},
	{"Auto Mode", other("computeConfig", `{"enabled":true}`), "computeConfig is not supported: Minato does not have EKS Auto Mode"},
	{"a node pool of no Auto Mode", other("computeConfig", `{"enabled":false,"nodePools":["system"]}`), "computeConfig is not supported"},
	{"a KMS key", other("encryptionConfig", `[{"resources":["secrets"]}]`), "encryptionConfig is not supported"},
	{"a scaling tier", other("controlPlaneScalingConfig", `{"tier":"tier-xl"}`), "controlPlaneScalingConfig is not supported"},
	{"an event TTL", other("kubeApiServerConfig", `{"eventTtl":"30m"}`), "kubeApiServerConfig is not supported"},
	{"something new", other("moat", `{"wide":true}`), "moat is not supported"},
}

func TestCreateClusterRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range badClusters {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := request("prod")
			test.change(&r)
			_, err := w.CreateCluster(t.Context(), alice, r)
			wantError(t, err, minato.Invalid, test.want)
			for _, phrase := range []string{"does not exist", "Error in role params", "Role could not be assumed because the trusted entity is not correct",
				"The provided role doesn't have the Amazon EKS Managed Policies associated with it", "IAM role's policy must include"} {
				if strings.Contains(err.Error(), phrase) {
					t.Errorf("%q makes Terraform try again for minutes", err)
				}
			}
			if l, err := w.Store.List(t.Context(), "/", store.ListOptions{}); err != nil || len(l.Entries) > 0 {
				t.Errorf("left behind: %v %v", l.Entries, err)
			}
		})
	}
}

func other(name, value string) func(*CreateClusterRequest) {
	return func(r *CreateClusterRequest) { r.Other = map[string]json.RawMessage{name: []byte(value)} }
}

func TestCreateClusterInAVPCWithin10(t *testing.T) {
	t.Parallel()
	r := request("ten")
	r.VPC.SubnetIDs = []string{"subnet-x", "subnet-y"}
	c, err := newWorld(t).CreateCluster(t.Context(), alice, r)
	if err != nil || c.Spec.ServiceIPv4CIDR != "172.20.0.0/16" {
		t.Errorf("service CIDR %s, %v", c.Spec.ServiceIPv4CIDR, err)
	}
}

func TestCreateClusterIsDenied(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"eks:CreateCluster", "eks:TagResource", "iam:PassRole"} {
		w := newWorld(t)
		w.deny = func(a iam.Access) bool { return a.Action == action }
		r := request("prod")
		r.Tags = minato.Tags{"k": "v"}
		_, err := w.CreateCluster(t.Context(), alice, r)
		wantError(t, err, minato.Denied, action)
		if _, err := Clusters(w.Store).Get(t.Context(), ClusterKey(testScope, "prod")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after a denied %s the record gives %v", action, err)
		}
	}
}

func TestCreateClusterAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.ClientRequestToken = "token-1"
	first, err := w.CreateCluster(t.Context(), alice, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.CreateCluster(t.Context(), alice, r)
	if err != nil || again.ID != first.ID {
		t.Errorf("the same request gave %s and then %s, %v", first.ID, again.ID, err)
	}
	changed := r
	changed.DeletionProtection = new(true)
	_, err = w.CreateCluster(t.Context(), alice, changed)
	wantError(t, err, minato.Invalid, `The clientRequestToken "token-1" was already used`)
	changed.Name = "other"
	_, err = w.CreateCluster(t.Context(), alice, changed)
	wantError(t, err, minato.Invalid, `The clientRequestToken "token-1" was already used`)
	for _, token := range []string{"", "token-2"} {
		r.ClientRequestToken = token
		_, err = w.CreateCluster(t.Context(), alice, r)
		wantError(t, err, minato.AlreadyExists, "Cluster already exists with name: prod")
	}
	elsewhere := alice
	elsewhere.Scope.Account = "444455556666"
	r.RoleARN = "arn:aws:iam::444455556666:role/eks-cluster"
	if c, err := w.CreateCluster(t.Context(), elsewhere, r); err != nil || c.ID == first.ID {
		t.Errorf("the same name in another account: %v", err)
	}
}

// Two clients at once: with tokens of their own exactly one wins; with the same token both get the one cluster.
func TestCreateClusterRace(t *testing.T) {
	t.Parallel()
	for _, sameToken := range []bool{false, true} {
		w := newWorld(t)
		const clients = 16
		ids, errs := make([]string, clients), make([]error, clients)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range clients {
			wg.Go(func() {
				r := request("prod")
				r.ClientRequestToken = "token"
				if !sameToken {
					r.ClientRequestToken += fmt.Sprint(i)
				}
				<-start
				c, err := w.CreateCluster(t.Context(), alice, r)
				ids[i], errs[i] = c.ID, err
			})
		}
		close(start)
		wg.Wait()
		won, distinct := 0, map[string]bool{}
		for i, err := range errs {
			if err == nil {
				won++
				distinct[ids[i]] = true
			} else {
				wantError(t, err, minato.AlreadyExists, "Cluster already exists with name: prod")
			}
		}
		if want := map[bool]int{true: clients, false: 1}[sameToken]; won != want || len(distinct) != 1 {
			t.Errorf("same token %t: %d of %d won, with %d clusters", sameToken, won, clients, len(distinct))
		}
		if l, err := w.Store.List(t.Context(), testGroupsPrefix, store.ListOptions{}); err != nil || len(l.Entries) != 1 {
			t.Errorf("%d security groups are left, want 1; %v", len(l.Entries), err)
		}
	}
}

// Another request is faster, between this one's look at the records and its write.
func TestCreateClusterOvertaken(t *testing.T) {
	t.Parallel()
	for _, sameToken := range []bool{true, false} {
		w := newWorld(t)
		r := request("prod")
		r.ClientRequestToken = "token-1"
		faster := r
		if !sameToken {
			faster.ClientRequestToken = "token-2"
		}
		var first Cluster
		w.meanwhile("iam:PassRole", func() {
			var err error
			if first, err = w.CreateCluster(t.Context(), alice, faster); err != nil {
				t.Error(err)
			}
		})
		c, err := w.CreateCluster(t.Context(), alice, r)
		if !sameToken {
			wantError(t, err, minato.AlreadyExists, "Cluster already exists with name: prod")
		} else if err != nil || c.ID != first.ID {
			t.Errorf("%s, %v; want %s", c.ID, err, first.ID)
		}
	}
}

func TestClusterQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 100 {
		if _, err := w.CreateCluster(t.Context(), alice, request(fmt.Sprintf("c%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.CreateCluster(t.Context(), alice, request("one-more"))
	wantError(t, err, minato.LimitExceeded, "at most 100")
}
