package ec2api_test

import "testing"

func TestLaunchTemplates(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.ok("CreateLaunchTemplate&LaunchTemplateName=nodes&VersionDescription=first&LaunchTemplateData.InstanceType=t3.small"+
		"&LaunchTemplateData.BlockDeviceMapping.1.DeviceName=/dev/xvda&LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize=80"+
		"&LaunchTemplateData.MetadataOptions.HttpTokens=required&LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit=2"+
		"&LaunchTemplateData.TagSpecification.1.ResourceType=instance&LaunchTemplateData.TagSpecification.1.Tag.1.Key=a&LaunchTemplateData.TagSpecification.1.Tag.1.Value=b"+
		"&TagSpecification.1.ResourceType=launch-template&TagSpecification.1.Tag.1.Key=team&TagSpecification.1.Tag.1.Value=x",
		"<defaultVersionNumber>1<", "<latestVersionNumber>1<", "<key>team</key><value>x</value>")
	c.ok("CreateLaunchTemplateVersion&LaunchTemplateName=nodes&SourceVersion=1&LaunchTemplateData.InstanceType=t3.large&LaunchTemplateData.UserData=aGk=",
		"<versionNumber>2<", "<defaultVersion>false<", "<instanceType>t3.large<", "<volumeSize>80<", "<userData>aGk=<")
	c.ok("DescribeLaunchTemplateVersions&LaunchTemplateId={launchTemplateId}&LaunchTemplateVersion.1=$Default",
		"<versionNumber>1<", "<versionDescription>first<", "<httpPutResponseHopLimit>2<", "<resourceType>instance</resourceType>", "!t3.large")
	c.ok("DescribeLaunchTemplateVersions&LaunchTemplateId={launchTemplateId}&MinVersion=2", "<versionNumber>2<", "!<versionNumber>1<")
	c.ok("DescribeLaunchTemplateVersions&LaunchTemplateVersion.1=$Latest", "<versionNumber>2<")
	c.ok("ModifyLaunchTemplate&LaunchTemplateId={launchTemplateId}&SetDefaultVersion=2", "<defaultVersionNumber>2<")
	c.ok("DescribeLaunchTemplates&LaunchTemplateName.1=nodes&Filter.1.Name=tag:team&Filter.1.Value.1=x", "<launchTemplateName>nodes<", "<defaultVersionNumber>2<")
	c.ok("DeleteLaunchTemplateVersions&LaunchTemplateId={launchTemplateId}&LaunchTemplateVersion.1=1&LaunchTemplateVersion.2=2&LaunchTemplateVersion.3=7",
		"<successfullyDeletedLaunchTemplateVersionSet><item><launchTemplateId>{launchTemplateId}</launchTemplateId><launchTemplateName>nodes</launchTemplateName><versionNumber>1<",
		"launchTemplateVersionDoesNotExist", "unexpectedError")

	c.refused("InvalidLaunchTemplateName.AlreadyExistsException", "already in use", "CreateLaunchTemplate&LaunchTemplateName=nodes&LaunchTemplateData.InstanceType=t3.small")
	c.refused("InvalidLaunchTemplateName.MalformedException", "a b", "CreateLaunchTemplate&LaunchTemplateName=a%20b&LaunchTemplateData.InstanceType=t3.small")
	c.refused("MissingParameter", "LaunchTemplateData", "CreateLaunchTemplate&LaunchTemplateName=other")
	c.refused("UnsupportedOperation", "InstanceRequirements", "CreateLaunchTemplate&LaunchTemplateName=other&LaunchTemplateData.InstanceRequirements.VCpuCount.Min=1")
	c.refused("UnsupportedOperation", "device index 0", "CreateLaunchTemplate&LaunchTemplateName=other&LaunchTemplateData.NetworkInterface.1.DeviceIndex=1")
	c.refused("InvalidKeyPair.NotFound", "me", "CreateLaunchTemplate&LaunchTemplateName=other&LaunchTemplateData.KeyName=me")
	c.refused("InvalidParameterValue", "volume-type", "CreateLaunchTemplate&LaunchTemplateName=other&LaunchTemplateData.InstanceType=t3.small&TagSpecification.1.ResourceType=volume-type")
	c.refused("InvalidLaunchTemplateId.VersionNotFound", "version 1", "DescribeLaunchTemplateVersions&LaunchTemplateName=nodes&LaunchTemplateVersion.1=1")
	c.refused("InvalidLaunchTemplateId.NotFound", "lt-0123456789abcdef0, does not exist", "DescribeLaunchTemplates&LaunchTemplateId.1=lt-0123456789abcdef0")
	c.refused("DryRunOperation", "", "DeleteLaunchTemplate&LaunchTemplateName=nodes&DryRun=true")
	c.ok("DeleteLaunchTemplate&LaunchTemplateName=nodes", "<launchTemplateName>nodes<")
	c.refused("InvalidLaunchTemplateName.NotFoundException", "nodes", "DescribeLaunchTemplates&LaunchTemplateName.1=nodes")
	c.ok("CreateLaunchTemplate&LaunchTemplateName=nodes&LaunchTemplateData.InstanceType=t3.small")
}
