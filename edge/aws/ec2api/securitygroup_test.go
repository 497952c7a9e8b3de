package ec2api_test

import "testing"

func TestSecurityGroups(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeSecurityGroups&GroupName.1=default")
	c.keep("groupId", "default")
	c.ok("CreateSecurityGroup&GroupName=web&GroupDescription=of%20the%20web&VpcId={vpcId}", "<securityGroupArn>arn:aws:ec2:us-east-1:111122223333:security-group/sg-")
	c.keep("groupId", "web")
	c.ok("DescribeSecurityGroups&GroupId.1={web}", "<ipPermissions></ipPermissions>", "<cidrIp>0.0.0.0/0<")
	const ssh = "&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.9/8"
	c.ok("AuthorizeSecurityGroupIngress&GroupId={web}"+ssh+"&IpPermissions.1.IpRanges.1.Description=ops&IpPermissions.2.IpProtocol=6"+
		"&IpPermissions.2.FromPort=22&IpPermissions.2.ToPort=22&IpPermissions.2.Groups.1.GroupId={default}&IpPermissions.2.Ipv6Ranges.1.CidrIpv6=::/0"+
		"&TagSpecification.1.ResourceType=security-group-rule&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b",
		"<return>true<", "<cidrIpv4>10.0.0.0/8<", "<cidrIpv6>::/0<", "<referencedGroupInfo><groupId>{default}<", "<isEgress>false<", "<key>a</key>")
	c.ok("DescribeSecurityGroups&GroupId.1={web}", "<fromPort>22</fromPort><toPort>22</toPort><groups><item><userId>111122223333</userId><groupId>{default}<",
		"<cidrIp>10.0.0.0/8</cidrIp><description>ops<", "<cidrIpv6>::/0<")
	c.ok("DescribeSecurityGroups&Filter.1.Name=ip-permission.from-port&Filter.1.Value.1=22", "{web}", "!<groupName>default<")
	c.refused("InvalidPermission.Duplicate", "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW", "AuthorizeSecurityGroupIngress&GroupId={web}"+ssh)
	c.ok("DeleteSecurityGroup&GroupId={web}")
}

func TestSecurityGroupLifecycle(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeSecurityGroups&GroupName.1=default")
	c.keep("groupId", "default")
	c.ok("CreateSecurityGroup&GroupName=a&GroupDescription=a&VpcId={vpcId}")
	c.keep("groupId", "a")
	c.ok("CreateSecurityGroup&GroupName=b&GroupDescription=b") // in the default VPC
	c.keep("groupId", "b")
	c.ok("AuthorizeSecurityGroupEgress&GroupId={b}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={a}", "<fromPort>-1<", "<isEgress>true<")
	c.keep("securityGroupRuleId", "rule")
	c.refused("DependencyViolation", "dependent object", "DeleteSecurityGroup&GroupId={a}")
	c.ok("ModifySecurityGroupRules&GroupId={b}&SecurityGroupRule.1.SecurityGroupRuleId={rule}&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=udp" +
		"&SecurityGroupRule.1.SecurityGroupRule.FromPort=53&SecurityGroupRule.1.SecurityGroupRule.ToPort=53&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.2/32")
	c.ok("UpdateSecurityGroupRuleDescriptionsEgress&GroupId={b}&SecurityGroupRuleDescription.1.SecurityGroupRuleId={rule}&SecurityGroupRuleDescription.1.Description=dns")
	c.ok("DescribeSecurityGroupRules&SecurityGroupRuleId.1={rule}", "<ipProtocol>udp<", "<fromPort>53<", "<description>dns<", "<cidrIpv4>10.0.0.2/32<")
	c.ok("CreateTags&ResourceId.1={rule}&Tag.1.Key=k&Tag.1.Value=v")
	c.ok("DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={b}&Filter.2.Name=tag:k&Filter.2.Value.1=v", "{rule}", "!0.0.0.0/0")
	c.ok("RevokeSecurityGroupEgress&GroupId={b}&SecurityGroupRuleId.1={rule}", "<cidrIpv4>10.0.0.2/32<", "<return>true<")
	c.ok("RevokeSecurityGroupEgress&GroupName=b&IpPermissions.1.IpProtocol=all&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	c.ok("DeleteSecurityGroup&GroupId={a}", "<groupId>{a}<")

	c.refused("InvalidPermission.NotFound", "does not exist", "RevokeSecurityGroupEgress&GroupId={b}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	c.refused("InvalidSecurityGroupRuleId.NotFound", "sgr-x", "RevokeSecurityGroupIngress&GroupId={b}&SecurityGroupRuleId.1=sgr-x")
	c.refused("InvalidGroup.Duplicate", "already exists", "CreateSecurityGroup&GroupName=b&GroupDescription=b")
	c.refused("InvalidParameterValue", "reserved", "CreateSecurityGroup&GroupName=default&GroupDescription=b")
	c.refused("MissingParameter", "groupDescription", "CreateSecurityGroup&GroupName=c")
	c.refused("CannotDelete", "default", "DeleteSecurityGroup&GroupId={default}")
	c.refused("InvalidGroup.NotFound", "sg-0123456789abcdef0", "DeleteSecurityGroup&GroupId=sg-0123456789abcdef0")
	const to = "AuthorizeSecurityGroupIngress&GroupId={b}&IpPermissions.1."
	c.refused("InvalidParameterValue", "both from and to ports", to+"IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	c.refused("InvalidParameterValue", "9-8", to+"IpProtocol=tcp&IpPermissions.1.FromPort=9&IpPermissions.1.ToPort=8&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	c.refused("InvalidParameterValue", "Unknown protocol", to+"IpProtocol=smtp&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	c.refused("InvalidParameterValue", "malformed", to+"IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=everywhere")
	c.refused("MissingParameter", "peer", to+"IpProtocol=-1")
	c.refused("InvalidPrefixListID.NotFound", "pl-1", to+"IpProtocol=-1&IpPermissions.1.PrefixListIds.1.PrefixListId=pl-1")
	c.refused("MissingParameter", "ipPermissions", "AuthorizeSecurityGroupIngress&GroupId={b}")
}
