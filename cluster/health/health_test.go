package health_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"minato.dev/minato"
	"minato.dev/minato/cluster/health"
	"minato.dev/minato/service/eks"
)

// account is what a World looks things up in.
type account struct {
	role   error
	free   map[string]int // addresses, by subnet
	groups []string
}

func (a account) world() health.World {
	return health.World{
		CheckRole: func(context.Context, minato.ARN, string, minato.ARN) error { return a.role },
		Subnets: func(_ context.Context, _ minato.Scope, ids []string) (found []eks.Subnet, err error) {
			for _, id := range ids {
				if n, ok := a.free[id]; ok {
					found = append(found, eks.Subnet{ID: id, FreeAddresses: n})
				}
			}
			return found, nil
		},
		SecurityGroups: func(_ context.Context, _ minato.Scope, ids []string) (found []eks.SecurityGroup, err error) {
			for _, id := range ids {
				if slices.Contains(a.groups, id) {
					found = append(found, eks.SecurityGroup{ID: id})
				}
			}
			return found, nil
		},
	}
}

func TestIssues(t *testing.T) {
	t.Parallel()
	role, err := minato.ParseARN("arn:aws:iam::111122223333:role/eks")
	if err != nil {
		t.Fatal(err)
	}
	cluster := eks.Cluster{Name: "prod", Spec: eks.ClusterSpec{RoleARN: role, SubnetIDs: []string{"subnet-a", "subnet-b"}, ClusterSecurityGroup: "sg-own", SecurityGroupIDs: []string{"sg-more"}}}
	good := account{free: map[string]int{"subnet-a": 5, "subnet-b": 4000}, groups: []string{"sg-own", "sg-more"}}
	for name, test := range map[string]struct {
		change func(*account)
		want   []string // code and resources
	}{
		"nothing":                  {func(*account) {}, nil},
		"no role":                  {func(a *account) { a.role = minato.Errorf(minato.NotFound, "gone") }, []string{"IamRoleNotFound " + role.String()}},
		"a role that lets nobody":  {func(a *account) { a.role = minato.Errorf(minato.Denied, "no") }, []string{"AccessDenied " + role.String()}},
		"no subnets":               {func(a *account) { a.free = nil }, []string{"Ec2SubnetNotFound subnet-a subnet-b"}},
		"one gone, the other full": {func(a *account) { a.free = map[string]int{"subnet-b": 4} }, []string{"Ec2SubnetNotFound subnet-a", "InsufficientFreeAddresses subnet-b"}},
		"no security groups":       {func(a *account) { a.groups = nil }, []string{"Ec2SecurityGroupNotFound sg-own sg-more"}},
		"not the one it was given": {func(a *account) { a.groups = []string{"sg-own"} }, []string{"Ec2SecurityGroupNotFound sg-more"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := good
			test.change(&a)
			issues, err := a.world().Issues(t.Context(), &cluster)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range issues {
				got = append(got, i.Code+" "+strings.Join(i.ResourceIDs, " "))
				for _, id := range i.ResourceIDs {
					if !strings.Contains(i.Message, id) {
						t.Errorf("%q does not name %s", i.Message, id)
					}
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("issues %q, want %q", got, test.want)
			}
			told := cluster
			told.Status.Health = append([]eks.HealthIssue{{Code: "ClusterUnreachable"}}, issues...)
			if !health.Same(health.Told(&told), issues) || len(issues) > 0 && health.Same(health.Told(&cluster), issues) {
				t.Error("what a record tells is compared with something else")
			}
		})
	}
	if _, err := (account{role: errors.New("no store")}).world().Issues(t.Context(), &cluster); err == nil {
		t.Error("what cannot be looked at is good")
	}
}
