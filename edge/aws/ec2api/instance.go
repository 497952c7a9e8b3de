package ec2api

import (
	"context"
	"encoding/base64"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) instances() []query.Operation {
	return []query.Operation{
		query.Op("DescribeInstanceAttribute", h.describeInstanceAttribute),
		query.Op("DescribeInstanceCreditSpecifications", h.describeInstanceCreditSpecifications),
		query.Op("DescribeInstanceStatus", h.describeInstanceStatus),
		query.Op("DescribeInstances", h.describeInstances),
		query.Op("RunInstances", h.runInstances),
		query.Op("TerminateInstances", h.terminateInstances),
	}
}

type reservation struct {
	ID          string      `query:"reservationId"`
	OwnerID     string      `query:"ownerId"`
	RequesterID string      `query:"requesterId"`
	Groups      []groupName `query:"groupSet"`
	Instances   []instance  `query:"instancesSet"`
}

type instance struct {
	InstanceID       string              `query:"instanceId"`
	ImageID          string              `query:"imageId"`
	State            instanceState       `query:"instanceState"`
	PrivateDNSName   string              `query:"privateDnsName"`
	DNSName          *string             `query:"dnsName"` // empty: there are no public names
	Reason           *string             `query:"reason"`
	AMILaunchIndex   int                 `query:"amiLaunchIndex"`
	ProductCodes     []struct{}          `query:"productCodes"`
	InstanceType     string              `query:"instanceType"`
	LaunchTime       time.Time           `query:"launchTime"`
	Placement        instancePlacement   `query:"placement"`
	Monitoring       monitoring          `query:"monitoring"`
	SubnetID         string              `query:"subnetId"`
	VpcID            string              `query:"vpcId"`
	PrivateIP        string              `query:"privateIpAddress"`
	SourceDestCheck  bool                `query:"sourceDestCheck"`
	Groups           []groupName         `query:"groupSet"`
	StateReason      *stateReason        `query:"stateReason"`
	Architecture     string              `query:"architecture"`
	RootDeviceType   string              `query:"rootDeviceType"`
	RootDeviceName   string              `query:"rootDeviceName"`
	BlockDevices     []struct{}          `query:"blockDeviceMapping"`
	Virtualization   string              `query:"virtualizationType"`
	ClientToken      *string             `query:"clientToken"`
	Tags             []tag               `query:"tagSet"`
	Hypervisor       string              `query:"hypervisor"`
	Lifecycle        string              `query:"instanceLifecycle"`
	Interfaces       []instanceInterface `query:"networkInterfaceSet"`
	Profile          *instanceProfile    `query:"iamInstanceProfile"`
	EbsOptimized     bool                `query:"ebsOptimized"`
	EnaSupport       bool                `query:"enaSupport"`
	CPUOptions       *cpuOptions         `query:"cpuOptions"`
	MetadataOptions  metadataOut         `query:"metadataOptions"`
	PlatformDetails  string              `query:"platformDetails"`
	UsageOperation   string              `query:"usageOperation"`
	PrivateDNSOption privateDNSOptions   `query:"privateDnsNameOptions"`
}

type instanceState struct {
	Code int    `query:"code"`
	Name string `query:"name"`
}

type instancePlacement struct {
	Zone      string  `query:"availabilityZone"`
	ZoneID    string  `query:"availabilityZoneId"`
	GroupName *string `query:"groupName"`
	Tenancy   string  `query:"tenancy"`
}

type monitoring struct {
	State string `query:"state"`
}

type stateReason struct {
	Code    string `query:"code"`
	Message string `query:"message"`
}

type instanceProfile struct {
	ARN string `query:"arn"`
	ID  string `query:"id"`
}

type cpuOptions struct {
	CoreCount      int `query:"coreCount"`
	ThreadsPerCore int `query:"threadsPerCore"`
}

type instanceInterface struct {
	ID              string               `query:"networkInterfaceId"`
	SubnetID        string               `query:"subnetId"`
	VpcID           string               `query:"vpcId"`
	Description     *string              `query:"description"`
	OwnerID         string               `query:"ownerId"`
	Status          string               `query:"status"`
	MAC             string               `query:"macAddress"`
	PrivateIP       string               `query:"privateIpAddress"`
	PrivateDNSName  string               `query:"privateDnsName"`
	SourceDestCheck bool                 `query:"sourceDestCheck"`
	Groups          []groupName          `query:"groupSet"`
	Attachment      *interfaceAttachment `query:"attachment"`
	PrivateIPs      []privateIP          `query:"privateIpAddressesSet"`
	IPv6Addresses   []struct{}           `query:"ipv6AddressesSet"`
	InterfaceType   string               `query:"interfaceType"`
}

func newInstance(i ec2.InstanceView) instance {
	empty, hops := "", int32(i.Metadata.HopLimit)
	out := instance{
		InstanceID: i.ID, ImageID: i.ImageID, State: instanceState{i.State.Code(), string(i.State)}, PrivateDNSName: i.PrivateDNSName,
		DNSName: &empty, Reason: &empty, AMILaunchIndex: i.LaunchIndex, ProductCodes: []struct{}{}, InstanceType: i.Type, LaunchTime: i.LaunchedAt,
		Placement: instancePlacement{i.Zone, i.ZoneID, &empty, "default"}, Monitoring: monitoring{"disabled"},
		SubnetID: i.SubnetID, VpcID: i.VPCID, PrivateIP: i.PrivateIP.String(), SourceDestCheck: true, Groups: newGroupNames(i.SecurityGroups, i.GroupNames),
		Architecture: i.Architecture(), RootDeviceType: "ebs", RootDeviceName: ec2.RootDevice, BlockDevices: []struct{}{},
		Virtualization: "hvm", ClientToken: &i.ClientToken, Tags: newTags(i.Tags), Hypervisor: "xen", Lifecycle: i.Lifecycle(),
		Interfaces: []instanceInterface{}, EnaSupport: true, PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
		MetadataOptions:  metadataOut{"applied", i.Metadata.Tokens(), &hops, "enabled", "disabled", "disabled"},
		PrivateDNSOption: privateDNSOptions{HostnameType: "ip-name"},
	}
	if t, ok := ec2.InstanceTypeByName(i.Type); ok {
		out.CPUOptions = &cpuOptions{t.Cores(), t.VCPUs / t.Cores()}
	}
	if i.Reason != nil {
		out.StateReason, out.Reason = &stateReason{i.Reason.Code, i.Reason.Message}, &i.Reason.Message
	}
	if !i.ProfileARN.IsZero() {
		out.Profile = &instanceProfile{i.ProfileARN.String(), i.ProfileID}
	}
	if n := i.Interface; n.ID != "" {
		out.Interfaces = []instanceInterface{{
			n.ID, n.SubnetID, n.VPCID, &n.Description, n.Scope.Account, "in-use", n.MAC, i.PrivateIP.String(), i.PrivateDNSName, true,
			out.Groups, newAttachment(n), newPrivateIPs(n, nil), []struct{}{}, "interface",
		}}
	}
	if i.State == ec2.InstanceTerminated { // as on AWS, where it has left its place
		out.PrivateIP, out.PrivateDNSName, out.SubnetID, out.VpcID, out.Groups = "", "", "", "", []groupName{}
	}
	return out
}

// newReservations puts instances that were launched together into one reservation. They come in that order.
func newReservations(instances []ec2.InstanceView) []reservation {
	out := []reservation{}
	for _, i := range instances {
		if len(out) == 0 || out[len(out)-1].ID != i.ReservationID {
			out = append(out, reservation{ID: i.ReservationID, OwnerID: i.Scope.Account, RequesterID: i.RequesterID, Groups: []groupName{}})
		}
		last := &out[len(out)-1]
		last.Instances = append(last.Instances, newInstance(i))
	}
	return out
}

type instancesInput struct {
	describeInput
	InstanceID []string `query:"InstanceId"`
}

type describeInstancesOutput struct {
	Reservations []reservation `query:"reservationSet"`
	NextToken    string        `query:"nextToken"`
}

func (h handlers) describeInstances(ctx context.Context, in *instancesInput) (*describeInstancesOutput, error) {
	page, err := h.service.DescribeInstances(ctx, caller(ctx), in.asked(in.InstanceID))
	if err != nil {
		return nil, err
	}
	return &describeInstancesOutput{newReservations(page.Items), page.NextToken}, nil
}

type describeInstanceStatusInput struct {
	instancesInput
	IncludeAllInstances bool
}

type describeInstanceStatusOutput struct {
	Statuses  []instanceStatus `query:"instanceStatusSet"`
	NextToken string           `query:"nextToken"`
}

type instanceStatus struct {
	InstanceID string        `query:"instanceId"`
	Zone       string        `query:"availabilityZone"`
	ZoneID     string        `query:"availabilityZoneId"`
	State      instanceState `query:"instanceState"`
	System     statusSummary `query:"systemStatus"`
	Instance   statusSummary `query:"instanceStatus"`
}

type statusSummary struct {
	Status  string         `query:"status"`
	Details []statusDetail `query:"details"`
}

type statusDetail struct {
	Name   string `query:"name"`
	Status string `query:"status"`
}

func newInstanceStatus(i ec2.InstanceView) instanceStatus {
	status, passed := i.Status()
	summary := statusSummary{status, []statusDetail{}}
	if passed != "" {
		summary.Details = []statusDetail{{"reachability", passed}}
	}
	return instanceStatus{i.ID, i.Zone, i.ZoneID, instanceState{i.State.Code(), string(i.State)}, summary, summary}
}

func (h handlers) describeInstanceStatus(ctx context.Context, in *describeInstanceStatusInput) (*describeInstanceStatusOutput, error) {
	page, err := h.service.DescribeInstanceStatus(ctx, caller(ctx), in.asked(in.InstanceID), in.IncludeAllInstances)
	if err != nil {
		return nil, err
	}
	return &describeInstanceStatusOutput{each(page.Items, newInstanceStatus), page.NextToken}, nil
}

type creditSpecification struct {
	InstanceID string `query:"instanceId"`
	CPUCredits string `query:"cpuCredits"`
}

type describeInstanceCreditSpecificationsOutput struct {
	Specifications []creditSpecification `query:"instanceCreditSpecificationSet"`
	NextToken      string                `query:"nextToken"`
}

func (h handlers) describeInstanceCreditSpecifications(ctx context.Context, in *instancesInput) (*describeInstanceCreditSpecificationsOutput, error) {
	page, err := h.service.DescribeCreditSpecifications(ctx, caller(ctx), in.asked(in.InstanceID))
	if err != nil {
		return nil, err
	}
	convert := func(i ec2.InstanceView) creditSpecification { return creditSpecification{i.ID, "unlimited"} }
	return &describeInstanceCreditSpecificationsOutput{each(page.Items, convert), page.NextToken}, nil
}

type describeInstanceAttributeInput struct {
	dryRun
	InstanceID string `query:"InstanceId"`
	Attribute  string
}

// describeInstanceAttributeOutput has the attribute that was asked for.
type describeInstanceAttributeOutput struct {
	InstanceID       string      `query:"instanceId"`
	BlockDevices     []struct{}  `query:"blockDeviceMapping"`
	APITermination   *yesNo      `query:"disableApiTermination"`
	APIStop          *yesNo      `query:"disableApiStop"`
	EnaSupport       *yesNo      `query:"enaSupport"`
	EbsOptimized     *yesNo      `query:"ebsOptimized"`
	SourceDestCheck  *yesNo      `query:"sourceDestCheck"`
	ShutdownBehavior *textValue  `query:"instanceInitiatedShutdownBehavior"`
	InstanceType     *textValue  `query:"instanceType"`
	Kernel           *textValue  `query:"kernel"`
	Ramdisk          *textValue  `query:"ramdisk"`
	RootDeviceName   *textValue  `query:"rootDeviceName"`
	UserData         *textValue  `query:"userData"`
	Groups           []groupName `query:"groupSet"`
	ProductCodes     []struct{}  `query:"productCodes"`
}

type textValue struct {
	Value string `query:"value"`
}

func (h handlers) describeInstanceAttribute(ctx context.Context, in *describeInstanceAttributeInput) (*describeInstanceAttributeOutput, error) {
	i, err := h.service.InstanceForAttribute(ctx, in.caller(ctx), in.InstanceID)
	if err != nil {
		return nil, err
	}
	yes, no := true, false
	out := &describeInstanceAttributeOutput{InstanceID: i.ID}
	switch in.Attribute {
	case "blockDeviceMapping":
		out.BlockDevices = []struct{}{}
	case "disableApiTermination":
		out.APITermination = &yesNo{&no}
	case "disableApiStop":
		out.APIStop = &yesNo{&no}
	case "enaSupport":
		out.EnaSupport = &yesNo{&yes}
	case "ebsOptimized":
		out.EbsOptimized = &yesNo{&no}
	case "sourceDestCheck":
		out.SourceDestCheck = &yesNo{&yes}
	case "instanceInitiatedShutdownBehavior":
		out.ShutdownBehavior = &textValue{"terminate"}
	case "instanceType":
		out.InstanceType = &textValue{i.Type}
	case "kernel":
		out.Kernel = &textValue{}
	case "ramdisk":
		out.Ramdisk = &textValue{}
	case "rootDeviceName":
		out.RootDeviceName = &textValue{ec2.RootDevice}
	case "userData":
		out.UserData = &textValue{base64.StdEncoding.EncodeToString(i.UserData)}
	case "groupSet":
		out.Groups = newGroupNames(i.SecurityGroups, i.GroupNames)
	case "productCodes":
		out.ProductCodes = []struct{}{}
	default:
		return nil, minato.Errorf(minato.Invalid, "Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}

type runInstancesInput struct {
	dryRun
	instanceSpec
	MinCount         int
	MaxCount         int
	SubnetID         string `query:"SubnetId"`
	PrivateIPAddress string `query:"PrivateIpAddress"`
	ClientToken      string
	LaunchTemplate   struct {
		LaunchTemplateID   string `query:"LaunchTemplateId"`
		LaunchTemplateName string
		Version            string
	}
}

func (h handlers) runInstances(ctx context.Context, in *runInstancesInput) (*reservation, error) {
	spec, err := in.spec()
	if err != nil {
		return nil, err
	}
	r := ec2.RunInstances{
		Spec: spec, MinCount: in.MinCount, MaxCount: in.MaxCount, SubnetID: in.SubnetID, ClientToken: in.ClientToken,
		Template:        ec2.TemplateName{ID: in.LaunchTemplate.LaunchTemplateID, Name: in.LaunchTemplate.LaunchTemplateName},
		TemplateVersion: in.LaunchTemplate.Version,
	}
	if r.PrivateIP, err = parseIP("privateIpAddress", in.PrivateIPAddress); err != nil {
		return nil, err
	}
	instances, err := h.service.RunInstances(ctx, in.caller(ctx), r)
	if err != nil {
		return nil, err
	}
	return &newReservations(instances)[0], nil
}

type terminateInstancesInput struct {
	dryRun
	InstanceID []string `query:"InstanceId"`
}

type terminateInstancesOutput struct {
	Instances []stateChange `query:"instancesSet"`
}

type stateChange struct {
	InstanceID string        `query:"instanceId"`
	Current    instanceState `query:"currentState"`
	Previous   instanceState `query:"previousState"`
}

func (h handlers) terminateInstances(ctx context.Context, in *terminateInstancesInput) (*terminateInstancesOutput, error) {
	changes, err := h.service.TerminateInstances(ctx, in.caller(ctx), in.InstanceID)
	convert := func(c ec2.StateChange) stateChange {
		return stateChange{c.ID, instanceState{c.After.Code(), string(c.After)}, instanceState{c.Before.Code(), string(c.Before)}}
	}
	return &terminateInstancesOutput{each(changes, convert)}, err
}
