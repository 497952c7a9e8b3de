package ec2

import (
	"cmp"

	"minato.dev/minato"
)

// InstanceSpec is what a launch template, or a call of RunInstances, says of the instances to be made. What is zero is not said.
type InstanceSpec struct {
	ImageID            string          `json:"imageId,omitempty"`
	Type               string          `json:"type,omitempty"`
	KeyName            string          `json:"keyName,omitempty"`
	UserData           string          `json:"userData,omitempty"` // base64
	Profile            ProfileSpec     `json:"profile,omitzero"`
	SecurityGroups     []string        `json:"securityGroups,omitempty"`     // ids
	SecurityGroupNames []string        `json:"securityGroupNames,omitempty"` // of groups in the default VPC
	Interfaces         []InterfaceSpec `json:"interfaces,omitempty"`
	BlockDevices       []BlockDevice   `json:"blockDevices,omitempty"`
	Metadata           *MetadataSpec   `json:"metadata,omitempty"`
	Market             *MarketSpec     `json:"market,omitempty"`
	Tags               []TagSpec       `json:"tags,omitempty"`
	Placement          *PlacementSpec  `json:"placement,omitempty"`
	// What follows has no effect here (docs/divergences.md).
	CPUCredits            string `json:"cpuCredits,omitempty"`
	Monitoring            *bool  `json:"monitoring,omitempty"`
	EBSOptimized          *bool  `json:"ebsOptimized,omitempty"`
	DisableAPITermination *bool  `json:"disableApiTermination,omitempty"`
	DisableAPIStop        *bool  `json:"disableApiStop,omitempty"`
	ShutdownBehavior      string `json:"shutdownBehavior,omitempty"`
	AutoRecovery          string `json:"autoRecovery,omitempty"`
	HostnameType          string `json:"hostnameType,omitempty"`
}

// ProfileSpec names an instance profile by one of the two.
type ProfileSpec struct {
	ARN  string `json:"arn,omitempty"`
	Name string `json:"name,omitempty"`
}

// InterfaceSpec is a network interface to be made.
type InterfaceSpec struct {
	DeviceIndex         int32    `json:"deviceIndex"`
	NetworkCardIndex    *int32   `json:"networkCardIndex,omitempty"`
	InterfaceID         string   `json:"interfaceId,omitempty"` // one that exists
	SubnetID            string   `json:"subnetId,omitempty"`
	SecurityGroups      []string `json:"securityGroups,omitempty"`
	PrivateIP           string   `json:"privateIp,omitempty"`
	Description         string   `json:"description,omitempty"`
	InterfaceType       string   `json:"interfaceType,omitempty"`
	AssociatePublicIP   *bool    `json:"associatePublicIp,omitempty"`
	DeleteOnTermination *bool    `json:"deleteOnTermination,omitempty"`
}

// BlockDevice is a volume to be made. Only the size of the root volume has an effect.
type BlockDevice struct {
	Name                string `json:"name,omitempty"`
	SizeGiB             int32  `json:"sizeGib,omitempty"`
	Type                string `json:"type,omitempty"`
	IOPS                *int32 `json:"iops,omitempty"`
	Throughput          *int32 `json:"throughput,omitempty"`
	Encrypted           *bool  `json:"encrypted,omitempty"`
	KMSKeyID            string `json:"kmsKeyId,omitempty"`
	SnapshotID          string `json:"snapshotId,omitempty"`
	DeleteOnTermination *bool  `json:"deleteOnTermination,omitempty"`
}

// MetadataSpec is how instances reach their metadata.
type MetadataSpec struct {
	Tokens       string `json:"tokens,omitempty"` // required or optional
	HopLimit     int32  `json:"hopLimit,omitempty"`
	Endpoint     string `json:"endpoint,omitempty"` // enabled or disabled
	IPv6         string `json:"ipv6,omitempty"`
	InstanceTags string `json:"instanceTags,omitempty"`
}

// MarketSpec is how instances are bought.
type MarketSpec struct {
	Type         string `json:"type,omitempty"` // spot
	MaxPrice     string `json:"maxPrice,omitempty"`
	SpotType     string `json:"spotType,omitempty"`
	Interruption string `json:"interruption,omitempty"`
}

// PlacementSpec is where instances shall be.
type PlacementSpec struct {
	Zone    string `json:"zone,omitempty"`
	Tenancy string `json:"tenancy,omitempty"`
}

// TagSpec are the tags for what is made of one type.
type TagSpec struct {
	ResourceType string      `json:"resourceType"`
	Tags         minato.Tags `json:"tags"`
}

// Over is the spec where it says something, and base where it does not.
func (i InstanceSpec) Over(base InstanceSpec) InstanceSpec {
	i.ImageID, i.Type = cmp.Or(i.ImageID, base.ImageID), cmp.Or(i.Type, base.Type)
	i.KeyName, i.UserData, i.Profile = cmp.Or(i.KeyName, base.KeyName), cmp.Or(i.UserData, base.UserData), cmp.Or(i.Profile, base.Profile)
	i.SecurityGroups, i.SecurityGroupNames = orList(i.SecurityGroups, base.SecurityGroups), orList(i.SecurityGroupNames, base.SecurityGroupNames)
	i.Interfaces, i.BlockDevices = orList(i.Interfaces, base.Interfaces), orList(i.BlockDevices, base.BlockDevices)
	i.Metadata, i.Market, i.Placement = cmp.Or(i.Metadata, base.Metadata), cmp.Or(i.Market, base.Market), cmp.Or(i.Placement, base.Placement)
	i.Tags = orList(i.Tags, base.Tags)
	i.CPUCredits, i.ShutdownBehavior = cmp.Or(i.CPUCredits, base.CPUCredits), cmp.Or(i.ShutdownBehavior, base.ShutdownBehavior)
	i.AutoRecovery, i.HostnameType = cmp.Or(i.AutoRecovery, base.AutoRecovery), cmp.Or(i.HostnameType, base.HostnameType)
	i.Monitoring, i.EBSOptimized = cmp.Or(i.Monitoring, base.Monitoring), cmp.Or(i.EBSOptimized, base.EBSOptimized)
	i.DisableAPITermination = cmp.Or(i.DisableAPITermination, base.DisableAPITermination)
	i.DisableAPIStop = cmp.Or(i.DisableAPIStop, base.DisableAPIStop)
	return i
}

func orList[T any](list, base []T) []T {
	if len(list) > 0 {
		return list
	}
	return base
}

// TagsFor are the tags for what is made of a type, such as "instance".
func (i InstanceSpec) TagsFor(resourceType string) minato.Tags {
	for _, t := range i.Tags {
		if t.ResourceType == resourceType {
			return t.Tags
		}
	}
	return nil
}

// Groups are the ids of the security groups, wherever they are said: for the instance, or for its primary interface.
func (i InstanceSpec) Groups() []string {
	if nic := i.Primary(); nic != nil && len(nic.SecurityGroups) > 0 {
		return nic.SecurityGroups
	}
	return i.SecurityGroups
}

// Primary is the network interface of device 0; nil where none is said.
func (i InstanceSpec) Primary() *InterfaceSpec {
	for n := range i.Interfaces {
		if i.Interfaces[n].DeviceIndex == 0 {
			return &i.Interfaces[n]
		}
	}
	return nil
}

// RootGiB is the size of the root volume; 0 where it is not said.
func (i InstanceSpec) RootGiB() int {
	for _, d := range i.BlockDevices {
		if d.Name == RootDevice {
			return int(d.SizeGiB)
		}
	}
	return 0
}

// RootDevice is the name of an instance's root volume, as on AL2023.
const RootDevice = "/dev/xvda"

// MetadataOptions are what the spec says of the metadata service, as an instance keeps it.
func (i InstanceSpec) MetadataOptions() MetadataOptions {
	if i.Metadata == nil {
		return MetadataOptions{}
	}
	return MetadataOptions{HopLimit: int(i.Metadata.HopLimit), TokensOptional: i.Metadata.Tokens == "optional"}
}

// Spot is whether the instances are spot instances.
func (i InstanceSpec) Spot() bool { return i.Market != nil && i.Market.Type == "spot" }

// check refuses what Minato cannot make true.
func (i InstanceSpec) check() error {
	switch {
	case i.KeyName != "":
		return minato.Errorf(minato.NotFound, "The key pair '%s' does not exist", i.KeyName).Because("InvalidKeyPair.NotFound")
	case len(i.SecurityGroups)+len(i.SecurityGroupNames) > 0 && len(i.Interfaces) > 0:
		return minato.Errorf(minato.Invalid, "Network interfaces and an instance-level security groups may not be specified on the same request").
			Because("InvalidParameterCombination")
	case i.Profile.ARN != "" && i.Profile.Name != "":
		return minato.Errorf(minato.Invalid, "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'").
			Because("InvalidParameterCombination")
	case i.Placement != nil && i.Placement.Tenancy != "" && i.Placement.Tenancy != "default":
		return unsupported("Tenancy '%s' is not supported: want default", i.Placement.Tenancy)
	case i.Market != nil && i.Market.Type != "" && i.Market.Type != "spot":
		return unsupported("Market type '%s' is not supported: want spot, or none", i.Market.Type)
	case i.HostnameType != "" && i.HostnameType != "ip-name":
		return unsupported("Hostname type '%s' is not supported: want ip-name", i.HostnameType)
	}
	if err := i.checkMetadata(); err != nil {
		return err
	}
	for _, nic := range i.Interfaces {
		if nic.DeviceIndex != 0 || nic.InterfaceID != "" {
			return unsupported("Minato gives an instance one network interface, of device index 0, that is made with it")
		}
		if nic.InterfaceType != "" && nic.InterfaceType != "interface" {
			return unsupported("Interface type '%s' is not supported: want interface", nic.InterfaceType)
		}
	}
	for _, t := range i.Tags {
		if err := checkTags(t.Tags); err != nil {
			return err
		}
	}
	return nil
}

func (i InstanceSpec) checkMetadata() error {
	m := i.Metadata
	switch {
	case m == nil:
		return nil
	case m.Endpoint == "disabled", m.IPv6 == "enabled", m.InstanceTags == "enabled":
		return unsupported("The metadata service is always there, without IPv6 and without the instance's tags: " +
			"want HttpEndpoint enabled, HttpProtocolIpv6 disabled, InstanceMetadataTags disabled")
	case m.Tokens != "" && m.Tokens != "required" && m.Tokens != "optional":
		return invalid("Value (%s) for parameter HttpTokens is invalid: want required or optional", m.Tokens)
	case m.HopLimit < 0 || m.HopLimit > maxHops:
		return invalid("Value (%d) for parameter HttpPutResponseHopLimit is invalid: want 1 to %d", m.HopLimit, maxHops)
	}
	return nil
}

// maxHops is the most that a metadata answer may travel.
const maxHops = 64
