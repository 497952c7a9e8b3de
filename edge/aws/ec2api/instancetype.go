package ec2api

import (
	"context"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) instanceTypes() []query.Operation {
	return []query.Operation{
		query.Op("DescribeImages", h.describeImages),
		query.Op("DescribeInstanceTypeOfferings", h.describeInstanceTypeOfferings),
		query.Op("DescribeInstanceTypes", h.describeInstanceTypes),
	}
}

type image struct {
	ID             string     `query:"imageId"`
	Location       string     `query:"imageLocation"`
	State          string     `query:"imageState"`
	OwnerID        string     `query:"imageOwnerId"`
	OwnerAlias     string     `query:"imageOwnerAlias"`
	CreationDate   string     `query:"creationDate"`
	Public         bool       `query:"isPublic"`
	ProductCodes   []struct{} `query:"productCodes"`
	Architecture   string     `query:"architecture"`
	Type           string     `query:"imageType"`
	Name           string     `query:"name"`
	Description    string     `query:"description"`
	RootDeviceType string     `query:"rootDeviceType"`
	RootDeviceName string     `query:"rootDeviceName"`
	BlockDevices   []struct{} `query:"blockDeviceMapping"`
	Virtualization string     `query:"virtualizationType"`
	Hypervisor     string     `query:"hypervisor"`
	EnaSupport     bool       `query:"enaSupport"`
	IMDSSupport    string     `query:"imdsSupport"`
	Platform       string     `query:"platformDetails"`
	UsageOperation string     `query:"usageOperation"`
	Tags           []tag      `query:"tagSet"`
}

func newImage(i ec2.Image) image {
	return image{
		ID: i.ID, Location: i.Location(), State: "available", OwnerID: ec2.ImageOwner, OwnerAlias: ec2.ImageOwnerAlias,
		CreationDate: i.CreationDate(), Public: true, ProductCodes: []struct{}{}, Architecture: i.Architecture, Type: "machine",
		Name: i.Name, Description: i.Description, RootDeviceType: "ebs", RootDeviceName: ec2.RootDevice, BlockDevices: []struct{}{},
		Virtualization: "hvm", Hypervisor: "xen", EnaSupport: true, IMDSSupport: "v2.0", Platform: "Linux/UNIX", UsageOperation: "RunInstances", Tags: []tag{},
	}
}

type describeImagesInput struct {
	describeInput
	ImageID []string `query:"ImageId"`
	Owner   []string
}

type describeImagesOutput struct {
	Images    []image `query:"imagesSet"`
	NextToken string  `query:"nextToken"`
}

func (h handlers) describeImages(ctx context.Context, in *describeImagesInput) (*describeImagesOutput, error) {
	page, err := h.service.DescribeImages(ctx, caller(ctx), in.asked(in.ImageID), in.Owner)
	if err != nil {
		return nil, err
	}
	return &describeImagesOutput{each(page.Items, newImage), page.NextToken}, nil
}

type instanceType struct {
	InstanceType       string          `query:"instanceType"`
	CurrentGeneration  bool            `query:"currentGeneration"`
	FreeTierEligible   bool            `query:"freeTierEligible"`
	UsageClasses       []string        `query:"supportedUsageClasses"`
	RootDeviceTypes    []string        `query:"supportedRootDeviceTypes"`
	VirtualizationType []string        `query:"supportedVirtualizationTypes"`
	BareMetal          bool            `query:"bareMetal"`
	Hypervisor         string          `query:"hypervisor"`
	Processor          processorInfo   `query:"processorInfo"`
	VCPU               vcpuInfo        `query:"vCpuInfo"`
	Memory             memoryInfo      `query:"memoryInfo"`
	InstanceStorage    bool            `query:"instanceStorageSupported"`
	EBS                ebsInfo         `query:"ebsInfo"`
	Network            networkInfo     `query:"networkInfo"`
	Placement          placementGroups `query:"placementGroupInfo"`
	Hibernation        bool            `query:"hibernationSupported"`
	Burstable          bool            `query:"burstablePerformanceSupported"`
	DedicatedHosts     bool            `query:"dedicatedHostsSupported"`
	AutoRecovery       bool            `query:"autoRecoverySupported"`
	BootModes          []string        `query:"supportedBootModes"`
}

type processorInfo struct {
	Architectures []string `query:"supportedArchitectures"`
}

type vcpuInfo struct {
	VCPUs          int `query:"defaultVCpus"`
	Cores          int `query:"defaultCores"`
	ThreadsPerCore int `query:"defaultThreadsPerCore"`
}

type memoryInfo struct {
	SizeInMiB int `query:"sizeInMiB"`
}

type ebsInfo struct {
	Optimized  string `query:"ebsOptimizedSupport"`
	Encryption string `query:"encryptionSupport"`
	NVMe       string `query:"nvmeSupport"`
}

type networkInfo struct {
	Performance        string        `query:"networkPerformance"`
	MaximumInterfaces  int           `query:"maximumNetworkInterfaces"`
	MaximumCards       int           `query:"maximumNetworkCards"`
	DefaultCard        int           `query:"defaultNetworkCardIndex"`
	Cards              []networkCard `query:"networkCards"`
	IPv4PerInterface   int           `query:"ipv4AddressesPerInterface"`
	IPv6PerInterface   int           `query:"ipv6AddressesPerInterface"`
	IPv6Supported      bool          `query:"ipv6Supported"`
	EnaSupport         string        `query:"enaSupport"`
	EfaSupported       bool          `query:"efaSupported"`
	EncryptionInTravel bool          `query:"encryptionInTransitSupported"`
}

type networkCard struct {
	Index             int    `query:"networkCardIndex"`
	Performance       string `query:"networkPerformance"`
	MaximumInterfaces int    `query:"maximumNetworkInterfaces"`
}

type placementGroups struct {
	Strategies []string `query:"supportedStrategies"`
}

func newInstanceType(t ec2.InstanceType) instanceType {
	return instanceType{
		InstanceType: t.Name, CurrentGeneration: true, UsageClasses: []string{"on-demand", "spot"}, RootDeviceTypes: []string{"ebs"},
		VirtualizationType: []string{"hvm"}, Hypervisor: "nitro", Processor: processorInfo{[]string{t.Architecture}},
		VCPU: vcpuInfo{t.VCPUs, t.Cores(), t.VCPUs / t.Cores()}, Memory: memoryInfo{t.MemoryMiB},
		EBS: ebsInfo{"default", "supported", "required"},
		Network: networkInfo{
			Performance: t.Network, MaximumInterfaces: t.Interfaces, MaximumCards: 1, Cards: []networkCard{{0, t.Network, t.Interfaces}},
			IPv4PerInterface: t.Addresses, EnaSupport: "required",
		},
		Placement: placementGroups{[]string{}}, Burstable: t.Burstable, BootModes: []string{"uefi"},
	}
}

type describeInstanceTypesInput struct {
	describeInput
	InstanceType []string
}

type describeInstanceTypesOutput struct {
	Types     []instanceType `query:"instanceTypeSet"`
	NextToken string         `query:"nextToken"`
}

func (h handlers) describeInstanceTypes(ctx context.Context, in *describeInstanceTypesInput) (*describeInstanceTypesOutput, error) {
	page, err := h.service.DescribeInstanceTypes(ctx, caller(ctx), in.asked(in.InstanceType))
	if err != nil {
		return nil, err
	}
	return &describeInstanceTypesOutput{each(page.Items, newInstanceType), page.NextToken}, nil
}

type describeInstanceTypeOfferingsInput struct {
	describeInput
	LocationType string
}

type describeInstanceTypeOfferingsOutput struct {
	Offerings []offering `query:"instanceTypeOfferingSet"`
	NextToken string     `query:"nextToken"`
}

type offering struct {
	InstanceType string `query:"instanceType"`
	LocationType string `query:"locationType"`
	Location     string `query:"location"`
}

func (h handlers) describeInstanceTypeOfferings(ctx context.Context, in *describeInstanceTypeOfferingsInput) (*describeInstanceTypeOfferingsOutput, error) {
	page, err := h.service.DescribeOfferings(ctx, caller(ctx), in.asked(nil), in.LocationType)
	if err != nil {
		return nil, err
	}
	locationType := in.LocationType
	if locationType == "" {
		locationType = "region"
	}
	convert := func(o ec2.Offering) offering { return offering{o.Type, locationType, o.Location} }
	return &describeInstanceTypeOfferingsOutput{each(page.Items, convert), page.NextToken}, nil
}
