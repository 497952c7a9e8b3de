package ec2api

import (
	"time"

	"minato.dev/minato/service/ec2"
)

type templateVersion struct {
	ID             string       `query:"launchTemplateId"`
	Name           string       `query:"launchTemplateName"`
	Number         int64        `query:"versionNumber"`
	Description    string       `query:"versionDescription"`
	CreateTime     time.Time    `query:"createTime"`
	CreatedBy      string       `query:"createdBy"`
	DefaultVersion bool         `query:"defaultVersion"`
	Data           templateData `query:"launchTemplateData"`
}

// templateData is the same as instanceSpec, as answers spell it.
type templateData struct {
	EbsOptimized          *bool               `query:"ebsOptimized"`
	IamInstanceProfile    *profileOut         `query:"iamInstanceProfile"`
	BlockDevices          []blockDeviceOut    `query:"blockDeviceMappingSet"`
	Interfaces            []interfaceOut      `query:"networkInterfaceSet"`
	ImageID               string              `query:"imageId"`
	InstanceType          string              `query:"instanceType"`
	KeyName               string              `query:"keyName"`
	Monitoring            *enabledOut         `query:"monitoring"`
	Placement             *placementOut       `query:"placement"`
	DisableAPITermination *bool               `query:"disableApiTermination"`
	ShutdownBehavior      string              `query:"instanceInitiatedShutdownBehavior"`
	UserData              string              `query:"userData"`
	TagSpecifications     []tagSpecOut        `query:"tagSpecificationSet"`
	SecurityGroupIDs      []string            `query:"securityGroupIdSet"`
	SecurityGroups        []string            `query:"securityGroupSet"`
	MarketOptions         *marketOut          `query:"instanceMarketOptions"`
	CreditSpecification   *creditOut          `query:"creditSpecification"`
	MetadataOptions       *metadataOut        `query:"metadataOptions"`
	PrivateDNSNameOptions *hostnameTypeOut    `query:"privateDnsNameOptions"`
	MaintenanceOptions    *maintenanceOptions `query:"maintenanceOptions"`
	DisableAPIStop        *bool               `query:"disableApiStop"`
}

type profileOut struct {
	ARN  string `query:"arn"`
	Name string `query:"name"`
}

type blockDeviceOut struct {
	DeviceName string `query:"deviceName"`
	Ebs        ebsOut `query:"ebs"`
}

type ebsOut struct {
	Encrypted           *bool  `query:"encrypted"`
	DeleteOnTermination *bool  `query:"deleteOnTermination"`
	Iops                *int32 `query:"iops"`
	KmsKeyID            string `query:"kmsKeyId"`
	SnapshotID          string `query:"snapshotId"`
	VolumeSize          *int32 `query:"volumeSize"`
	VolumeType          string `query:"volumeType"`
	Throughput          *int32 `query:"throughput"`
}

type interfaceOut struct {
	AssociatePublicIPAddress *bool    `query:"associatePublicIpAddress"`
	DeleteOnTermination      *bool    `query:"deleteOnTermination"`
	Description              string   `query:"description"`
	DeviceIndex              int32    `query:"deviceIndex"`
	Groups                   []string `query:"groupSet"`
	InterfaceType            string   `query:"interfaceType"`
	PrivateIPAddress         string   `query:"privateIpAddress"`
	SubnetID                 string   `query:"subnetId"`
	NetworkCardIndex         *int32   `query:"networkCardIndex"`
}

type enabledOut struct {
	Enabled bool `query:"enabled"`
}

type placementOut struct {
	AvailabilityZone string `query:"availabilityZone"`
	Tenancy          string `query:"tenancy"`
}

type tagSpecOut struct {
	ResourceType string `query:"resourceType"`
	Tags         []tag  `query:"tagSet"`
}

type marketOut struct {
	MarketType  string   `query:"marketType"`
	SpotOptions *spotOut `query:"spotOptions"`
}

type spotOut struct {
	MaxPrice     string `query:"maxPrice"`
	SpotType     string `query:"spotInstanceType"`
	Interruption string `query:"instanceInterruptionBehavior"`
}

type creditOut struct {
	CPUCredits string `query:"cpuCredits"`
}

type metadataOut struct {
	State        string `query:"state"`
	HTTPTokens   string `query:"httpTokens"`
	HopLimit     *int32 `query:"httpPutResponseHopLimit"`
	HTTPEndpoint string `query:"httpEndpoint"`
	ProtocolIPv6 string `query:"httpProtocolIpv6"`
	InstanceTags string `query:"instanceMetadataTags"`
}

type hostnameTypeOut struct {
	HostnameType string `query:"hostnameType"`
}

type maintenanceOptions struct {
	AutoRecovery string `query:"autoRecovery"`
}

func newTemplateVersion(t ec2.LaunchTemplate, v ec2.TemplateVersion) templateVersion {
	return templateVersion{v.TemplateID, t.Name, v.Number, v.Description, v.CreatedAt, v.CreatedBy, v.Number == t.Default, newTemplateData(v.Data)}
}

func newTemplateData(s ec2.InstanceSpec) templateData {
	out := templateData{
		EbsOptimized: s.EBSOptimized, ImageID: s.ImageID, InstanceType: s.Type, KeyName: s.KeyName, UserData: s.UserData,
		DisableAPITermination: s.DisableAPITermination, DisableAPIStop: s.DisableAPIStop, ShutdownBehavior: s.ShutdownBehavior,
		SecurityGroupIDs: s.SecurityGroups, SecurityGroups: s.SecurityGroupNames,
	}
	if s.Profile != (ec2.ProfileSpec{}) {
		out.IamInstanceProfile = &profileOut{s.Profile.ARN, s.Profile.Name}
	}
	for _, d := range s.BlockDevices {
		out.BlockDevices = append(out.BlockDevices, blockDeviceOut{d.Name, ebsOut{
			d.Encrypted, d.DeleteOnTermination, d.IOPS, d.KMSKeyID, d.SnapshotID, unlessZero(d.SizeGiB), d.Type, d.Throughput,
		}})
	}
	for _, nic := range s.Interfaces {
		out.Interfaces = append(out.Interfaces, interfaceOut{
			nic.AssociatePublicIP, nic.DeleteOnTermination, nic.Description, nic.DeviceIndex, nic.SecurityGroups, nic.InterfaceType,
			nic.PrivateIP, nic.SubnetID, nic.NetworkCardIndex,
		})
	}
	for _, t := range s.Tags {
		out.TagSpecifications = append(out.TagSpecifications, tagSpecOut{t.ResourceType, newTags(t.Tags)})
	}
	if s.Monitoring != nil {
		out.Monitoring = &enabledOut{*s.Monitoring}
	}
	if s.Placement != nil {
		out.Placement = &placementOut{s.Placement.Zone, s.Placement.Tenancy}
	}
	if m := s.Market; m != nil {
		out.MarketOptions = &marketOut{MarketType: m.Type}
		if spot := (spotOut{m.MaxPrice, m.SpotType, m.Interruption}); spot != (spotOut{}) {
			out.MarketOptions.SpotOptions = &spot
		}
	}
	if m := s.Metadata; m != nil {
		out.MetadataOptions = &metadataOut{"", m.Tokens, unlessZero(m.HopLimit), m.Endpoint, m.IPv6, m.InstanceTags}
	}
	if s.CPUCredits != "" {
		out.CreditSpecification = &creditOut{s.CPUCredits}
	}
	if s.HostnameType != "" {
		out.PrivateDNSNameOptions = &hostnameTypeOut{s.HostnameType}
	}
	if s.AutoRecovery != "" {
		out.MaintenanceOptions = &maintenanceOptions{s.AutoRecovery}
	}
	return out
}

func unlessZero(n int32) *int32 {
	if n == 0 {
		return nil
	}
	return &n
}
