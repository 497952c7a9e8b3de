package e2e

import (
	"fmt"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

const healthIssues = "Cluster health issues"

// losesResources takes away what the cluster was given, its role, one of its subnets and a security group: its health tells within seconds,
// and the insight of it, until there is something else in their place. The server must be the test's own, for default subnets go.
func (k *cluster) losesResources(t *testing.T) {
	t.Helper()
	c := k.client
	ids := strings.Fields(c.AWS(t, "ec2", "describe-subnets", "--filters", "Name=default-for-az,Values=true", "--query", "Subnets[].SubnetId", "--output", "text"))
	group := c.AWS(t, "ec2", "create-security-group", "--group-name", k.name, "--description", "more", "--query", "GroupId", "--output", "text")
	subnets := fmt.Sprintf(`["%s","%s"]`, ids[0], ids[1])
	k.mustUpdate(t, "--resources-vpc-config", fmt.Sprintf(`{"subnetIds":%s,"securityGroupIds":["%s"]}`, subnets, group))
	k.sees(t, map[string]string{healthIssues: "PASSING"})

	c.AWS(t, "iam", "delete-role", "--role-name", k.name)
	c.AWS(t, "ec2", "delete-subnet", "--subnet-id", ids[0])
	c.AWS(t, "ec2", "delete-security-group", "--group-id", group)
	k.hasIssues(t, "IamRoleNotFound\tEc2SubnetNotFound\tEc2SecurityGroupNotFound")
	if found := k.sees(t, map[string]string{healthIssues: "ERROR"})[healthIssues]; len(k.describeInsight(t, found.ID).Resources) != 3 {
		t.Errorf("the insight is %+v, want the three issues", k.describeInsight(t, found.ID))
	}
	createRole(t, c, k.name)
	k.hasIssues(t, "Ec2SubnetNotFound\tEc2SecurityGroupNotFound")
	k.mustUpdate(t, "--resources-vpc-config", fmt.Sprintf(`{"subnetIds":["%s","%s"],"securityGroupIds":[]}`, ids[1], ids[2]))
	k.hasIssues(t, "")
	k.sees(t, map[string]string{healthIssues: "PASSING"})
}

// hasIssues waits until the cluster's health has issues with these codes.
func (k *cluster) hasIssues(t *testing.T, codes string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		return differ(k.client.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.health.issues[].code", "--output", "text"), codes)
	})
}
