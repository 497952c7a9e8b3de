package ec2

import (
	"strconv"
	"time"

	"minato.dev/minato"
)

var instanceKind = kind[Instance]{
	noun: "instance ID", notFound: "InvalidInstanceID.NotFound",
	resource: "instance", prefix: "i-", parameter: "InstanceId", records: Instances,
	id:    func(i Instance) string { return i.ID },
	order: func(i Instance) string { return i.ReservationID + " " + strconv.Itoa(i.LaunchIndex) + " " + i.ID },
	tags:  func(i *Instance) *minato.Tags { return &i.Tags },
}

var instanceViewKind = kind[InstanceView]{
	noun: instanceKind.noun, notFound: instanceKind.notFound,
	id:    func(i InstanceView) string { return i.ID },
	order: func(i InstanceView) string { return instanceKind.order(i.Instance) },
	tags:  func(i *InstanceView) *minato.Tags { return &i.Tags },
	filters: map[string]func(InstanceView) []string{
		"architecture":                           one(InstanceView.Architecture),
		"availability-zone":                      one(func(i InstanceView) string { return i.Zone }),
		"client-token":                           unlessEmpty(func(i InstanceView) string { return i.ClientToken }),
		"dns-name":                               fixed[InstanceView](),
		"group-id":                               func(i InstanceView) []string { return i.SecurityGroups },
		"group-name":                             InstanceView.groupNames,
		"hypervisor":                             fixed[InstanceView]("xen"),
		"iam-instance-profile.arn":               unlessEmpty(func(i InstanceView) string { return i.ProfileARN.String() }),
		"iam-instance-profile.id":                unlessEmpty(func(i InstanceView) string { return i.ProfileID }),
		"image-id":                               one(func(i InstanceView) string { return i.ImageID }),
		"instance-id":                            one(func(i InstanceView) string { return i.ID }),
		"instance-lifecycle":                     unlessEmpty(InstanceView.Lifecycle),
		"instance-state-code":                    one(func(i InstanceView) string { return strconv.Itoa(i.State.Code()) }),
		"instance-state-name":                    one(func(i InstanceView) string { return string(i.State) }),
		"instance-type":                          one(func(i InstanceView) string { return i.Type }),
		"instance.group-id":                      func(i InstanceView) []string { return i.SecurityGroups },
		"instance.group-name":                    InstanceView.groupNames,
		"ip-address":                             fixed[InstanceView](),
		"key-name":                               fixed[InstanceView](),
		"launch-index":                           one(func(i InstanceView) string { return strconv.Itoa(i.LaunchIndex) }),
		"launch-time":                            one(func(i InstanceView) string { return i.LaunchedAt.UTC().Format(time.RFC3339) }),
		"metadata-options.http-endpoint":         fixed[InstanceView]("enabled"),
		"metadata-options.http-tokens":           one(func(i InstanceView) string { return i.Metadata.Tokens() }),
		"monitoring-state":                       fixed[InstanceView]("disabled"),
		"network-interface.addresses.primary":    fixed[InstanceView]("true"),
		"network-interface.network-interface-id": unlessEmpty(func(i InstanceView) string { return i.InterfaceID }),
		"network-interface.private-dns-name":     one(func(i InstanceView) string { return i.PrivateDNSName }),
		"network-interface.subnet-id":            one(func(i InstanceView) string { return i.SubnetID }),
		"network-interface.vpc-id":               one(func(i InstanceView) string { return i.VPCID }),
		"network-interface.addresses.private-ip-address": func(i InstanceView) []string { return texts(i.Interface.Addresses, ipText) },
		"network-interface.group-id":                     func(i InstanceView) []string { return i.SecurityGroups },
		"owner-id":                                       one(func(i InstanceView) string { return i.Scope.Account }),
		"placement-group-name":                           fixed[InstanceView](),
		"platform":                                       fixed[InstanceView](),
		"private-dns-name":                               one(func(i InstanceView) string { return i.PrivateDNSName }),
		"private-ip-address":                             one(func(i InstanceView) string { return ipText(i.PrivateIP) }),
		"requester-id":                                   unlessEmpty(func(i InstanceView) string { return i.RequesterID }),
		"reservation-id":                                 one(func(i InstanceView) string { return i.ReservationID }),
		"root-device-name":                               fixed[InstanceView](RootDevice),
		"root-device-type":                               fixed[InstanceView]("ebs"),
		"source-dest-check":                              fixed[InstanceView]("true"),
		"spot-instance-request-id":                       fixed[InstanceView](),
		"state-reason-code":                              unlessEmpty(InstanceView.reasonCode),
		"subnet-id":                                      one(func(i InstanceView) string { return i.SubnetID }),
		"tenancy":                                        fixed[InstanceView]("default"),
		"virtualization-type":                            fixed[InstanceView]("hvm"),
		"vpc-id":                                         one(func(i InstanceView) string { return i.VPCID }),
	},
}

var imageKind = kind[Image]{
	noun: "image", notFound: "InvalidAMIID.NotFound", says: "The image id '[%s]' does not exist", resource: "image",
	id:    func(i Image) string { return i.ID },
	order: func(i Image) string { return i.ID },
	filters: map[string]func(Image) []string{
		"architecture":                     one(func(i Image) string { return i.Architecture }),
		"creation-date":                    unlessEmpty(func(i Image) string { return i.CreationDate() }),
		"description":                      one(func(i Image) string { return i.Description }),
		"hypervisor":                       fixed[Image]("xen"),
		"image-id":                         one(func(i Image) string { return i.ID }),
		"image-type":                       fixed[Image]("machine"),
		"is-public":                        fixed[Image]("true"),
		"name":                             one(func(i Image) string { return i.Name }),
		"owner-alias":                      fixed[Image](ImageOwnerAlias),
		"owner-id":                         fixed[Image](ImageOwner),
		"platform":                         fixed[Image](),
		"root-device-name":                 fixed[Image](RootDevice),
		"root-device-type":                 fixed[Image]("ebs"),
		"state":                            fixed[Image]("available"),
		"virtualization-type":              fixed[Image]("hvm"),
		"block-device-mapping.volume-type": fixed[Image]("gp3"),
	},
}

// CreationDate is the day the image is of, as EC2 writes it; empty where there is none.
func (i Image) CreationDate() string {
	if i.CreatedAt.IsZero() {
		return ""
	}
	return i.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z")
}

var instanceTypeKind = kind[InstanceType]{
	noun: "instance type", notFound: "InvalidInstanceType", says: "The following supplied instance types do not exist: [%s]",
	id:    func(t InstanceType) string { return t.Name },
	order: func(t InstanceType) string { return t.Name },
	filters: map[string]func(InstanceType) []string{
		"auto-recovery-supported":                   fixed[InstanceType]("false"),
		"bare-metal":                                fixed[InstanceType]("false"),
		"burstable-performance-supported":           yes(func(t InstanceType) bool { return t.Burstable }),
		"current-generation":                        fixed[InstanceType]("true"),
		"hibernation-supported":                     fixed[InstanceType]("false"),
		"hypervisor":                                fixed[InstanceType]("nitro"),
		"instance-storage-supported":                fixed[InstanceType]("false"),
		"instance-type":                             one(func(t InstanceType) string { return t.Name }),
		"memory-info.size-in-mib":                   one(func(t InstanceType) string { return strconv.Itoa(t.MemoryMiB) }),
		"network-info.ipv4-addresses-per-interface": one(func(t InstanceType) string { return strconv.Itoa(t.Addresses) }),
		"network-info.maximum-network-interfaces":   one(func(t InstanceType) string { return strconv.Itoa(t.Interfaces) }),
		"network-info.network-performance":          one(func(t InstanceType) string { return t.Network }),
		"processor-info.supported-architecture":     one(func(t InstanceType) string { return t.Architecture }),
		"supported-root-device-type":                fixed[InstanceType]("ebs"),
		"supported-usage-class":                     fixed[InstanceType]("on-demand", "spot"),
		"supported-virtualization-type":             fixed[InstanceType]("hvm"),
		"vcpu-info.default-vcpus":                   one(func(t InstanceType) string { return strconv.Itoa(t.VCPUs) }),
	},
}

// Offering is where an instance type can be launched.
type Offering struct {
	Type     string
	Location string // a region, or a zone by name or id
}

var offeringKind = kind[Offering]{
	noun:  "instance type offering",
	id:    func(o Offering) string { return o.Type },
	order: func(o Offering) string { return o.Type + " " + o.Location },
	filters: map[string]func(Offering) []string{
		"instance-type": one(func(o Offering) string { return o.Type }),
		"location":      one(func(o Offering) string { return o.Location }),
	},
}
