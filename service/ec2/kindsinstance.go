package ec2

import (
	"strconv"

	"minato.dev/minato"
)

var instanceKind = kind[Instance]{
	noun: "instance ID", notFound: "InvalidInstanceID.NotFound", malformed: "InvalidInstanceID.Malformed",
	resource: "instance", prefix: "i-", parameter: "InstanceId", records: Instances,
	id:    func(i Instance) string { return i.ID },
	order: func(i Instance) string { return i.ReservationID + " " + strconv.Itoa(i.LaunchIndex) + " " + i.ID },
	tags:  func(i *Instance) *minato.Tags { return &i.Tags },
}

var instanceViewKind = kind[InstanceView]{
	noun: instanceKind.noun, notFound: instanceKind.notFound, malformed: instanceKind.malformed, prefix: instanceKind.prefix,
	id:      func(i InstanceView) string { return i.ID },
	order:   func(i InstanceView) string { return instanceKind.order(i.Instance) },
	tags:    func(i *InstanceView) *minato.Tags { return &i.Tags },
	filters: instanceFilters(),
}

var imageKind = kind[Image]{
	noun: "image", notFound: "InvalidAMIID.NotFound", says: "The image id '[%s]' does not exist", resource: "image", malformed: "InvalidAMIID.Malformed", prefix: "ami-",
	id:    func(i Image) string { return i.ID },
	order: func(i Image) string { return i.ID },
	tags:  func(*Image) *minato.Tags { return &minato.Tags{} },
	filters: withNone(map[string]func(Image) []string{
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
		"ena-support":                      fixed[Image]("true"),
		"free-tier-eligible":               fixed[Image]("false"),
		"image-allowed":                    fixed[Image]("true"),
		"manifest-location":                one(Image.Location),
	}, "block-device-mapping.delete-on-termination", "block-device-mapping.device-name", "block-device-mapping.snapshot-id",
		"block-device-mapping.volume-size", "block-device-mapping.encrypted", "kernel-id", "product-code", "product-code.type", "ramdisk-id",
		"source-image-id", "source-image-region", "source-instance-id", "state-reason-code", "state-reason-message", "sriov-net-support"),
}

// Location is where the image's manifest would lie.
func (i Image) Location() string { return ImageOwnerAlias + "/" + i.Name }

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
	filters: withNone(map[string]func(InstanceType) []string{
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
		"vcpu-info.default-cores":                   one(func(t InstanceType) string { return strconv.Itoa(t.Cores()) }),
		"vcpu-info.default-threads-per-core":        one(func(t InstanceType) string { return strconv.Itoa(t.VCPUs / t.Cores()) }),
		"dedicated-hosts-supported":                 fixed[InstanceType]("false"),
		"ebs-info.ebs-optimized-support":            fixed[InstanceType]("default"),
		"ebs-info.encryption-support":               fixed[InstanceType]("supported"),
		"ebs-info.nvme-support":                     fixed[InstanceType]("required"),
		"free-tier-eligible":                        fixed[InstanceType]("false"),
		"network-info.efa-supported":                fixed[InstanceType]("false"),
		"network-info.ena-support":                  fixed[InstanceType]("required"),
		"network-info.ipv6-addresses-per-interface": fixed[InstanceType]("0"),
		"network-info.ipv6-supported":               fixed[InstanceType]("false"),
		"network-info.maximum-network-cards":        fixed[InstanceType]("1"),
		"supported-boot-mode":                       fixed[InstanceType]("uefi"),

		"network-info.encryption-in-transit-supported": fixed[InstanceType]("false"),
	}, "ebs-info.attachment-limit-type", "ebs-info.maximum-ebs-attachments", "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps",
		"ebs-info.ebs-optimized-info.baseline-iops", "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
		"ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.maximum-iops",
		"ebs-info.ebs-optimized-info.maximum-throughput-in-mbps", "instance-storage-info.disk.count", "instance-storage-info.disk.size-in-gb",
		"instance-storage-info.disk.type", "instance-storage-info.encryption-support", "instance-storage-info.nvme-support",
		"instance-storage-info.total-size-in-gb", "network-info.bandwidth-weightings", "network-info.efa-info.maximum-efa-interfaces",
		"network-info.flexible-ena-queues-support", "nitro-enclaves-support", "nitro-tpm-support", "nitro-tpm-info.supported-versions",
		"processor-info.sustained-clock-speed-in-ghz", "processor-info.supported-features", "reboot-migration-support", "vcpu-info.valid-cores",
		"vcpu-info.valid-threads-per-core"),
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
