package ec2api_test

import (
	"strings"
	"testing"
)

func TestRunInstances(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeImages&Owner.1=amazon&Filter.1.Name=name&Filter.1.Value.1=minato-node-1.35.*", "<imageState>available<", "<imageOwnerAlias>amazon<")
	c.ok("DescribeSubnets&Filter.1.Name=availability-zone&Filter.1.Value.1=us-east-1a")
	const run = "RunInstances&ImageId={imageId}&InstanceType=t3.small&MinCount=1&MaxCount=2&SubnetId={subnetId}&UserData=aGVsbG8=" +
		"&IamInstanceProfile.Name=node&MetadataOptions.HttpTokens=required&MetadataOptions.HttpPutResponseHopLimit=2" +
		"&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=n"
	c.ok(run+"&ClientToken=once", "<reservationId>r-", "<instanceState><code>0</code><name>pending<", "<privateDnsName>ip-172-31-0-4.ec2.internal<",
		"<iamInstanceProfile><arn>arn:aws:iam::111122223333:instance-profile/node</arn><id>AIPANODE<", "<httpPutResponseHopLimit>2<",
		"<key>Name</key><value>n<", "<amiLaunchIndex>1<", "<groupName>default<", "<hypervisor>xen<")
	c.keep("instanceId", "second")
	c.ok(run+"&ClientToken=once", "<instanceId>{second}<", "<privateIpAddress>172.31.0.4<")
	c.refused("IdempotentParameterMismatch", "inconsistent", strings.Replace(run, "t3.small", "t3.large", 1)+"&ClientToken=once")
	c.ok("DescribeSubnets&SubnetId.1={subnetId}", "<availableIpAddressCount>4071<") // 2 x (1 + 9)
	c.ok("DescribeInstances&InstanceId.1={second}", "<instanceId>{second}<", "!<amiLaunchIndex>0<", "<deviceIndex>0<", "<primary>true<")
	c.ok("DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=running", "!{second}")
	c.ok("DescribeInstances&Filter.1.Name=private-dns-name&Filter.1.Value.1=ip-172-31-0-4.*", "!{second}", "172.31.0.4")
	c.ok("DescribeInstanceStatus&IncludeAllInstances=true", "<status>initializing<", "{second}")
	c.ok("DescribeInstanceStatus", "!{second}")
	c.ok("DescribeInstanceAttribute&InstanceId={second}&Attribute=userData", "<userData><value>aGVsbG8=<")
	c.ok("DescribeInstanceCreditSpecifications&InstanceId.1={second}", "<cpuCredits>unlimited<")
	c.ok("DescribeNetworkInterfaces&Filter.1.Name=attachment.instance-id&Filter.1.Value.1={second}", "<status>in-use<", "<deleteOnTermination>true<")
	c.refused("InvalidParameterValue", "in use", "DeleteNetworkInterface&NetworkInterfaceId={networkInterfaceId}")
	c.refused("UnsupportedOperation", "all addresses", "AssignPrivateIpAddresses&NetworkInterfaceId={networkInterfaceId}&SecondaryPrivateIpAddressCount=1")
	c.refused("DependencyViolation", "subnet", "DeleteSubnet&SubnetId={subnetId}")
	c.refused("DryRunOperation", "", "TerminateInstances&InstanceId.1={second}&DryRun=true")
	c.ok("TerminateInstances&InstanceId.1={second}", "<currentState><code>32</code><name>shutting-down<", "<previousState><code>0</code><name>pending<")
	c.ok("TerminateInstances&InstanceId.1={second}", "<previousState><code>32<")
	c.ok("DescribeInstances&InstanceId.1={second}", "<stateReason><code>Client.UserInitiatedShutdown<")
	c.refused("InvalidInstanceID.NotFound", "i-0123456789abcdef0", "TerminateInstances&InstanceId.1={second}&InstanceId.2=i-0123456789abcdef0")
}

func TestRunInstancesFromTemplate(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeImages&Filter.1.Name=name&Filter.1.Value.1=minato-simulated-node-1.35.*")
	c.ok("CreateLaunchTemplate&LaunchTemplateName=nodes&LaunchTemplateData.ImageId={imageId}&LaunchTemplateData.InstanceType=t3.medium" +
		"&LaunchTemplateData.BlockDeviceMapping.1.DeviceName=/dev/xvda&LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize=50" +
		"&LaunchTemplateData.InstanceMarketOptions.MarketType=spot")
	c.ok("RunInstances&LaunchTemplate.LaunchTemplateName=nodes&LaunchTemplate.Version=$Latest&InstanceType=t3.large&MinCount=1&MaxCount=1"+
		"&Placement.AvailabilityZone=us-east-1c", "<instanceType>t3.large<", "<instanceLifecycle>spot<", "<availabilityZone>us-east-1c<", "<imageId>{imageId}<")
	c.refused("InvalidLaunchTemplateId.VersionNotFound", "version 9", "RunInstances&LaunchTemplate.LaunchTemplateName=nodes&LaunchTemplate.Version=9&MinCount=1&MaxCount=1")
}

func TestRunInstancesRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeImages&Filter.1.Name=name&Filter.1.Value.1=minato-node-1.35.*")
	const run = "RunInstances&ImageId={imageId}&InstanceType=t3.small&MinCount=1&MaxCount=1"
	c.refused("InvalidAMIID.NotFound", "ami-0123456789abcdef0", "RunInstances&ImageId=ami-0123456789abcdef0&InstanceType=t3.small&MinCount=1&MaxCount=1")
	c.refused("MissingParameter", "ImageId", "RunInstances&InstanceType=t3.small&MinCount=1&MaxCount=1")
	c.refused("InvalidParameterValue", "t9.huge", "RunInstances&ImageId={imageId}&InstanceType=t9.huge&MinCount=1&MaxCount=1")
	c.refused("InvalidParameterValue", "minCount", "RunInstances&ImageId={imageId}&InstanceType=t3.small&MinCount=2&MaxCount=1")
	c.refused("InvalidKeyPair.NotFound", "me", run+"&KeyName=me")
	c.refused("InvalidSubnetID.NotFound", "subnet-x", run+"&SubnetId=subnet-x")
	c.refused("InvalidGroup.NotFound", "sg-0123456789abcdef0", run+"&SecurityGroupId.1=sg-0123456789abcdef0")
	c.refused("InvalidGroup.NotFound", "nobody", run+"&SecurityGroup.1=nobody")
	c.refused("InvalidParameterValue", "Invalid IAM Instance Profile name", run+"&IamInstanceProfile.Name=x")
	c.refused("InvalidParameterValue", "BASE64", run+"&UserData=!")
	c.refused("UnsupportedOperation", "metadata", run+"&MetadataOptions.HttpEndpoint=disabled")
	c.refused("UnsupportedOperation", "Placement", run+"&Placement.GroupName=g")
	c.refused("InvalidParameterValue", "mars-1a", run+"&Placement.AvailabilityZone=mars-1a")
	c.refused("DryRunOperation", "", run+"&DryRun=true")
	c.ok("CreateVpc&CidrBlock=10.0.0.0/16")
	c.ok("CreateSubnet&VpcId={vpcId}&CidrBlock=10.0.0.0/28") // 11 addresses
	c.refused("InsufficientFreeAddressesInSubnet", "11 are free", "RunInstances&ImageId={imageId}&InstanceType=t3.medium&MinCount=1&MaxCount=1&SubnetId={subnetId}")
	c.ok("RunInstances&ImageId={imageId}&InstanceType=t3.small&MinCount=1&MaxCount=3&SubnetId={subnetId}", "<privateIpAddress>10.0.0.13<", "!<amiLaunchIndex>1<")
	c.refused("DependencyViolation", "vpc", "DeleteVpc&VpcId={vpcId}")
}

func TestInstanceTypes(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeInstanceTypes&InstanceType.1=t3.medium", "<defaultVCpus>2<", "<sizeInMiB>4096<", "<maximumNetworkInterfaces>3<", "<ipv4AddressesPerInterface>6<")
	c.ok("DescribeInstanceTypes&Filter.1.Name=processor-info.supported-architecture&Filter.1.Value.1=arm64", "t4g.medium", "!t3.medium")
	c.ok("DescribeInstanceTypeOfferings&LocationType=availability-zone&Filter.1.Name=instance-type&Filter.1.Value.1=m5.large",
		"<location>us-east-1a<", "<location>us-east-1c<", "!t3.")
	c.refused("InvalidInstanceType", "[t9.huge]", "DescribeInstanceTypes&InstanceType.1=t9.huge")
	c.ok("DescribeRegions", "<regionName>us-east-1<")
	c.ok("DescribeAccountAttributes&AttributeName.1=default-vpc", "<attributeValue>vpc-")
	c.ok("DescribeDhcpOptions", "<value>ec2.internal<")
	c.ok("DescribeVolumes", "<volumeSet></volumeSet>")
	c.refused("InvalidKeyPair.NotFound", "me", "DescribeKeyPairs&KeyName.1=me")
}

func TestTags(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("DescribeVpcs")
	c.ok("DescribeSubnets")
	c.ok("CreateTags&ResourceId.1={vpcId}&ResourceId.2={subnetId}&Tag.1.Key=kubernetes.io/role/elb&Tag.1.Value=1&Tag.2.Key=team&Tag.2.Value=")
	c.ok("DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1={vpcId}", "<resourceType>vpc</resourceType><key>kubernetes.io/role/elb</key><value>1<", "!subnet-")
	c.ok("DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=subnet&Filter.2.Name=key&Filter.2.Value.1=team", "<key>team</key><value></value>", "!elb")
	c.ok("DeleteTags&ResourceId.1={vpcId}&Tag.1.Key=team&Tag.1.Value=other&Tag.2.Key=kubernetes.io/role/elb")
	c.ok("DescribeVpcs&Filter.1.Name=tag-key&Filter.1.Value.1=team", "<key>team<", "!elb")
	c.refused("InvalidID", "thing-1", "CreateTags&ResourceId.1=thing-1&Tag.1.Key=a&Tag.1.Value=b")
	c.refused("InvalidVpcID.NotFound", "vpc-x", "CreateTags&ResourceId.1=vpc-x&Tag.1.Key=a&Tag.1.Value=b")
	c.refused("InvalidParameterValue", "reserved", "CreateTags&ResourceId.1={vpcId}&Tag.1.Key=aws:a&Tag.1.Value=b")
	c.refused("InvalidParameterValue", "Duplicate", "CreateTags&ResourceId.1={vpcId}&Tag.1.Key=a&Tag.1.Value=b&Tag.2.Key=a&Tag.2.Value=c")
}
