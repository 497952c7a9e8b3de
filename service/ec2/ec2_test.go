package ec2_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/iam"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

var caller = ec2.Caller{Scope: scope}

// start is a service with the defaults of one account, which lets everybody do everything.
func start(t *testing.T) *ec2.Service {
	t.Helper()
	s := &ec2.Service{
		Store:     memstore.New(),
		Now:       time.Now,
		Authorize: func(context.Context, iam.Access) error { return nil },
		Built:     kube.Versions,
		Profile: func(_ context.Context, account, name string) (iam.InstanceProfile, error) {
			return iam.InstanceProfile{Account: account, Path: "/", Name: name, ID: "AIPANODE", Role: name}, nil
		},
		Role: func(_ context.Context, account, name string) (r iam.Role, err error) {
			r.Account, r.Path, r.Name = account, "/", name
			return r, nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
	if err := s.EnsureDefaults(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func reasonOf(err error) string {
	if e, ok := errors.AsType[*minato.Error](err); ok {
		return e.Reason
	}
	return ""
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	vpcs, err := s.DescribeVPCs(t.Context(), caller, ec2.Describe{})
	if err != nil || len(vpcs.Items) != 1 {
		t.Fatalf("%+v, %v", vpcs, err)
	}
	vpc := vpcs.Items[0]
	if !regexp.MustCompile(`^vpc-0[0-9a-f]{16}$`).MatchString(vpc.ID) || !vpc.IsDefault || vpc.CIDR.String() != "172.31.0.0/16" {
		t.Errorf("the default VPC is %+v", vpc)
	}
	subnets, err := s.DescribeSubnets(t.Context(), caller, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range subnets.Items {
		got = append(got, fmt.Sprint(n.Zone, " ", n.ZoneID, " ", n.CIDR, " ", n.AvailableAddresses(), " ", n.VPCID == vpc.ID))
	}
	want := []string{
		"us-east-1a use1-az1 172.31.0.0/20 4091 true", "us-east-1b use1-az2 172.31.16.0/20 4091 true", "us-east-1c use1-az3 172.31.32.0/20 4091 true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subnets (-want +got)\n%s", diff)
	}
	groups, err := s.DescribeSecurityGroups(t.Context(), caller, ec2.Describe{}, nil)
	if err != nil || len(groups.Items) != 1 || groups.Items[0].Name != "default" || groups.Items[0].VPCID != vpc.ID {
		t.Errorf("the security groups are %+v, %v", groups, err)
	}
}

func TestDefaultsAreMadeOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := minato.Scope{Account: scope.Account, Region: "eu-west-1"}
	var all errgroup.Group
	for range 8 {
		all.Go(func() error { return s.EnsureDefaults(t.Context(), other) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, scope := range []minato.Scope{scope, other} {
		page, err := s.DescribeSubnets(t.Context(), ec2.Caller{Scope: scope}, ec2.Describe{})
		if err != nil || len(page.Items) != 3 {
			t.Errorf("%s has %d subnets, %v", scope, len(page.Items), err)
		}
		for _, n := range page.Items {
			if seen[n.ID] || n.Scope != scope {
				t.Errorf("subnet %s is in two scopes, or the wrong one: %+v", n.ID, n)
			}
			seen[n.ID] = true
		}
	}
}

func TestZoneIDs(t *testing.T) {
	t.Parallel()
	for region, want := range map[minato.Region]string{
		"us-east-1": "use1-az1", "us-west-2": "usw2-az1", "eu-central-1": "euc1-az1", "eu-north-1": "eun1-az1", "ap-southeast-2": "apse2-az1",
		"ap-northeast-3": "apne3-az1", "ap-south-1": "aps1-az1", "us-gov-west-1": "usgw1-az1", "ca-west-1": "caw1-az1", "sa-east-1": "sae1-az1", "me-central-1": "mec1-az1",
	} {
		if got := ec2.Zones(region)[0]; got.ID != want || got.Name != string(region)+"a" {
			t.Errorf("%s: %+v, want %s", region, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := start(t)
	all, err := s.DescribeSubnets(t.Context(), caller, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	vpc, first := all.Items[0].VPCID, all.Items[0].ID
	f := func(name string, values ...string) ec2.Filter { return ec2.Filter{Name: name, Values: values} }
	for name, tc := range map[string]struct {
		filters []ec2.Filter
		zones   string
	}{
		"vpc":             {[]ec2.Filter{f("vpc-id", vpc)}, "abc"},
		"another vpc":     {[]ec2.Filter{f("vpc-id", "vpc-1")}, ""},
		"one of values":   {[]ec2.Filter{f("availability-zone", "us-east-1b", "us-east-1c", "us-east-1z")}, "bc"},
		"all filters":     {[]ec2.Filter{f("availability-zone", "us-east-1b", "us-east-1c"), f("cidr-block", "172.31.32.0/20")}, "c"},
		"star":            {[]ec2.Filter{f("cidr", "172.31.*.0/20")}, "abc"},
		"star at the end": {[]ec2.Filter{f("cidrBlock", "172.31.1*")}, "b"},
		"question mark":   {[]ec2.Filter{f("availabilityZone", "us-east-1?")}, "abc"},
		"escaped star":    {[]ec2.Filter{f("cidr", `172.31.\*.0/20`)}, ""},
		"case matters":    {[]ec2.Filter{f("availability-zone", "US-EAST-1A")}, ""},
		"default":         {[]ec2.Filter{f("default-for-az", "true")}, "abc"},
		"not default":     {[]ec2.Filter{f("defaultForAz", "false")}, ""},
		"no tag":          {[]ec2.Filter{f("tag:kubernetes.io/role/elb", "1")}, ""},
		"no tag key":      {[]ec2.Filter{f("tag-key", "*")}, ""},
		"id":              {[]ec2.Filter{f("subnet-id", first)}, "a"},
		"zone id":         {[]ec2.Filter{f("availability-zone-id", "use1-az2")}, "b"},
		"never here":      {[]ec2.Filter{f("outpost-arn", "*")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := s.DescribeSubnets(t.Context(), caller, ec2.Describe{Filters: tc.filters})
			if err != nil {
				t.Fatal(err)
			}
			var zones strings.Builder
			for _, n := range page.Items {
				zones.WriteString(strings.TrimPrefix(n.Zone, "us-east-1"))
			}
			if zones.String() != tc.zones {
				t.Errorf("got the subnets in %q, want %q", zones.String(), tc.zones)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	filter := func(name string, values ...string) ec2.Describe {
		return ec2.Describe{Filters: []ec2.Filter{{Name: name, Values: values}}}
	}
	for name, tc := range map[string]struct {
		d            ec2.Describe
		reason, says string
	}{
		"unknown filter":      {filter("colour", "red"), "InvalidParameterValue", "The filter 'colour' is invalid"},
		"filter of no tag":    {filter("tag:", "x"), "InvalidParameterValue", "'tag:'"},
		"filter of no values": {filter("vpc-id"), "InvalidParameterValue", "no value"},
		"too many values":     {filter("vpc-id", make([]string, 201)...), "FilterLimitExceeded", "201"},
		"unknown id":          {ec2.Describe{IDs: []string{"subnet-x"}}, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-x' does not exist"},
		"unknown ids":         {ec2.Describe{IDs: []string{"x", "y"}}, "InvalidSubnetID.NotFound", "The subnet IDs 'x, y' do not exist"},
		"small page":          {ec2.Describe{MaxResults: ptr(int32(4))}, "InvalidParameterValue", "Value ( 4 ) for parameter maxResults is invalid"},
		"big page":            {ec2.Describe{MaxResults: ptr(int32(1001))}, "InvalidParameterValue", "1001"},
		"bad token":           {ec2.Describe{NextToken: "no!"}, "InvalidPaginationToken", "no!"},
		"other's token":       {ec2.Describe{NextToken: "dnBjIElEOnZwYy0x"}, "InvalidPaginationToken", ""},
		"dry run":             {ec2.Describe{DryRun: true}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.DescribeSubnets(t.Context(), caller, tc.d)
			if err == nil || reasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v (%s), want %s saying %q", err, reasonOf(err), tc.reason, tc.says)
			}
		})
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	s := start(t)
	var asked []string
	s.Authorize = func(_ context.Context, a iam.Access) error {
		asked = append(asked, a.Action)
		if a.Action == "ec2:DescribeAvailabilityZones" {
			return nil
		}
		return minato.Errorf(minato.Denied, "User: arn is not authorized to perform: %s", a.Action)
	}
	_, vpcs := s.DescribeVPCs(t.Context(), caller, ec2.Describe{})
	_, subnets := s.DescribeSubnets(t.Context(), caller, ec2.Describe{DryRun: true})
	_, groups := s.DescribeSecurityGroups(t.Context(), caller, ec2.Describe{IDs: []string{"sg-x"}}, nil)
	for action, err := range map[string]error{"ec2:DescribeVpcs": vpcs, "ec2:DescribeSubnets": subnets, "ec2:DescribeSecurityGroups": groups} {
		if !minato.Is(err, minato.Denied) || reasonOf(err) != "UnauthorizedOperation" || !strings.Contains(err.Error(), action) {
			t.Errorf("%s: %v", action, err)
		}
	}
	zones, err := s.DescribeZones(t.Context(), caller, ec2.Describe{}, nil)
	if err != nil || len(zones.Items) != 3 || len(asked) != 4 {
		t.Errorf("%+v, %v after %v", zones, err, asked)
	}
}

func TestSecurityGroupOfACluster(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := t.Context()
	vpcs, err := s.DescribeVPCs(ctx, caller, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	vpc := vpcs.Items[0].ID
	id, ops, err := s.NewSecurityGroup(ctx, scope, vpc, "eks-cluster-sg-prod-1", "made by EKS", minato.Tags{"kubernetes.io/cluster/prod": "owned"})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := s.SecurityGroups(ctx, scope, []string{id}); err != nil || len(found) != 0 {
		t.Errorf("it exists before it is committed: %v, %v", found, err)
	}
	if _, err := s.Store.Commit(ctx, ops...); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]ec2.Describe{
		"by id":   {IDs: []string{id}},
		"by tag":  {Filters: []ec2.Filter{{Name: "tag:kubernetes.io/cluster/prod", Values: []string{"owned"}}}},
		"by key":  {Filters: []ec2.Filter{{Name: "tag-key", Values: []string{"kubernetes.io/cluster/*"}}}},
		"by name": {Filters: []ec2.Filter{{Name: "group-name", Values: []string{"eks-cluster-sg-*"}}}},
		"by rule": {Filters: []ec2.Filter{{Name: "ip-permission.group-id", Values: []string{id}}, {Name: "egress.ip-permission.cidr", Values: []string{"0.0.0.0/0"}}}},
	} {
		page, err := s.DescribeSecurityGroups(ctx, caller, d, nil)
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != id {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
	if page, err := s.DescribeSecurityGroups(ctx, caller, ec2.Describe{}, []string{"default"}); err != nil || len(page.Items) != 1 || page.Items[0].Name != "default" {
		t.Errorf("by the name default: %+v, %v", page, err)
	}
	if _, err := s.DescribeSecurityGroups(ctx, caller, ec2.Describe{}, []string{"x"}); reasonOf(err) != "InvalidGroup.NotFound" {
		t.Errorf("by a name that nobody has: %v", err)
	}
	if ops, err = s.RemoveSecurityGroup(ctx, scope, id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.Commit(ctx, ops...); err != nil {
		t.Fatal(err)
	}
	if ops, err := s.RemoveSecurityGroup(ctx, scope, id); err != nil || len(ops) != 0 {
		t.Errorf("removing it again: %v, %v", ops, err)
	}
	if _, err := s.DescribeSecurityGroups(ctx, caller, ec2.Describe{IDs: []string{id}}, nil); reasonOf(err) != "InvalidGroup.NotFound" {
		t.Errorf("it is still there: %v", err)
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := t.Context()
	page, err := s.DescribeSubnets(ctx, caller, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := page.Items[0], page.Items[1]
	found, err := s.Subnets(ctx, scope, []string{b.ID, "subnet-x", a.ID})
	if diff := cmp.Diff([]ec2.Subnet{b, a}, found, cmp.Comparer(func(x, y netip.Prefix) bool { return x == y })); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	defaults, err := s.DefaultSubnets(ctx, scope)
	if err != nil || len(defaults) != 3 || defaults[0].ID != a.ID || defaults[1].ID != b.ID {
		t.Errorf("the default subnets are %+v, %v", defaults, err)
	}
	stranger := minato.Scope{Account: "999999999999", Region: scope.Region}
	if found, err := s.Subnets(ctx, stranger, []string{a.ID}); err != nil || len(found) != 0 {
		t.Errorf("another account finds %v, %v", found, err)
	}
	if cidrs, err := s.CIDRs(ctx, scope, a.VPCID); err != nil || len(cidrs) != 1 || cidrs[0].String() != "172.31.0.0/16" {
		t.Errorf("%v, %v", cidrs, err)
	}
	if _, err := s.CIDRs(ctx, scope, "vpc-x"); reasonOf(err) != "InvalidVpcID.NotFound" {
		t.Errorf("a VPC that does not exist: %v", err)
	}
	if _, _, err := s.NewSecurityGroup(ctx, scope, "vpc-x", "n", "d", nil); reasonOf(err) != "InvalidVpcID.NotFound" {
		t.Errorf("a group in a VPC that does not exist: %v", err)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx := t.Context()
	vpcs, err := s.DescribeVPCs(ctx, caller, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 11 { // with the default one, 12
		_, ops, err := s.NewSecurityGroup(ctx, scope, vpcs.Items[0].ID, fmt.Sprintf("g%d", i), "d", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Store.Commit(ctx, ops...); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	var sizes []int
	d := ec2.Describe{MaxResults: ptr(int32(5))}
	for {
		page, err := s.DescribeSecurityGroups(ctx, caller, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Items {
			seen[g.Name] = true
		}
		sizes = append(sizes, len(page.Items))
		if d.NextToken = page.NextToken; d.NextToken == "" {
			break
		}
	}
	if diff := cmp.Diff([]int{5, 5, 2}, sizes); diff != "" || len(seen) != 12 {
		t.Errorf("pages of %v with %d groups", sizes, len(seen))
	}
}

func TestCorruptRecordDoesNotHideOthers(t *testing.T) {
	t.Parallel()
	s := start(t)
	var log strings.Builder
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	const key = "/minato/ec2/subnets/111122223333/us-east-1/subnet-0corrupt"
	if _, err := s.Store.Commit(t.Context(), store.Create(key, []byte("{"))); err != nil {
		t.Fatal(err)
	}
	page, err := s.DescribeSubnets(t.Context(), caller, ec2.Describe{})
	if err != nil || len(page.Items) != 3 || !strings.Contains(log.String(), key) {
		t.Errorf("%d subnets, %v, log %q", len(page.Items), err, log.String())
	}
	if _, err := s.Subnets(t.Context(), scope, []string{"subnet-0corrupt"}); !minato.Is(err, minato.Internal) {
		t.Errorf("asking for the corrupt one: %v", err)
	}
}
