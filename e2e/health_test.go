package e2e

import (
	"fmt"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

const healthIssues = "Cluster health issues"

// losesResources takes away what the cluster was given, its role, one of its subnets and a security group: its health tells within seconds,
// and the insight of it, until there is something else in their place. What the control plane's interfaces are in or have cannot go, so
// the subnet is one without, and the group is taken from them first. The server must be the test's own.
func (k *cluster) losesResources(t *testing.T) {
	t.Helper()
	c := k.client
	given := strings.Fields(c.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.resourcesVpcConfig.[vpcId,subnetIds[]][]", "--output", "text"))
	vpc, ids := given[0], given[1:]
	group := c.AWS(t, "ec2", "create-security-group", "--group-name", k.name, "--description", "more", "--query", "GroupId", "--output", "text")
	zone := c.AWS(t, "ec2", "describe-subnets", "--subnet-ids", ids[0], "--query", "Subnets[0].AvailabilityZone", "--output", "text")
	more := c.AWS(t, "ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "172.31.240.0/28", "--availability-zone", zone, "--query", "Subnet.SubnetId", "--output", "text")
	k.mustUpdate(t, "--resources-vpc-config", fmt.Sprintf(`{"subnetIds":["%s","%s"],"securityGroupIds":["%s"]}`, strings.Join(ids, `","`), more, group))
	k.sees(t, map[string]string{healthIssues: "PASSING"})

	interfaces := strings.Fields(c.AWS(t, "ec2", "describe-network-interfaces", "--filters", "Name=description,Values=Amazon EKS "+k.name,
		"Name=group-id,Values="+group, "Name=subnet-id,Values="+strings.Join(ids, ","), "--query", "NetworkInterfaces[].NetworkInterfaceId", "--output", "text"))
	if len(interfaces) != 2 {
		t.Fatalf("the control plane has the interfaces %q with %s, want two", interfaces, group)
	}
	for _, args := range [][]string{{"delete-subnet", "--subnet-id", ids[0]}, {"delete-security-group", "--group-id", group}, {"delete-vpc", "--vpc-id", vpc}} {
		c.RefusedAWS(t, []string{"DependencyViolation"}, append([]string{"ec2"}, args...)...)
	}
	own := c.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.resourcesVpcConfig.clusterSecurityGroupId", "--output", "text")
	for _, id := range interfaces {
		c.AWS(t, "ec2", "modify-network-interface-attribute", "--network-interface-id", id, "--groups", own)
	}
	c.AWS(t, "iam", "delete-role", "--role-name", k.name)
	c.AWS(t, "ec2", "delete-subnet", "--subnet-id", more)
	c.AWS(t, "ec2", "delete-security-group", "--group-id", group)
	k.hasIssues(t, "IamRoleNotFound\tEc2SubnetNotFound\tEc2SecurityGroupNotFound")
	if found := k.sees(t, map[string]string{healthIssues: "ERROR"})[healthIssues]; len(k.describeInsight(t, found.ID).Resources) != 3 {
		t.Errorf("the insight is %+v, want the three issues", k.describeInsight(t, found.ID))
	}
	createRole(t, c, k.name)
	k.hasIssues(t, "Ec2SubnetNotFound\tEc2SecurityGroupNotFound")
	k.mustUpdate(t, "--resources-vpc-config", fmt.Sprintf(`{"subnetIds":["%s"],"securityGroupIds":[]}`, strings.Join(ids, `","`)))
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
