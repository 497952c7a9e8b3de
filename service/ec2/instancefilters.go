package ec2

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// instanceFilters are the filters of DescribeInstances, with those of DescribeInstanceStatus, which are fewer.
func instanceFilters() map[string]func(InstanceView) []string {
	filters := map[string]func(InstanceView) []string{
		"architecture":                   one(InstanceView.Architecture),
		"availability-zone":              one(func(i InstanceView) string { return i.Zone }),
		"client-token":                   unlessEmpty(func(i InstanceView) string { return i.ClientToken }),
		"dns-name":                       fixed[InstanceView](),
		"group-id":                       func(i InstanceView) []string { return i.SecurityGroups },
		"group-name":                     InstanceView.groupNames,
		"hypervisor":                     fixed[InstanceView]("xen"),
		"iam-instance-profile.arn":       unlessEmpty(func(i InstanceView) string { return i.ProfileARN.String() }),
		"iam-instance-profile.id":        unlessEmpty(func(i InstanceView) string { return i.ProfileID }),
		"image-id":                       one(func(i InstanceView) string { return i.ImageID }),
		"instance-id":                    one(func(i InstanceView) string { return i.ID }),
		"instance-lifecycle":             unlessEmpty(InstanceView.Lifecycle),
		"instance-state-code":            one(func(i InstanceView) string { return strconv.Itoa(i.State.Code()) }),
		"instance-state-name":            one(func(i InstanceView) string { return string(i.State) }),
		"instance-type":                  one(func(i InstanceView) string { return i.Type }),
		"instance.group-id":              func(i InstanceView) []string { return i.SecurityGroups },
		"instance.group-name":            InstanceView.groupNames,
		"ip-address":                     fixed[InstanceView](),
		"key-name":                       fixed[InstanceView](),
		"launch-index":                   one(func(i InstanceView) string { return strconv.Itoa(i.LaunchIndex) }),
		"launch-time":                    one(func(i InstanceView) string { return i.LaunchedAt.UTC().Format(time.RFC3339) }),
		"metadata-options.http-endpoint": fixed[InstanceView]("enabled"),
		"metadata-options.http-tokens":   one(func(i InstanceView) string { return i.Metadata.Tokens() }),
		"monitoring-state":               fixed[InstanceView]("disabled"),
		"owner-id":                       one(func(i InstanceView) string { return i.Scope.Account }),
		"placement-group-name":           fixed[InstanceView](),
		"platform":                       fixed[InstanceView](),
		"private-dns-name":               one(func(i InstanceView) string { return i.PrivateDNSName }),
		"private-ip-address":             one(func(i InstanceView) string { return ipText(i.PrivateIP) }),
		"requester-id":                   unlessEmpty(func(i InstanceView) string { return i.RequesterID }),
		"reservation-id":                 one(func(i InstanceView) string { return i.ReservationID }),
		"root-device-name":               fixed[InstanceView](RootDevice),
		"root-device-type":               fixed[InstanceView]("ebs"),
		"source-dest-check":              fixed[InstanceView]("true"),
		"spot-instance-request-id":       fixed[InstanceView](),
		"state-reason-code":              unlessEmpty(InstanceView.reasonCode),
		"subnet-id":                      one(func(i InstanceView) string { return i.SubnetID }),
		"tenancy":                        fixed[InstanceView]("default"),
		"virtualization-type":            fixed[InstanceView]("hvm"),
		"vpc-id":                         one(func(i InstanceView) string { return i.VPCID }),
		"availability-zone-id":           one(func(i InstanceView) string { return i.ZoneID }),
		"ebs-optimized":                  fixed[InstanceView]("false"),
		"ena-support":                    fixed[InstanceView]("true"),
		"metadata-options.state":         fixed[InstanceView]("applied"),
		"operator.managed":               fixed[InstanceView]("false"),
		"platform-details":               fixed[InstanceView]("Linux/UNIX"),
		"reason":                         unlessEmpty(InstanceView.reasonMessage),
		"state-reason-message":           unlessEmpty(InstanceView.reasonMessage),
		"usage-operation":                fixed[InstanceView]("RunInstances"),
		"attached-ebs-status.status":     fixed[InstanceView](),

		"metadata-options.http-protocol-ipv4":          fixed[InstanceView]("enabled"),
		"metadata-options.http-protocol-ipv6":          fixed[InstanceView]("disabled"),
		"metadata-options.http-put-response-hop-limit": one(func(i InstanceView) string { return strconv.Itoa(i.Metadata.HopLimit) }),
		"metadata-options.instance-metadata-tags":      fixed[InstanceView]("disabled"),

		"private-dns-name-options.hostname-type":                        fixed[InstanceView]("ip-name"),
		"private-dns-name-options.enable-resource-name-dns-a-record":    fixed[InstanceView]("false"),
		"private-dns-name-options.enable-resource-name-dns-aaaa-record": fixed[InstanceView]("false"),
	}
	for _, of := range []string{"instance-status", "system-status"} {
		filters[of+".status"] = one(func(i InstanceView) string { status, _ := i.Status(); return status })
		filters[of+".reachability"] = unlessEmpty(func(i InstanceView) string { _, reachability := i.Status(); return reachability })
	}
	maps.Copy(filters, interfaceFilters())
	return withNone(filters, "affinity", "block-device-mapping.attach-time", "block-device-mapping.delete-on-termination",
		"block-device-mapping.device-name", "block-device-mapping.status", "block-device-mapping.volume-id", "boot-mode", "capacity-reservation-id",
		"capacity-reservation-specification.capacity-reservation-preference",
		"capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
		"capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn", "current-instance-boot-mode",
		"enclave-options.enabled", "event.code", "event.description", "event.instance-event-id", "event.not-after", "event.not-before",
		"event.not-before-deadline", "hibernation-options.configured", "host-id", "ipv6-address", "kernel-id", "maintenance-options.auto-recovery",
		"network-performance-options.bandwidth-weighting", "operator.principal", "outpost-arn", "placement-partition-number", "product-code",
		"product-code.type", "ramdisk-id", "tpm-support", "usage-operation-update-time")
}

// interfaceFilters are those of an instance's one interface. It has none when it has ended.
func interfaceFilters() map[string]func(InstanceView) []string {
	of := func(value func(InstanceView) string) func(InstanceView) []string {
		return func(i InstanceView) []string {
			if i.Interface.ID == "" {
				return nil
			}
			return []string{value(i)}
		}
	}
	always := func(value string) func(InstanceView) []string { return of(func(InstanceView) string { return value }) }
	filters := map[string]func(InstanceView) []string{}
	for name, filter := range map[string]func(InstanceView) []string{
		"addresses.primary":                always("true"),
		"addresses.private-dns-name":       InstanceView.addressNames,
		"addresses.private-ip-address":     func(i InstanceView) []string { return texts(i.Interface.Addresses, ipText) },
		"attachment.attach-time":           of(func(i InstanceView) string { return i.Interface.AttachedAt.UTC().Format(time.RFC3339) }),
		"attachment.attachment-id":         of(func(i InstanceView) string { return i.Interface.AttachmentID }),
		"attachment.delete-on-termination": of(func(i InstanceView) string { return boolText(i.Interface.DeleteOnTermination) }),
		"attachment.device-index":          always("0"),
		"attachment.instance-id":           of(func(i InstanceView) string { return i.ID }),
		"attachment.instance-owner-id":     of(func(i InstanceView) string { return i.Scope.Account }),
		"attachment.network-card-index":    always("0"),
		"attachment.status":                always("attached"),
		"availability-zone":                of(func(i InstanceView) string { return i.Zone }),
		"description":                      of(func(i InstanceView) string { return i.Interface.Description }),
		"group-id":                         func(i InstanceView) []string { return i.SecurityGroups },
		"group-name":                       InstanceView.groupNames,
		"mac-address":                      of(func(i InstanceView) string { return i.Interface.MAC }),
		"network-interface-id":             unlessEmpty(func(i InstanceView) string { return i.InterfaceID }),
		"owner-id":                         of(func(i InstanceView) string { return i.Scope.Account }),
		"private-dns-name":                 one(func(i InstanceView) string { return i.PrivateDNSName }),
		"private-ip-address":               of(func(i InstanceView) string { return ipText(i.PrivateIP) }),
		"requester-managed":                always("false"),
		"source-dest-check":                always("true"),
		"status":                           always("in-use"),
		"subnet-id":                        one(func(i InstanceView) string { return i.SubnetID }),
		"tag-key":                          func(i InstanceView) []string { return slices.Collect(maps.Keys(i.Interface.Tags)) },
		"tag-value":                        func(i InstanceView) []string { return slices.Collect(maps.Values(i.Interface.Tags)) },
		"vpc-id":                           one(func(i InstanceView) string { return i.VPCID }),
	} {
		filters["network-interface."+name] = filter
	}
	for _, name := range strings.Fields(`addresses.association.allocation-id addresses.association.association-id addresses.association.carrier-ip
		addresses.association.customer-owned-ip addresses.association.ip-owner-id addresses.association.public-dns-name
		addresses.association.public-ip association.allocation-id association.association-id association.carrier-ip
		association.customer-owned-ip association.ip-owner-id association.public-dns-name association.public-ip deny-all-igw-traffic
		ipv4-prefixes.ipv4-prefix ipv6-address ipv6-addresses.ipv6-address ipv6-addresses.is-primary-ipv6 ipv6-native ipv6-prefixes.ipv6-prefix
		operator.managed operator.principal outpost-arn public-dns-name requester-id`) {
		filters["network-interface."+name] = fixed[InstanceView]()
	}
	return filters
}

// addressNames are the private DNS names of all addresses of the instance's interface.
func (i InstanceView) addressNames() (names []string) {
	for _, a := range i.Interface.Addresses {
		names = append(names, PrivateDNSName(i.Scope.Region, a))
	}
	return names
}
