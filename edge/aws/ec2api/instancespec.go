package ec2api

import (
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
)

// given is a member that Minato does not have: there is nothing in it to look at but that it was sent.
type given = *struct{}

// instanceSpec is what RunInstances and a launch template's data have in common, as requests spell it.
type instanceSpec struct {
	ImageID               string `query:"ImageId"`
	InstanceType          string
	KeyName               string
	UserData              string
	IamInstanceProfile    profileSpec
	SecurityGroupID       []string `query:"SecurityGroupId"`
	SecurityGroup         []string
	NetworkInterface      []interfaceSpec
	BlockDeviceMapping    []blockDeviceSpec
	MetadataOptions       *metadataSpec
	InstanceMarketOptions *marketSpec
	Placement             *placementSpec
	TagSpecification      []tagSpecification
	Monitoring            *enabled
	CreditSpecification   *struct{ CpuCredits string }
	MaintenanceOptions    *struct{ AutoRecovery string }
	PrivateDNSNameOptions *struct{ HostnameType string } `query:"PrivateDnsNameOptions"`
	EnclaveOptions        *enabled
	HibernationOptions    *struct{ Configured bool }
	EbsOptimized          *bool
	DisableAPITermination *bool  `query:"DisableApiTermination"`
	DisableAPIStop        *bool  `query:"DisableApiStop"`
	ShutdownBehavior      string `query:"InstanceInitiatedShutdownBehavior"`
	absentSpec
}

// absentSpec are members of a spec for which there is nothing in Minato.
type absentSpec struct {
	KernelID                         given `query:"KernelId"`
	RAMDiskID                        given `query:"RamDiskId"`
	RamdiskID                        given `query:"RamdiskId"`
	ElasticGpuSpecification          given
	ElasticInferenceAccelerator      given
	CPUOptions                       given `query:"CpuOptions"`
	CapacityReservationSpecification given
	LicenseSpecification             given
	InstanceRequirements             given
	SecondaryInterface               given
	NetworkPerformanceOptions        given
	IPv6AddressCount                 *int32 `query:"Ipv6AddressCount"`
	IPv6Address                      given  `query:"Ipv6Address"`
}

type enabled struct{ Enabled bool }

type profileSpec struct{ Arn, Name string }

type interfaceSpec struct {
	DeviceIndex                    int32
	NetworkCardIndex               *int32
	NetworkInterfaceID             string   `query:"NetworkInterfaceId"`
	SubnetID                       string   `query:"SubnetId"`
	SecurityGroupID                []string `query:"SecurityGroupId"`
	PrivateIPAddress               string   `query:"PrivateIpAddress"`
	Description                    string
	InterfaceType                  string
	AssociatePublicIPAddress       *bool `query:"AssociatePublicIpAddress"`
	DeleteOnTermination            *bool
	SecondaryPrivateIPAddressCount *int32 `query:"SecondaryPrivateIpAddressCount"`
	PrivateIPAddresses             given  `query:"PrivateIpAddresses"`
	IPv6AddressCount               *int32 `query:"Ipv6AddressCount"`
	IPv6Addresses                  given  `query:"Ipv6Addresses"`
}

type blockDeviceSpec struct {
	DeviceName  string
	VirtualName string
	NoDevice    *string
	Ebs         *struct {
		Encrypted           *bool
		DeleteOnTermination *bool
		Iops                *int32
		KmsKeyID            string `query:"KmsKeyId"`
		SnapshotID          string `query:"SnapshotId"`
		VolumeSize          int32
		VolumeType          string
		Throughput          *int32
	}
}

type metadataSpec struct {
	HTTPTokens              string `query:"HttpTokens"`
	HTTPPutResponseHopLimit int32  `query:"HttpPutResponseHopLimit"`
	HTTPEndpoint            string `query:"HttpEndpoint"`
	HTTPProtocolIPv6        string `query:"HttpProtocolIpv6"`
	InstanceMetadataTags    string
}

type marketSpec struct {
	MarketType  string
	SpotOptions struct{ MaxPrice, SpotInstanceType, InstanceInterruptionBehavior string }
}

type placementSpec struct {
	AvailabilityZone string
	Tenancy          string
	GroupName        string
	GroupID          string `query:"GroupId"`
	HostID           string `query:"HostId"`
	Affinity         string
	PartitionNumber  *int32
}

// refuse says which member Minato does not have, if one was sent.
func (s *instanceSpec) refuse() error {
	lacking := map[string]bool{
		"KernelId": s.KernelID != nil, "RamdiskId": s.RAMDiskID != nil || s.RamdiskID != nil, "ElasticGpuSpecification": s.ElasticGpuSpecification != nil,
		"ElasticInferenceAccelerator": s.ElasticInferenceAccelerator != nil, "CpuOptions": s.CPUOptions != nil,
		"CapacityReservationSpecification": s.CapacityReservationSpecification != nil, "LicenseSpecification": s.LicenseSpecification != nil,
		"InstanceRequirements": s.InstanceRequirements != nil, "SecondaryInterface": s.SecondaryInterface != nil,
		"NetworkPerformanceOptions": s.NetworkPerformanceOptions != nil, "EnclaveOptions": s.EnclaveOptions != nil && s.EnclaveOptions.Enabled,
		"HibernationOptions": s.HibernationOptions != nil && s.HibernationOptions.Configured,
		"Ipv6AddressCount":   positive(s.IPv6AddressCount), "Ipv6Address": s.IPv6Address != nil,
	}
	if p := s.Placement; p != nil {
		lacking["Placement with a group, host, affinity or partition"] = p.GroupName+p.GroupID+p.HostID+p.Affinity != "" || p.PartitionNumber != nil
	}
	for _, nic := range s.NetworkInterface {
		lacking["NetworkInterface with further addresses"] = positive(nic.SecondaryPrivateIPAddressCount) || nic.PrivateIPAddresses != nil ||
			positive(nic.IPv6AddressCount) || nic.IPv6Addresses != nil
	}
	for _, d := range s.BlockDeviceMapping {
		lacking["BlockDeviceMapping of an instance store"] = d.VirtualName != ""
	}
	return refuseIf(lacking)
}

// refuseIf refuses the members that were sent.
func refuseIf(lacking map[string]bool) error {
	for name, sent := range lacking {
		if sent {
			return minato.Errorf(minato.Unsupported, "Minato does not support %s", name)
		}
	}
	return nil
}

func positive(n *int32) bool { return n != nil && *n > 0 }

func (s *instanceSpec) spec() (ec2.InstanceSpec, error) {
	if err := s.refuse(); err != nil {
		return ec2.InstanceSpec{}, err
	}
	out := ec2.InstanceSpec{
		ImageID: s.ImageID, Type: s.InstanceType, KeyName: s.KeyName, UserData: s.UserData, Profile: ec2.ProfileSpec{ARN: s.IamInstanceProfile.Arn, Name: s.IamInstanceProfile.Name},
		SecurityGroups: s.SecurityGroupID, SecurityGroupNames: s.SecurityGroup, EBSOptimized: s.EbsOptimized,
		DisableAPITermination: s.DisableAPITermination, DisableAPIStop: s.DisableAPIStop, ShutdownBehavior: s.ShutdownBehavior,
	}
	for _, nic := range s.NetworkInterface {
		out.Interfaces = append(out.Interfaces, ec2.InterfaceSpec{
			DeviceIndex: nic.DeviceIndex, NetworkCardIndex: nic.NetworkCardIndex, InterfaceID: nic.NetworkInterfaceID, SubnetID: nic.SubnetID,
			SecurityGroups: nic.SecurityGroupID, PrivateIP: nic.PrivateIPAddress, Description: nic.Description, InterfaceType: nic.InterfaceType,
			AssociatePublicIP: nic.AssociatePublicIPAddress, DeleteOnTermination: nic.DeleteOnTermination,
		})
	}
	for _, d := range s.BlockDeviceMapping {
		if d.NoDevice != nil || d.Ebs == nil {
			continue
		}
		out.BlockDevices = append(out.BlockDevices, ec2.BlockDevice{
			Name: d.DeviceName, SizeGiB: d.Ebs.VolumeSize, Type: d.Ebs.VolumeType, IOPS: d.Ebs.Iops, Throughput: d.Ebs.Throughput,
			Encrypted: d.Ebs.Encrypted, KMSKeyID: d.Ebs.KmsKeyID, SnapshotID: d.Ebs.SnapshotID, DeleteOnTermination: d.Ebs.DeleteOnTermination,
		})
	}
	if m := s.MetadataOptions; m != nil {
		out.Metadata = &ec2.MetadataSpec{
			Tokens: m.HTTPTokens, HopLimit: m.HTTPPutResponseHopLimit, Endpoint: m.HTTPEndpoint, IPv6: m.HTTPProtocolIPv6, InstanceTags: m.InstanceMetadataTags,
		}
	}
	if m := s.InstanceMarketOptions; m != nil {
		out.Market = &ec2.MarketSpec{
			Type: m.MarketType, MaxPrice: m.SpotOptions.MaxPrice, SpotType: m.SpotOptions.SpotInstanceType, Interruption: m.SpotOptions.InstanceInterruptionBehavior,
		}
	}
	if p := s.Placement; p != nil {
		out.Placement = &ec2.PlacementSpec{Zone: p.AvailabilityZone, Tenancy: p.Tenancy}
	}
	if s.Monitoring != nil {
		out.Monitoring = &s.Monitoring.Enabled
	}
	if s.CreditSpecification != nil {
		out.CPUCredits = s.CreditSpecification.CpuCredits
	}
	if s.MaintenanceOptions != nil {
		out.AutoRecovery = s.MaintenanceOptions.AutoRecovery
	}
	if s.PrivateDNSNameOptions != nil {
		out.HostnameType = s.PrivateDNSNameOptions.HostnameType
	}
	var err error
	out.Tags, err = tagSpecs(s.TagSpecification, "instance", "network-interface", "volume", "spot-instances-request")
	return out, err
}

type tagSpecification struct {
	ResourceType string
	Tag          []tagInput
}

type tagInput struct{ Key, Value string }

// tagSpecs are the tags by type of resource, of the types that may be tagged.
func tagSpecs(in []tagSpecification, types ...string) ([]ec2.TagSpec, error) {
	var out []ec2.TagSpec
	for _, t := range in {
		known := false
		for _, name := range types {
			known = known || name == t.ResourceType
		}
		if !known {
			return nil, minato.Errorf(minato.Invalid, "'%s' is not a valid taggable resource type for this operation.", t.ResourceType).
				Because("InvalidParameterValue")
		}
		tags, err := tagsOf(t.Tag)
		if err != nil {
			return nil, err
		}
		out = append(out, ec2.TagSpec{ResourceType: t.ResourceType, Tags: tags})
	}
	return out, nil
}

// newTagsFor are the tags of a request that makes one resource.
func newTagsFor(in []tagSpecification, resourceType string) (minato.Tags, error) {
	specs, err := tagSpecs(in, resourceType)
	if err != nil {
		return nil, err
	}
	all := minato.Tags{}
	for _, s := range specs {
		for key, value := range s.Tags {
			all[key] = value
		}
	}
	return all, nil
}

func tagsOf(in []tagInput) (minato.Tags, error) {
	tags := minato.Tags{}
	for _, t := range in {
		if _, twice := tags[t.Key]; twice {
			return nil, minato.Errorf(minato.Invalid, "Duplicate tag key '%s' specified.", strings.TrimSpace(t.Key)).Because("InvalidParameterValue")
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}
